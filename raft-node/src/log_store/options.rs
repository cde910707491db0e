//! Sizes and bounds.

use super::LogError;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// Sizes and bounds of a [`super::LogStore`].
#[derive(Clone, Copy, Debug)]
pub struct LogOptions {
    /// Size of a segment file, allocated when it is made. A record longer than this gets a segment of its own.
    /// 4 KiB to 2 GiB; 64 MiB by default.
    pub segment_bytes: u64,
    /// Newest entries kept in memory. Entries that are not on the medium yet stay whatever the limit. 0 to 64 GiB;
    /// 64 MiB by default.
    pub tail_bytes: u64,
    /// Size at which one limited read stops; it returns at least one entry. 1 byte to 64 MiB; 1 MiB by default.
    pub read_bytes_max: u64,
    /// Operations that may wait for the writer; the next one waits for room. 1 to 1 Mi; 1,024 by default.
    pub queue_operations_max: u64,
    /// Bytes of entries that may wait for the writer; a single append may pass it. 1 KiB to 1 GiB; 64 MiB by default.
    pub queue_bytes_max: u64,
    /// Bytes that the writer takes into one group; a single append may pass it. 1 byte to 1 GiB; 8 MiB by default.
    pub group_bytes_max: u64,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self {
            segment_bytes: 64 * MIB,
            tail_bytes: 64 * MIB,
            read_bytes_max: MIB,
            queue_operations_max: 1024,
            queue_bytes_max: 64 * MIB,
            group_bytes_max: 8 * MIB,
        }
    }
}

impl LogOptions {
    /// Names the first option that is outside its limits.
    pub(super) fn check(&self) -> Result<(), LogError> {
        let limits = [
            ("segment_bytes", self.segment_bytes, 4 * KIB, 2 * GIB),
            ("tail_bytes", self.tail_bytes, 0, 64 * GIB),
            ("read_bytes_max", self.read_bytes_max, 1, 64 * MIB),
            ("queue_operations_max", self.queue_operations_max, 1, 1 << 20),
            ("queue_bytes_max", self.queue_bytes_max, KIB, GIB),
            ("group_bytes_max", self.group_bytes_max, 1, GIB),
        ];
        for (option, value, min, max) in limits {
            if value < min || value > max {
                return Err(LogError::Option {
                    option,
                    value,
                    min,
                    max,
                });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Kind, Setting};

    #[test]
    fn whatever_a_setting_may_be_the_log_can_be() {
        let range = |key| match Setting::named(key).unwrap().kind {
            Kind::Integer { min, max } => [min, max],
            _ => panic!("{key} is no number"),
        };
        for segment_bytes in range("storage.log_segment_bytes") {
            for tail_bytes in range("storage.log_tail_bytes") {
                let options = LogOptions {
                    segment_bytes,
                    tail_bytes,
                    ..LogOptions::default()
                };
                options.check().unwrap();
            }
        }
    }
}
