//! What is there before the first round and never changes: enough that tables have many pages.

use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use quorate::{Client, Consistency, Keys};
use rand::rngs::SmallRng;
use rand::{RngCore, SeedableRng};

use crate::{HarnessError, wait};

const PARTS: u64 = 20;
const KEYS_A_PART: u64 = 100;
const VALUE_BYTES: usize = 512;
/// In the eventual tier.
const EVENTUAL_KEYS: u64 = 40;
const WRITES_AT_ONCE: usize = 64;

/// A member that lacks entries of the eventual tier gets them from a peer.
const EVENTUAL_DEADLINE: Duration = Duration::from_secs(30);

/// Keys whose values are known.
#[derive(Debug)]
pub(super) struct Bulk {
    seed: u64,
}

impl Bulk {
    /// Writes it to both tiers.
    pub(super) async fn write(client: &Client, seed: u64) -> Result<Bulk, HarnessError> {
        let bulk = Bulk { seed };
        let keys = (0..PARTS).flat_map(|part| (0..KEYS_A_PART).map(move |number| (part, number)));
        let strong = keys.map(|(part, number)| {
            let (key, value) = (key(part, number), bulk.value(part, number));
            async move { client.put(key, value).await.map(drop) }
        });
        let written: Result<(), quorate::Error> = futures::stream::iter(strong)
            .buffer_unordered(WRITES_AT_ONCE)
            .try_collect()
            .await;
        written.map_err(HarnessError::call("write the bulk"))?;
        for number in 0..EVENTUAL_KEYS {
            let (key, value) = (eventual_key(number), bulk.value(PARTS, number));
            let written = client.put(key, value).consistency(Consistency::Eventual).await;
            written.map_err(HarnessError::call("write the bulk of the eventual tier"))?;
        }
        Ok(bulk)
    }

    /// Not compressible, and another one for each key and run.
    fn value(&self, part: u64, number: u64) -> Bytes {
        let mut bytes = vec![0; VALUE_BYTES];
        SmallRng::seed_from_u64(self.seed ^ (part << 32 | number).wrapping_mul(0x9E37_79B9_7F4A_7C15))
            .fill_bytes(&mut bytes);
        Bytes::from(bytes)
    }

    /// Reads all of it from one member, from its own state. The outer error is a wrong answer, the inner one no answer.
    pub(super) async fn read(&self, client: &Client) -> Result<Result<(), String>, HarnessError> {
        for part in 0..PARTS {
            let page = client
                .range(Keys::prefix(part_prefix(part)))
                .limit(KEYS_A_PART + 1)
                .consistency(Consistency::Local)
                .await;
            let page = match page {
                Ok(page) => page,
                Err(error) => return Ok(Err(format!("part {part}: {error}"))),
            };
            let expected = (0..KEYS_A_PART).map(|number| (key(part, number), self.value(part, number)));
            let found: Vec<(Bytes, Bytes)> = page
                .records
                .into_iter()
                .map(|record| (record.key, record.value))
                .collect();
            if !found.iter().cloned().eq(expected) {
                return Err(HarnessError::Broken(format!(
                    "a damaged member answers wrongly: {} of {KEYS_A_PART} keys of part {part}, or other values",
                    found.len()
                )));
            }
        }
        self.read_eventual(client).await
    }

    async fn read_eventual(&self, client: &Client) -> Result<Result<(), String>, HarnessError> {
        for number in 0..EVENTUAL_KEYS {
            let expected = self.value(PARTS, number);
            let mut failure = None;
            let read = wait::until(
                "a member to have the eventual tier again",
                EVENTUAL_DEADLINE,
                async || match client
                    .get(eventual_key(number))
                    .consistency(Consistency::Eventual)
                    .await
                {
                    Ok(reply) => match reply.record {
                        Some(record) if record.value == expected => Ok(Ok(())),
                        Some(_) => Ok(Err(HarnessError::Broken(format!(
                            "a damaged member answers wrongly: another value of {}",
                            eventual_key(number)
                        )))),
                        None => Err(format!("{} is not there", eventual_key(number))),
                    },
                    Err(error) => {
                        failure = Some(error.to_string());
                        Ok(Ok(()))
                    }
                },
            );
            read.await??;
            if let Some(failure) = failure {
                return Ok(Err(failure));
            }
        }
        Ok(Ok(()))
    }
}

fn part_prefix(part: u64) -> String {
    format!("bulk/{part:02}/")
}

fn key(part: u64, number: u64) -> Bytes {
    Bytes::from(format!("{}{number:03}", part_prefix(part)))
}

fn eventual_key(number: u64) -> String {
    format!("bulk-eventual/{number:03}")
}
