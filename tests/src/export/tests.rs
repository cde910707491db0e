//! The very bytes that others read.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;

use super::{elle, registers};
use crate::cycles::{Outcome, Step, Transaction};
use crate::linearizable::{Answer, Call, Expected, KeyOperation};

fn append(key: &str, element: u64) -> Step {
    Step::Append {
        key: key.to_owned(),
        element,
    }
}

fn read(key: &str, list: Option<Vec<u64>>) -> Step {
    Step::Read {
        key: key.to_owned(),
        list,
    }
}

fn transaction(client: u64, invoked: u64, returned: u64, outcome: Outcome, steps: Vec<Step>) -> Transaction {
    Transaction {
        client,
        invoked: Duration::from_micros(invoked),
        returned: Duration::from_micros(returned),
        outcome,
        steps,
    }
}

#[test]
fn list_append_as_elle_reads_it() {
    let history = [
        transaction(7, 3, 8, Outcome::Unknown, vec![append("y", 1)]),
        transaction(
            4,
            1,
            3,
            Outcome::Committed,
            vec![append("x", 1), read("x", Some(vec![1]))],
        ),
        transaction(4, 3, 5, Outcome::Aborted, vec![append("x", 2)]),
        transaction(
            7,
            9,
            12,
            Outcome::Committed,
            vec![read("x", Some(vec![1])), read("a\"b", Some(vec![]))],
        ),
    ];
    let mut written = Vec::new();
    elle(&history, &mut written).unwrap();
    assert_eq!(
        String::from_utf8(written).unwrap(),
        r#"{:index 0, :type :invoke, :process 0, :f :txn, :value [[:append "x" 1] [:r "x" nil]], :time 1000}
{:index 1, :type :invoke, :process 1, :f :txn, :value [[:append "y" 1]], :time 3000}
{:index 2, :type :ok, :process 0, :f :txn, :value [[:append "x" 1] [:r "x" [1]]], :time 3000}
{:index 3, :type :invoke, :process 0, :f :txn, :value [[:append "x" 2]], :time 3000}
{:index 4, :type :fail, :process 0, :f :txn, :value [[:append "x" 2]], :time 5000}
{:index 5, :type :info, :process 1, :f :txn, :value [[:append "y" 1]], :time 8000}
{:index 6, :type :invoke, :process 2, :f :txn, :value [[:r "x" nil] [:r "a\"b" nil]], :time 9000}
{:index 7, :type :ok, :process 2, :f :txn, :value [[:r "x" [1]] [:r "a\"b" []]], :time 12000}
"#
    );
}

#[test]
fn registers_as_lines_of_json() {
    let bytes = Bytes::from_static;
    let operation = |invoked, call, answer| KeyOperation {
        client: 2,
        invoked: Duration::from_micros(invoked),
        returned: Duration::from_micros(invoked + 5),
        call,
        answer,
    };
    let history = vec![
        operation(10, Call::Put(bytes(b"a")), Answer::Done),
        operation(
            20,
            Call::CompareAndSwap(Expected::Value(bytes(b"a")), bytes(b"b")),
            Answer::Unknown,
        ),
        operation(
            30,
            Call::CompareAndSwap(Expected::Absent, bytes(b"c")),
            Answer::Unchanged(Some(bytes(b"\xff\x01"))),
        ),
        operation(40, Call::Delete, Answer::Unchanged(None)),
        operation(50, Call::Get, Answer::Read(Some(bytes(b"b")))),
    ];
    let mut written = Vec::new();
    registers(&BTreeMap::from([(bytes(b"k"), history)]), &mut written).unwrap();
    assert_eq!(
        String::from_utf8(written).unwrap(),
        r#"{"key":"k","client":2,"invoked_us":10,"returned_us":15,"call":"put","value":"a","answer":"done","shown":null}
{"key":"k","client":2,"invoked_us":20,"returned_us":null,"call":"cas","expected":"value","expected_value":"a","value":"b","answer":"unknown","shown":null}
{"key":"k","client":2,"invoked_us":30,"returned_us":35,"call":"cas","expected":"absent","value":"c","answer":"unchanged","shown":"0xff01"}
{"key":"k","client":2,"invoked_us":40,"returned_us":45,"call":"delete","answer":"unchanged","shown":null}
{"key":"k","client":2,"invoked_us":50,"returned_us":55,"call":"get","answer":"read","shown":"b"}
"#
    );
}
