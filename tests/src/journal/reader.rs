//! Reads a journal again.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::line::{End, Fault, Header};
use super::operation::{Operation, ReadOperation};
use super::truth_line::RevisionLine;
use crate::HarnessError;
use crate::watch_check::Truth;

/// Every line of an operation begins with this.
const OPERATION: &str = "{\"workload\":\"";

#[derive(Deserialize)]
struct EndLine {
    end: End,
}

/// A journal whose run has ended. Operations are read one workload at a time.
#[derive(Debug)]
pub struct JournalFile {
    path: PathBuf,
    /// How the run was begun.
    pub header: Header,
    /// What was done to members, in the order in which it ended.
    pub faults: Vec<Fault>,
    /// What really happened.
    pub truth: Truth,
    /// How it ended.
    pub end: End,
}

impl JournalFile {
    /// Reads everything but the operations. An error that names the line where it is not a journal, or has no end.
    pub fn open(path: &Path) -> Result<JournalFile, HarnessError> {
        let mut lines = Lines::open(path)?;
        let header: Header = match lines.next()? {
            Some(line) => lines.parsed(&line)?,
            None => return Err(lines.wrong("the file is empty")),
        };
        if header.journal != Header::FORMAT {
            let format = header.journal;
            return Err(lines.wrong(&format!(
                "format {format} is not {}, which this build reads",
                Header::FORMAT
            )));
        }
        let mut journal = JournalFile {
            path: path.to_owned(),
            header,
            faults: Vec::new(),
            truth: Truth::default(),
            end: End::default(),
        };
        let (mut operations, mut ended) = (0, false);
        while let Some(line) = lines.next()? {
            if ended {
                return Err(lines.wrong("something follows the end"));
            }
            if line.starts_with(OPERATION) {
                operations += 1;
            } else if line.starts_with("{\"fault\":") {
                journal.faults.push(lines.parsed(&line)?);
            } else if line.starts_with("{\"revision\":") {
                lines.parsed::<RevisionLine>(&line)?.add_to(&mut journal.truth)?;
            } else {
                journal.end = lines.parsed::<EndLine>(&line)?.end;
                ended = true;
            }
        }
        if !ended {
            return Err(lines.wrong("there is no end: the run was not finished"));
        }
        if (operations, journal.truth.last()) != (journal.end.operations, journal.end.revision) {
            return Err(lines.wrong(&format!(
                "{operations} operations and revision {} are not those of the end: {:?}",
                journal.truth.last(),
                journal.end
            )));
        }
        Ok(journal)
    }

    /// A journal without operations and truth.
    #[cfg(test)]
    pub(crate) fn of_parts(header: Header, faults: Vec<Fault>, end: End) -> JournalFile {
        JournalFile {
            path: PathBuf::new(),
            header,
            faults,
            truth: Truth::default(),
            end,
        }
    }

    /// The operations of a workload, in the order in which they returned.
    pub fn operations<C, A>(&self, workload: &str) -> Result<Vec<Operation<C, A>>, HarnessError>
    where
        C: DeserializeOwned,
        A: DeserializeOwned,
    {
        let start = format!("{OPERATION}{workload}\",");
        let mut lines = Lines::open(&self.path)?;
        let mut operations = Vec::new();
        while let Some(line) = lines.next()? {
            if line.starts_with(&start) {
                let read: ReadOperation<C, A> = lines.parsed(&line)?;
                operations.push(read.into());
            }
        }
        Ok(operations)
    }
}

/// The lines of a file, with their numbers.
struct Lines {
    file: BufReader<File>,
    path: PathBuf,
    number: u64,
}

impl Lines {
    fn open(path: &Path) -> Result<Lines, HarnessError> {
        let file = File::open(path).map_err(HarnessError::io(format!("open {}", path.display())))?;
        Ok(Lines {
            file: BufReader::new(file),
            path: path.to_owned(),
            number: 0,
        })
    }

    fn next(&mut self) -> Result<Option<String>, HarnessError> {
        let mut line = String::new();
        let read = self.file.read_line(&mut line);
        self.number += 1;
        match read.map_err(HarnessError::io(format!("read {}", self.path.display())))? {
            0 => Ok(None),
            _ => Ok(Some(line)),
        }
    }

    fn parsed<T: DeserializeOwned>(&self, line: &str) -> Result<T, HarnessError> {
        serde_json::from_str(line).map_err(|error| self.wrong(&error.to_string()))
    }

    fn wrong(&self, what: &str) -> HarnessError {
        HarnessError::Broken(format!("{}, line {}: {what}", self.path.display(), self.number))
    }
}
