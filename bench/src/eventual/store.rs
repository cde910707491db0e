//! The store alone, without requests, peers or a network: what a core can do at most, and what an entry occupies.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use quorate_eventual::{Action, ActorId, Address, Moment, Place, ShardLimits, Space, Store, Strategy, Write};
use serde::Serialize;

use crate::cpu::{CpuWindow, resident_bytes};

/// Any: it only has to be a time.
const NOW_MS: u64 = 1_790_000_000_000;
/// Operations between two looks at the clock.
const ROUND: usize = 1_000;
/// A stride that visits every key, and neighbours never one after the other.
const STRIDE: usize = 61_803;

/// A run.
#[derive(Clone, Debug)]
pub struct StoreLoad {
    /// Threads, of each measurement.
    pub threads: Vec<usize>,
    /// Keys that are written and read.
    pub keys: usize,
    /// Entries whose memory is measured.
    pub entries: usize,
    /// Bytes of a value.
    pub value_bytes: usize,
    /// How long each measurement takes.
    pub window: Duration,
}

/// What it came to.
#[derive(Debug, Serialize)]
pub struct StoreReport {
    /// Bytes of a value.
    pub value_bytes: usize,
    /// Keys that were written and read.
    pub keys: usize,
    /// By number of threads.
    pub rates: Vec<StoreRate>,
    /// Entries whose memory was measured.
    pub entries: usize,
    /// Resident memory of each, in bytes, with what the log keeps of its one operation.
    pub resident_bytes_per_entry: f64,
    /// What limits count of each, in bytes.
    pub counted_bytes_per_entry: f64,
    /// Bytes of its key and its value.
    pub key_and_value_bytes: usize,
}

/// With so many threads.
#[derive(Debug, Serialize)]
pub struct StoreRate {
    /// Threads.
    pub threads: usize,
    /// Writes a second, of all of them.
    pub writes_per_second: f64,
    /// Writes for each second of CPU time: what a core does that has nothing else to do.
    pub writes_per_cpu_second: f64,
    /// Reads a second, of all of them.
    pub reads_per_second: f64,
    /// Reads for each second of CPU time.
    pub reads_per_cpu_second: f64,
}

struct Rate {
    per_second: f64,
    per_cpu_second: f64,
}

impl StoreLoad {
    /// Runs it, in this thread and those it starts.
    pub fn run(&self) -> Result<StoreReport, String> {
        let value = crate::work::value(self.value_bytes);
        let mut report = self.memory(&value)?;
        for threads in &self.threads {
            let store = store();
            for number in 0..self.keys {
                write(&store, &name(number), &value)?;
            }
            let writes = self.rate(*threads, |name| write(&store, name, &value))?;
            let reads = self.rate(*threads, |name| read(&store, name))?;
            report.rates.push(StoreRate {
                threads: *threads,
                writes_per_second: writes.per_second,
                writes_per_cpu_second: writes.per_cpu_second,
                reads_per_second: reads.per_second,
                reads_per_cpu_second: reads.per_cpu_second,
            });
        }
        Ok(report)
    }

    fn memory(&self, value: &[u8]) -> Result<StoreReport, String> {
        let pid = std::process::id();
        let before = resident_bytes(pid)?;
        let store = store();
        for number in 0..self.entries {
            write(&store, &name(number), value)?;
        }
        let resident = resident_bytes(pid)?.saturating_sub(before);
        let entries = self.entries as f64;
        Ok(StoreReport {
            value_bytes: self.value_bytes,
            keys: self.keys,
            rates: Vec::new(),
            entries: self.entries,
            resident_bytes_per_entry: resident as f64 / entries,
            counted_bytes_per_entry: store.counts().domain(DOMAIN).bytes() as f64 / entries,
            key_and_value_bytes: place(&name(0)).bytes().len() + value.len(),
        })
    }

