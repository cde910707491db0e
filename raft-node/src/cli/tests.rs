//! The command line as it is parsed. What the verbs do is tried with a cluster, in the tests crate.

use clap::{CommandFactory, Parser};

use super::Arguments;
use super::exit::EXIT_CODES;

fn parse(line: &str) -> Result<Arguments, clap::Error> {
    Arguments::try_parse_from(line.split_whitespace())
}

#[test]
fn the_definition_of_the_arguments_is_sound() {
    Arguments::command().debug_assert();
}

#[test]
fn every_verb_is_accepted_as_the_help_shows_it() {
    for line in [
        "quorate server --config node.toml",
        "quorate config check --config node.toml",
        "quorate put k v --ca ca.crt --certificate a.crt --key a.key --server-name db",
        "quorate --ca ca.crt get k",
        "quorate certs init certs --days 100",
        "quorate certs node certs --member 1 --host a,10.0.0.1 --host b --days 30 --renew",
        "quorate certs client certs --name agent -o json",
        "quorate certs show a.crt a.key ca.crt",
        "quorate server --member-id 1 --data-directory d --members 1=127.0.0.1:1 --set raft.heartbeat_ms=50",
        "quorate dev --data d",
        "quorate demo --input . --workers 4 --keep",
        "quorate put k v --ttl 30s --tag a --tag b --previous",
        "quorate put k --value-file -",
        "quorate put k -",
        "quorate get k --local --revision 7 --raw",
        "quorate get k --max-staleness 100ms",
        "quorate del k --prefix",
        "quorate del a --to b",
        "quorate range jobs/*/state --pattern --limit 5 --keys-only --descending",
        "quorate txn",
        "quorate txn file.json",
        "quorate watch jobs/*",
        "quorate watch jobs/ --prefix --rev 7 --previous --puts-only --count 3 --for 1m",
        "quorate watch jobs/** --domain d --keys-only --deletes-only -o json",
        "quorate watch ** --locks",
        "quorate watch q --queues --rev 1",
        "quorate wait k",
        "quorate wait k --value done --timeout 30s",
        "quorate wait k --absent --domain d",
        "quorate compact 100",
        "quorate get k --strong",
        "quorate domain create d --tier eventual --volatile --bytes-max 5 --entries-max 6 --strategy merge --ttl-required",
        "quorate domain create d --evict drop --policy arc --level 100ms --ttl-default 5s",
        "quorate domain change d --bytes-max 5 --ttl-required false --policy fifo --level local --coherent true",
        "quorate domain create d --coherent",
        "quorate domain list -o json",
        "quorate domain get d",
        "quorate domain drop d",
        "quorate worker list --state active --state draining --label zone=a",
        "quorate worker show w",
        "quorate worker drain w",
        "quorate worker resume w",
        "quorate worker forget w",
        "quorate assign t --to w --label zone=a --data d --replacing 0",
        "quorate assign t --data-file - --or-wait",
        "quorate assign -- list",
        "quorate assign -o json list --worker w",
        "quorate assign list --pending",
        "quorate assign show t",
        "quorate assign complete t --generation 7",
        "quorate assign unassign t",
        "quorate assign cancel t",
        "quorate assign pending",
        "quorate assign plan --moves 10",
        "quorate assign rebalance",
        "quorate lock reports -- sh -c true",
        "quorate lock reports --ttl 5s --wait 0s --shared -- true",
        "quorate lock run list -- true",
        "quorate lock list",
        "quorate lock list a/ -o json",
        "quorate lock holder a",
        "quorate lock force-release a --token 7 --reason broken",
        "quorate elect scheduler --value 10.0.0.7:80 -- serve --port 80",
        "quorate put k v --fenced",
        "quorate queue create q --visibility 5s --attempts 3 --depth 10 --claimed 4 --group-claimed 1 --if-missing",
        "quorate queue push q payload --priority 9 --group g --dedupe k --delay 1m",
        "quorate queue push q - --lines",
        "quorate queue claim q -n 10 --wait 30s --visibility 1m --lease 7 --worker w",
        "quorate queue ack q 12:345",
        "quorate queue nack q 12:345 --delay 5s --dead --reason broken",
        "quorate queue extend q 12:345 1m",
        "quorate queue stats q",
        "quorate queue list",
        "quorate eventual get k --type counter --max-age 500ms --token q1.0000",
        "quorate eventual put k v --ttl 30s --strategy siblings --context 00ff --acks 2 --domain d",
        "quorate eventual delete k --type set",
        "quorate eventual siblings k --hex",
        "quorate eventual add n",
        "quorate eventual add n -3 --acks 2",
        "quorate eventual scan",
        "quorate eventual watch k",
        "quorate eventual watch jobs/* --pattern --existing --keys-only --count 3 --for 5s --domain cache -o json",
        "quorate eventual scan jobs/* --pattern -n 5 --keys-only",
        "quorate sync status",
        "quorate sync force --timeout 1m",
        "quorate memory --cluster",
        "quorate queue peek q --state claimed -n 5",
        "quorate queue dead q",
        "quorate queue redrive q --item 12",
        "quorate queue purge q --state dead -n 2000",
        "quorate queue pause q",
        "quorate queue resume q",
        "quorate queue delete q",
        "quorate run --queue q --concurrency 4 --visibility 1m --until-empty -- sh -c true",
        "quorate member list",
        "quorate member add 4 127.0.0.1:7504",
        "quorate member promote 4",
        "quorate member remove 4",
        "quorate member replace 3 4 127.0.0.1:7504",
        "quorate member transfer",
        "quorate member transfer 2",
        "quorate status --endpoints a:1,b:2 -o json --timeout 500ms",
        "quorate snapshot save dir",
        "quorate config print --show-origin --config node.toml",
        "quorate completion bash",
        "quorate -o json --endpoints a:1 get k",
    ] {
        parse(line).unwrap_or_else(|error| panic!("{line}\n{error}"));
    }
}

