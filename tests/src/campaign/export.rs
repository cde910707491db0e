//! Parts of a journal for the checkers of others.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use crate::HarnessError;
use crate::export::{elle, registers};
use crate::journal::JournalFile;
use crate::workloads::{self, Append, Register, Workload};

/// Writes the transactions over lists as Elle reads them. Returns how many there are.
pub fn export_lists(journal: &JournalFile, path: &Path) -> Result<usize, HarnessError> {
    let operations = journal.operations(Append::NAME)?;
    let transactions = workloads::transactions(&operations);
    write(path, |out| elle(&transactions, out))?;
    Ok(transactions.len())
}

/// Writes the calls of registers, each key by itself, as lines of JSON. Returns how many there are.
pub fn export_registers(journal: &JournalFile, path: &Path) -> Result<usize, HarnessError> {
    let operations = journal.operations(Register::NAME)?;
    let histories = workloads::registers(&operations, &journal.truth, journal.header.base_revision);
    let histories = histories.map_err(HarnessError::Broken)?;
    write(path, |out| registers(&histories, out))?;
    Ok(histories.values().map(Vec::len).sum())
}

fn write(path: &Path, what: impl FnOnce(&mut BufWriter<File>) -> std::io::Result<()>) -> Result<(), HarnessError> {
    let doing = || format!("write {}", path.display());
    let mut file = BufWriter::new(File::create(path).map_err(HarnessError::io(doing()))?);
    what(&mut file)
        .and_then(|()| file.flush())
        .map_err(HarnessError::io(doing()))
}
