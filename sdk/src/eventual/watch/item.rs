//! What a watch of the eventual tier yields.

use bytes::Bytes;
use quorate_proto::v1;

use crate::eventual::EventualType;

/// What a watch of the eventual tier yields.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventualWatchItem {
    /// A key changed, or is there.
    Changed(EventualUpdate),
    /// Everything that was there when the watch began, or began again, has been yielded.
    CaughtUp,
    /// Everything that is there comes again, to the next [`CaughtUp`](Self::CaughtUp): another member serves the watch, or
    /// more changed than was kept for it. A key that does not come is not there any more.
    Restarted,
}

/// A key that changed, and what it holds now. What it held in between is not told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct EventualUpdate {
    /// The domain of the key.
    pub domain: String,
    /// The key.
    pub key: Bytes,
    /// What it stands for.
    pub entry_type: EventualType,
    /// Whether it is there.
    pub kind: EventualUpdateKind,
    /// Of a register: what its strategy makes of all siblings. Of a counter: the sum in decimal. Empty for sets, maps and
    /// flags, which can be read, and for a key that is not there.
    pub value: Bytes,
    /// Values that stand beside each other, to be made one; 0: it has one value.
    pub siblings: u32,
}

/// What became of a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EventualUpdateKind {
    /// It is there, with this value. The default.
    #[default]
    Put,
    /// It is not there.
    Delete,
    /// It is not there, because its time was over.
    Expire,
}

impl EventualUpdate {
    /// None for what a later version tells.
    pub(super) fn of_wire(event: v1::KeyEvent) -> Option<Self> {
        let kind = match event.kind() {
            v1::KeyEventKind::Put => EventualUpdateKind::Put,
            v1::KeyEventKind::Delete => EventualUpdateKind::Delete,
            v1::KeyEventKind::Expire => EventualUpdateKind::Expire,
            v1::KeyEventKind::Unspecified => return None,
        };
        let entry_type = EventualType::of_wire(event.r#type())?;
        let record = event.record?;
        Some(Self {
            domain: event.domain,
            key: record.key,
            entry_type,
            kind,
            value: record.value,
            siblings: event.siblings,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_without_kind_type_or_record_is_of_a_later_version() {
        let whole = || {
            let mut event = v1::KeyEvent {
                record: Some(v1::Record::default()),
                ..Default::default()
            };
            event.set_kind(v1::KeyEventKind::Put);
            event.set_type(v1::EventualType::Counter);
            event
        };
        let update = EventualUpdate::of_wire(whole()).unwrap();
        assert_eq!(
            (update.kind, update.entry_type),
            (EventualUpdateKind::Put, EventualType::Counter)
        );
        let without: [fn(&mut v1::KeyEvent); 3] = [
            |event| event.kind = 0,
            |event| event.r#type = 0,
            |event| {
                event.record = None;
            },
        ];
        for change in without {
            let mut event = whole();
            change(&mut event);
            assert_eq!(EventualUpdate::of_wire(event), None);
        }
    }
}