#[test]
fn wrong_usage_is_refused() {
    for line in [
        "quorate",
        "quorate fetch k",
        "quorate put k",
        "quorate put k v --value-file f",
        "quorate get k --local --max-staleness 1s",
        "quorate del a --to b --prefix",
        "quorate range a --limit 0",
        "quorate compact",
        "quorate watch",
        "quorate watch a --rev 0",
        "quorate watch a --count 0",
        "quorate watch a --puts-only --deletes-only",
        "quorate watch a --locks --queues",
        "quorate watch a --locks --domain d",
        "quorate wait",
        "quorate wait k --value v --absent",
        "quorate lock",
        "quorate lock a",
        "quorate lock a true",
        "quorate lock force-release a",
        "quorate elect a",
        "quorate queue ack q 12",
        "quorate queue purge q",
        "quorate queue redrive q --item 1 -n 2",
        "quorate queue claim q -n 129",
        "quorate run --queue q",
        "quorate demo --workers 0",
        "quorate assign",
        "quorate assign t --to w --or-wait",
        "quorate assign t --label zone",
        "quorate assign plan --moves 0",
        "quorate assign list --worker w --pending",
        "quorate worker list --state idle",
        "quorate domain create d --level eventual",
        "quorate domain create d --strategy newest",
        "quorate domain create d --bytes-max 2MB",
        "quorate domain change d --bytes-max 2MB",
        "quorate domain create d --policy lru",
        "quorate domain change d",
        "quorate get k --strong --local",
        "quorate get k --timeout 0s",
        "quorate get k --timeout soon",
        "quorate get k -o yaml",
    ] {
        assert!(parse(line).is_err(), "{line}");
    }
}

#[test]
fn endpoints_are_separated_by_commas_and_go_to_every_verb() {
    let arguments = parse("quorate get k --endpoints a:1,b:2").unwrap();
    assert_eq!(arguments.global.endpoints, ["a:1", "b:2"]);
}

#[test]
fn the_help_of_the_program_lists_the_exit_codes() {
    let help = Arguments::command().render_long_help().to_string();
    assert!(help.contains(EXIT_CODES), "{help}");
}
