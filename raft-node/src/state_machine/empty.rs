//! What a store holds before anything was applied.

use std::ops::{Bound, ControlFlow};

use super::fatal::Fatal;
use super::head::Head;
use crate::codec;
use crate::mvcc::{self, Domain, keys};
use crate::storage::{Batch, Durability, Engine, Table};

/// Creates the state in an engine that holds nothing.
pub fn create(engine: &dyn Engine) -> Result<Head, Fatal> {
    for table in Table::ALL {
        let mut empty = true;
        engine.scan(table, Bound::Unbounded, Bound::Unbounded, false, &mut |_, _| {
            empty = false;
            ControlFlow::Break(())
        })?;
        if !empty {
            let reason = format!("table {} has rows, but the store has no head", table.name());
            return Err(mvcc::corrupt("opening the store", &reason).into());
        }
    }
    let mut batch = Batch::new();
    for domain in Domain::built_in() {
        batch.put(Table::Meta, keys::domain(domain.id), mvcc::stored_domain(&domain)?);
    }
    batch.put(Table::Meta, Head::key(), codec::encode(&Head::EMPTY)?);
    engine.write(batch, Durability::Synced)?;
    Ok(Head::EMPTY)
}