    /// How often a second all threads together do something with a key.
    fn rate(&self, threads: usize, once: impl Fn(&str) -> Result<(), String> + Sync) -> Result<Rate, String> {
        let names: Vec<String> = (0..self.keys).map(name).collect();
        let (done, over) = (AtomicU64::new(0), AtomicBool::new(false));
        let cpu = CpuWindow::open(&[])?;
        let began = Instant::now();
        std::thread::scope(|scope| {
            let one = |thread: usize| {
                let (names, once, done, over) = (&names, &once, &done, &over);
                move || {
                    let mut number = thread * names.len() / threads;
                    // At least once, however late the thread comes to run.
                    loop {
                        for _ in 0..ROUND {
                            number = (number + STRIDE) % names.len();
                            if let Err(error) = once(&names[number]) {
                                over.store(true, Ordering::Relaxed);
                                return Err(error);
                            }
                        }
                        done.fetch_add(ROUND as u64, Ordering::Relaxed);
                        if over.load(Ordering::Relaxed) || began.elapsed() >= self.window {
                            return Ok(());
                        }
                    }
                }
            };
            let running: Vec<_> = (0..threads).map(|thread| scope.spawn(one(thread))).collect();
            for thread in running {
                thread.join().map_err(|_| "a thread stopped".to_owned())??;
            }
            Ok::<_, String>(())
        })?;
        let (done, seconds) = (done.load(Ordering::Relaxed) as f64, began.elapsed().as_secs_f64());
        let spent_us: u64 = cpu.close()?.iter().map(|(_, time)| time.user_us + time.system_us).sum();
        Ok(Rate {
            per_second: done / seconds,
            // Its resolution is 10 ms; a shorter run has none.
            per_cpu_second: if spent_us == 0 {
                0.0
            } else {
                done * 1e6 / spent_us as f64
            },
        })
    }
}

const DOMAIN: u32 = 1;

fn store() -> Arc<Store> {
    Arc::new(Store::new(ActorId(1), ShardLimits::default()))
}

fn name(number: usize) -> String {
    format!("worker/{number:08}/heartbeat")
}

/// Addresses are encoded and hashed each time, as those of requests are.
fn place(name: &str) -> Place {
    Place::of(Address {
        domain: DOMAIN,
        space: Space::Register,
        name: name.as_bytes(),
        element: None,
    })
}

fn write(store: &Store, name: &str, value: &[u8]) -> Result<(), String> {
    let place = place(name);
    let shard = place.shard(false);
    let write = Write {
        place: &place,
        action: Action::Put {
            value,
            strategy: Strategy::LastWrite,
            written: None,
        },
        context: None,
        expires_at_ms: 0,
    };
    let moment = Moment {
        now_ms: NOW_MS,
        predecessors: &[],
    };
    let written = store.lock(shard).write(&write, moment);
    written.map_err(|refused| refused.to_string())?;
    store.wrote(shard);
    Ok(())
}

fn read(store: &Store, name: &str) -> Result<(), String> {
    let place = place(name);
    let held = store.lock(place.shard(false)).read(&place, NOW_MS);
    if std::hint::black_box(held).siblings.is_empty() {
        return Err(format!("{name} was written and is not there"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_thread_writes_and_reads_what_is_there() {
        let load = StoreLoad {
            threads: vec![1, 3],
            keys: 1_000,
            entries: 2_000,
            value_bytes: 10,
            window: Duration::from_millis(1),
        };
        let report = load.run().unwrap();
        let rates: Vec<_> = report.rates.iter().map(|rate| rate.threads).collect();
        assert_eq!(rates, [1, 3]);
        assert!(
            report
                .rates
                .iter()
                .all(|rate| rate.writes_per_second > 0.0 && rate.reads_per_second > 0.0)
        );
        assert!(report.counted_bytes_per_entry > report.key_and_value_bytes as f64);
    }

    #[test]
    fn a_key_that_is_not_there_is_an_error() {
        assert!(read(&store(), "nothing").unwrap_err().contains("nothing"));
    }
}
