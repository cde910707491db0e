//! List-append in EDN, a map a line: an invocation, and later its completion.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::time::Duration;

use crate::cycles::{Outcome, Step, Transaction};

/// Writes the history in the order of time. A client whose transaction ended with an unknown outcome goes on as another
/// process, as Jepsen demands: the old one may still be at work.
pub fn elle(transactions: &[Transaction], out: &mut impl Write) -> io::Result<()> {
    let mut writer = Writer {
        out,
        index: 0,
        processes: HashMap::new(),
        next_process: 0,
    };
    let mut open: HashMap<u64, usize> = HashMap::new();
    for (_, is_return, index) in moments(transactions) {
        let client = transactions[index].client;
        // A client returned and called again at the same moment, as far as the clock tells.
        let returned = match (is_return, open.get(&client)) {
            (false, Some(before)) => Some(*before),
            (true, Some(this)) if *this == index => Some(index),
            _ => None,
        };
        if let Some(returned) = returned {
            open.remove(&client);
            writer.completion(&transactions[returned])?;
        }
        if !is_return {
            open.insert(client, index);
            writer.invocation(&transactions[index])?;
        }
    }
    Ok(())
}

/// At one moment invocations come first: what touches overlaps.
fn moments(transactions: &[Transaction]) -> Vec<(Duration, bool, usize)> {
    let both = transactions.iter().enumerate().flat_map(|(index, transaction)| {
        let returned = transaction.returned.max(transaction.invoked);
        [(transaction.invoked, false, index), (returned, true, index)]
    });
    let mut moments: Vec<(Duration, bool, usize)> = both.collect();
    moments.sort_unstable();
    moments
}

struct Writer<'a, W> {
    out: &'a mut W,
    index: u64,
    /// Of each client, until its outcome is unknown.
    processes: HashMap<u64, u64>,
    next_process: u64,
}

impl<W: Write> Writer<'_, W> {
    fn invocation(&mut self, transaction: &Transaction) -> io::Result<()> {
        self.line("invoke", transaction, transaction.invoked)
    }

    fn completion(&mut self, transaction: &Transaction) -> io::Result<()> {
        let kind = match transaction.outcome {
            Outcome::Committed => "ok",
            Outcome::Aborted => "fail",
            Outcome::Unknown => "info",
        };
        self.line(kind, transaction, transaction.returned)?;
        if transaction.outcome == Outcome::Unknown {
            self.processes.remove(&transaction.client);
        }
        Ok(())
    }

    fn line(&mut self, kind: &str, transaction: &Transaction, time: Duration) -> io::Result<()> {
        let process = *self.processes.entry(transaction.client).or_insert_with(|| {
            self.next_process += 1;
            self.next_process - 1
        });
        let value = value(transaction, kind == "ok");
        writeln!(
            self.out,
            "{{:index {}, :type :{kind}, :process {process}, :f :txn, :value {value}, :time {}}}",
            self.index,
            time.as_nanos()
        )?;
        self.index += 1;
        Ok(())
    }
}

/// Only an acknowledgement has read anything.
fn value(transaction: &Transaction, with_answers: bool) -> String {
    let mut text = String::from("[");
    for (number, step) in transaction.steps.iter().enumerate() {
        text.push_str(if number == 0 { "" } else { " " });
        // Writing to a string cannot fail.
        let _ = match step {
            Step::Append { key, element } => write!(text, "[:append {} {element}]", quoted(key)),
            Step::Read { key, list } => match list.as_ref().filter(|_| with_answers) {
                None => write!(text, "[:r {} nil]", quoted(key)),
                Some(list) => {
                    let list: Vec<String> = list.iter().map(u64::to_string).collect();
                    write!(text, "[:r {} [{}]]", quoted(key), list.join(" "))
                }
            },
        };
    }
    text.push(']');
    text
}

/// A string of EDN.
fn quoted(key: &str) -> String {
    format!("\"{}\"", key.replace('\\', "\\\\").replace('"', "\\\""))
}
