//! Prints what the commands of scripts answer.

use std::fmt::Write as _;

use crate::mvcc::{ChangeKind, Changes, KeyRecord, Range, RangeReply, Record, keys};
use crate::state_machine::{OperationReply, Reply};

const SHOWN_BYTES_MAX: usize = 40;

pub fn reply(reply: &Reply) -> String {
    match reply {
        Reply::Transaction(reply) => {
            let branch = if reply.succeeded { "" } else { ", else" };
            let mut out = format!("revision {}{branch}\n", reply.revision);
            for result in &reply.results {
                out.push_str(&operation(result));
            }
            out
        }
        Reply::Done { revision, removed: 0 } => format!("revision {revision}\n"),
        Reply::Done { revision, removed } => format!("revision {revision}, removed {removed}\n"),
        Reply::Rejected { rejection, revision } => format!("revision {revision}, refused: {rejection}\n"),
        Reply::ClientRegistered { .. } => panic!("scripts register nobody"),
        Reply::Domain { .. } => panic!("scripts create no domain"),
    }
}

pub fn range(range: &Range, reply: &RangeReply) -> String {
    let mut out = records("", &reply.records, range.keys_only);
    let more = if reply.more { ", more" } else { "" };
    writeln!(out, "count {}{more}", reply.count).unwrap();
    out
}

pub fn record(key: &[u8], record: &Record) -> String {
    let taken = KeyRecord {
        key: key.to_vec(),
        record: record.clone(),
    };
    records("", &[taken], false)
}

pub fn changes(key: &[u8], row: &[u8]) -> String {
    let changes = Changes::from_row(row).unwrap();
    let touched = changes.keys.iter().map(|changed| {
        let kind = match changed.kind {
            ChangeKind::Put => "put",
            ChangeKind::Delete => "delete",
            ChangeKind::Expire => "expire",
        };
        format!("{kind} {} {}", changed.domain.0, text(&changed.key))
    });
    let touched: Vec<_> = touched.collect();
    format!("{} -> {}", keys::decode_changes(key).unwrap(), touched.join(", "))
}

pub fn index_entry(key: &[u8]) -> String {
    if let Some((at, domain, key)) = keys::decode_expiry(key) {
        return format!("at {} ms {} {}", at.0, domain.0, text(key));
    }
    let Some((domain, tag, key)) = keys::decode_tag(key) else {
        return format!("lease {key:?}");
    };
    format!("tag {} {} {}", domain.0, text(&tag), text(key))
}

fn operation(result: &OperationReply) -> String {
    match result {
        OperationReply::Put(put) => records("was ", put.previous.as_slice(), false),
        OperationReply::Delete(delete) => {
            format!(
                "deleted {}\n{}",
                delete.deleted,
                records("was ", &delete.previous, false)
            )
        }
        OperationReply::Range(reply) => format!("{}count {}\n", records("", &reply.records, false), reply.count),
        other => panic!("these scripts are about keys only: {other:?}"),
    }
}

fn records(before: &str, records: &[KeyRecord], keys_only: bool) -> String {
    let mut out = String::new();
    for KeyRecord { key, record } in records {
        let value = if keys_only {
            String::new()
        } else {
            format!(" = {}", text(&record.value))
        };
        write!(out, "{before}{}{value} (create {}", text(key), record.create_revision).unwrap();
        write!(out, ", mod {}, version {}", record.mod_revision, record.version).unwrap();
        if let Some(lease) = record.lease {
            write!(out, ", lease {}", lease.0).unwrap();
        }
        if let Some(at) = record.expires_at {
            write!(out, ", expires at {} ms", at.0).unwrap();
        }
        if !record.tags.is_empty() {
            write!(out, ", tags {}", record.tags.join(" ")).unwrap();
        }
        out.push_str(")\n");
    }
    out
}

fn text(bytes: &[u8]) -> String {
    match bytes.get(..SHOWN_BYTES_MAX) {
        Some(head) => format!("{}... ({} bytes)", String::from_utf8_lossy(&head[..8]), bytes.len()),
        None => String::from_utf8_lossy(bytes).into_owned(),
    }
}
