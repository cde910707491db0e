//! Counters, sets, maps and flags: values that many may change at once without losing a change.

use bytes::Bytes;
use quorate_proto::v1;
use quorate_proto::v1::eventual_write::Change;

use super::get::EventualGet;
use super::handle::Eventual;
use super::value::{EventualEntry, EventualType};
use super::write::{Asked, EventualChange};
use crate::error::Result;
use crate::record::IntoBytes;

/// What the types have in common.
#[derive(Clone)]
struct Typed {
    eventual: Eventual,
    entry_type: EventualType,
    key: Bytes,
}

impl Typed {
    fn change(&self, change: Change) -> EventualChange {
        let Eventual { core, domain } = &self.eventual;
        EventualChange(Asked::new(core, domain, self.key.clone(), change))
    }

    fn read(&self) -> EventualGet {
        let Eventual { core, domain } = &self.eventual;
        EventualGet::new(core, domain, self.entry_type, self.key.clone())
    }

    async fn entry(&self) -> Result<EventualEntry> {
        Ok(self.read().await?.entry.unwrap_or_default())
    }
}

macro_rules! typed {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $name(Typed);

        impl $name {
            pub(super) fn new(eventual: &Eventual, key: Bytes) -> Self {
                let entry_type = EventualType::$name;
                Self(Typed {
                    eventual: eventual.clone(),
                    entry_type,
                    key,
                })
            }

            /// A read of all there is, with options. Await the builder; see [`EventualGet`].
            pub fn read(&self) -> EventualGet {
                self.0.read()
            }

            /// Deletes it, as far as the member has it. Await the builder; see [`EventualChange`].
            pub fn delete(&self) -> EventualChange {
                let mut delete = v1::EventualDelete::default();
                delete.set_type(self.0.entry_type.to_wire());
                self.0.change(Change::Delete(delete))
            }
        }
    };
}

typed! {
    /// A sum that many may add to. An addition whose answer was lost is repeated at the process where it was tried, and
    /// nowhere else: if that is gone the call ends with [`TriedElsewhere`](crate::ErrorKind::TriedElsewhere), and whether
    /// it was counted is unknown.
    Counter
}

typed! {
    /// Members; one that is added and removed concurrently stays.
    Set
}

typed! {
    /// Fields, each the last that was written.
    Map
}

typed! {
    /// On or off; switched on and off concurrently, it is on.
    Flag
}

impl Counter {
    /// Adds to it; the number may be negative. Await the builder; see [`EventualChange`].
    pub fn add(&self, number: i64) -> EventualChange {
        self.0.change(Change::Add(number))
    }

    /// The sum; 0 if nothing was ever added.
    ///
    /// # Errors
    ///
    /// What any read may return.
    pub async fn get(&self) -> Result<i64> {
        Ok(self.0.entry().await?.counter)
    }
}

impl Set {
    /// Adds members. Await the builder; see [`EventualChange`].
    pub fn add<B: IntoBytes>(&self, members: impl IntoIterator<Item = B>) -> EventualChange {
        let add = members.into_iter().map(IntoBytes::into_bytes).collect();
        self.0.change(Change::Set(v1::EventualSetChange {
            add,
            remove: Vec::new(),
        }))
    }

    /// Removes members, as far as the answering member has them. Await the builder; see [`EventualChange`].
    pub fn remove<B: IntoBytes>(&self, members: impl IntoIterator<Item = B>) -> EventualChange {
        let remove = members.into_iter().map(IntoBytes::into_bytes).collect();
        self.0.change(Change::Set(v1::EventualSetChange {
            add: Vec::new(),
            remove,
        }))
    }

    /// Its members.
    ///
    /// # Errors
    ///
    /// What any read may return.
    pub async fn members(&self) -> Result<Vec<Bytes>> {
        Ok(self.0.entry().await?.members)
    }
}

impl Map {
    /// Writes one field. Await the builder; see [`EventualChange`].
    pub fn put(&self, name: impl IntoBytes, value: impl IntoBytes) -> EventualChange {
        let field = v1::EventualField {
            name: name.into_bytes(),
            value: value.into_bytes(),
        };
        let (put, remove) = (vec![field], Vec::new());
        self.0.change(Change::Map(v1::EventualMapChange { put, remove }))
    }

    /// Removes fields. Await the builder; see [`EventualChange`].
    pub fn remove<B: IntoBytes>(&self, names: impl IntoIterator<Item = B>) -> EventualChange {
        let remove = names.into_iter().map(IntoBytes::into_bytes).collect();
        self.0.change(Change::Map(v1::EventualMapChange {
            put: Vec::new(),
            remove,
        }))
    }

    /// Names and values.
    ///
    /// # Errors
    ///
    /// What any read may return.
    pub async fn fields(&self) -> Result<Vec<(Bytes, Bytes)>> {
        Ok(self.0.entry().await?.fields)
    }
}

impl Flag {
    /// Switches it on. Await the builder; see [`EventualChange`].
    pub fn enable(&self) -> EventualChange {
        self.0.change(Change::Flag(true))
    }

    /// Switches it off. Await the builder; see [`EventualChange`].
    pub fn disable(&self) -> EventualChange {
        self.0.change(Change::Flag(false))
    }

    /// Whether it is on; a flag that was never switched is off.
    ///
    /// # Errors
    ///
    /// What any read may return.
    pub async fn get(&self) -> Result<bool> {
        Ok(self.0.entry().await?.flag)
    }
}
