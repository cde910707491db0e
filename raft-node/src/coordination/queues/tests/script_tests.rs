//! Golden scripts of queues.
//!
//! ```text
//! create QUEUE [visibility=MS] [attempts=N] [depth=N] [claimed=N] [group_claimed=N] [window=MS]
//! delete QUEUE | pause QUEUE | resume QUEUE
//! push QUEUE PAYLOAD... [priority=N] [group=G] [key=K] [delay=MS]
//! claim QUEUE COUNT [visibility=MS] [lease=ID] [worker=NAME]
//! ack QUEUE ITEM TOKEN | nack QUEUE ITEM TOKEN [delay=MS] [reason=WORD] [dead]
//! extend QUEUE ITEM TOKEN [visibility=MS] | checkpoint QUEUE ITEM TOKEN DATA
//! redrive QUEUE COUNT | redrive QUEUE item=ID | purge QUEUE STATE COUNT
//! sync QUEUE EXPECTED [remove=PLACE,..] [back=ITEM,..] [add=PAYLOAD[!],..] [claim=PLACE,..] [lease=ID] [worker=NAME]
//! put KEY VALUE | grant LEASE | revoke LEASE | txn OPERATION; OPERATION; ...
//! time MS | timers | stats QUEUE | changed QUEUE | peek QUEUE STATE
//! ```
//! A place is `ITEM[/PRIORITY/GROUP]`; an item that is added with a `!` is claimed at once.
//! An answer begins with the revision of the store after it. `wakes QUEUE N` is the signal to those who wait.

use std::fmt::Write as _;

use crate::coordination::queues::query::{self, Peeked, PeekedState};
use crate::coordination::queues::{
    Claim, Claimed, Enqueued, ItemPlace, ItemState, NewItem, QueueConfig, QueueOperation, QueueReply, Receipt,
    SyncItem, SyncQueue,
};
use crate::coordination::sessions::{LeaseOperation, LeaseReply};
use crate::state_machine::testing::{self, Store, scripts};
use crate::state_machine::{Command, Operation, OperationReply, Reply};
use crate::storage::Engine;
use crate::types::{LeaseId, Revision, Signal};

struct Words<'s> {
    places: Vec<&'s str>,
    options: Vec<(&'s str, &'s str)>,
}

impl<'s> Words<'s> {
    fn of(line: &'s str) -> Words<'s> {
        let (options, places): (Vec<_>, Vec<_>) = line.split_whitespace().partition(|word| word.contains('='));
        let options = options.into_iter().map(|word| word.split_once('=').unwrap()).collect();
        Words { places, options }
    }

    fn text(&self, place: usize) -> String {
        let word = self.places.get(place);
        (*word.unwrap_or_else(|| panic!("word {place} is missing in {:?}", self.places))).to_owned()
    }

    fn number(&self, place: usize) -> u64 {
        self.text(place).parse().unwrap()
    }

    fn option(&self, name: &str) -> Option<&'s str> {
        self.options
            .iter()
            .find_map(|(own, value)| (*own == name).then_some(*value))
    }

    fn list(&self, name: &str) -> impl Iterator<Item = &'s str> {
        let listed = self.option(name).unwrap_or_default().split(',');
        listed.filter(|one| !one.is_empty())
    }

    fn number_option(&self, name: &str) -> Option<u64> {
        self.option(name).map(|value| value.parse().unwrap())
    }

    fn receipt(&self) -> Receipt {
        super::receipt(self.number(2), self.number(3))
    }
}

fn run_command(store: &mut Store, line: &str) -> String {
    let words = Words::of(line);
    let mut out = match words.places[0] {
        "time" => {
            store.now = words.number(1);
            String::new()
        }
        "timers" => {
            let done = super::run_timers(store, 100);
            format!("@{} {done} done\n", store.state.revision())
        }
        "changed" => changed(store, &words.text(1)),
        "stats" => stats(store, &words.text(1)),
        "peek" => peek(store, &words.text(1), state(&words.text(2))),
        "txn" => {
            let operations = line.strip_prefix("txn ").unwrap().split(';');
            transact(store, operations.map(|one| operation(&Words::of(one))).collect())
        }
        _ => transact(store, vec![operation(&words)]),
    };
    for signal in store.state.take_signals() {
        if let Signal::Ready { queue, items } = signal {
            writeln!(out, "wakes {queue} {items}").unwrap();
        }
    }
    out
}

fn transact(store: &mut Store, operations: Vec<Operation>) -> String {
    match store.apply_one(Command::Transaction(testing::transaction(operations))) {
        Reply::Transaction(reply) => {
            let results = reply.results.iter().map(result);
            results
                .map(|result| format!("@{} {result}\n", reply.revision))
                .collect()
        }
        Reply::Rejected { rejection, revision } => format!("@{revision} refused: {rejection}\n"),
        other => panic!("{other:?}"),
    }
}

fn operation(words: &Words<'_>) -> Operation {
    let queue = || words.text(1);
    Operation::Queue(match words.places[0] {
        "put" => return Operation::Put(testing::put(words.text(1), words.text(2))),
        "grant" => {
            return Operation::Lease(LeaseOperation::Grant {
                lease: Some(LeaseId(words.number(1))),
                ttl_ms: 1000,
                name: String::new(),
            });
        }
        "revoke" => {
            let lease = LeaseId(words.number(1));
            return Operation::Lease(LeaseOperation::Revoke { lease });
        }
        "create" => super::create(&queue(), config(words)),
        "delete" => QueueOperation::Delete { queue: queue() },
        "pause" | "resume" => QueueOperation::SetPaused {
            queue: queue(),
            paused: words.places[0] == "pause",
        },
        "push" => super::enqueue(
            &queue(),
            words.places[2..]
                .iter()
                .map(|payload| new_item(words, payload))
                .collect(),
        ),
        "claim" => QueueOperation::Claim(Claim {
            queue: queue(),
            count: u32::try_from(words.number(2)).unwrap(),
            lease: words.number_option("lease").map(LeaseId),
            worker: words.option("worker").unwrap_or_default().to_owned(),
            visibility_ms: words.number_option("visibility"),
        }),
        "ack" => QueueOperation::Ack {
            queue: queue(),
            receipt: words.receipt(),
        },
        "nack" => QueueOperation::Nack {
            queue: queue(),
            receipt: words.receipt(),
            delay_ms: words.number_option("delay").unwrap_or(0),
            dead: words.places.last() == Some(&"dead"),
            reason: words.option("reason").unwrap_or_default().to_owned(),
        },
        "extend" => QueueOperation::Extend {
            queue: queue(),
            receipt: words.receipt(),
            visibility_ms: words.number_option("visibility"),
        },
        "checkpoint" => QueueOperation::Checkpoint {
            queue: queue(),
            receipt: words.receipt(),
            data: words.text(4).into_bytes(),
        },
        "redrive" => {
            let item = words.number_option("item");
            let count = if item.is_some() { 1 } else { words.number(2) };
            QueueOperation::Redrive {
                queue: queue(),
                count: u32::try_from(count).unwrap(),
                item,
            }
        }
        "purge" => QueueOperation::Purge {
            queue: queue(),
            state: state(&words.text(2)),
            count: u32::try_from(words.number(3)).unwrap(),
        },
        "sync" => QueueOperation::Sync(SyncQueue {
            queue: queue(),
            expected: Revision(words.number(2)),
            remove: words.list("remove").map(place).collect(),
            give_back: words.list("back").map(|item| item.parse().unwrap()).collect(),
            enqueue: words.list("add").map(|payload| added(words, payload)).collect(),
            claim: words.list("claim").map(place).collect(),
            lease: words.number_option("lease").map(LeaseId),
            worker: words.option("worker").unwrap_or_default().to_owned(),
            visibility_ms: words.number_option("visibility"),
        }),
        other => panic!("unknown command {other:?}"),
    })
}

fn place(text: &str) -> ItemPlace {
    let mut parts = text.split('/');
    let mut next = || parts.next().unwrap_or_default();
    ItemPlace {
        item: next().parse().unwrap(),
        priority: next().parse().unwrap_or(0),
        group: next().to_owned(),
    }
}

fn added(words: &Words<'_>, payload: &str) -> SyncItem {
    SyncItem {
        new: new_item(words, payload.trim_end_matches('!')),
        claimed: payload.ends_with('!'),
    }
}

fn config(words: &Words<'_>) -> QueueConfig {
    let default = QueueConfig::default();
    let attempts_max = words.number_option("attempts").map(|most| u32::try_from(most).unwrap());
    QueueConfig {
        visibility_ms: words.number_option("visibility").unwrap_or(default.visibility_ms),
        attempts_max: attempts_max.unwrap_or(default.attempts_max),
        depth_max: words.number_option("depth").unwrap_or(default.depth_max),
        claimed_max: words.number_option("claimed").unwrap_or(default.claimed_max),
        group_claimed_max: words
            .number_option("group_claimed")
            .unwrap_or(default.group_claimed_max),
        dedupe_window_ms: words.number_option("window").unwrap_or(default.dedupe_window_ms),
    }
}

fn new_item(words: &Words<'_>, payload: &str) -> NewItem {
    NewItem {
        priority: u8::try_from(words.number_option("priority").unwrap_or(0)).unwrap(),
        group: words.option("group").unwrap_or_default().to_owned(),
        dedupe_key: words.option("key").map(str::to_owned),
        delay_ms: words.number_option("delay").unwrap_or(0),
        payload: payload.as_bytes().to_vec(),
    }
}

fn state(word: &str) -> ItemState {
    match word {
        "ready" => ItemState::Ready,
        "delayed" => ItemState::Delayed,
        "claimed" => ItemState::Claimed,
        "dead" => ItemState::Dead,
        other => panic!("unknown state {other:?}"),
    }
}

fn result(reply: &OperationReply) -> String {
    match reply {
        OperationReply::Put(_) => "put".to_owned(),
        OperationReply::Lease(LeaseReply::Granted { lease, .. }) => format!("lease {lease}"),
        OperationReply::Lease(LeaseReply::Revoked { attached }) => format!("revoked, with {attached}"),
        OperationReply::Queue(reply) => queue_result(reply),
        other => panic!("{other:?}"),
    }
}

fn queue_result(reply: &QueueReply) -> String {
    match reply {
        QueueReply::Enqueued { items } => added_items(items),
        QueueReply::Claimed { items, .. } if items.is_empty() => "nothing".to_owned(),
        QueueReply::Claimed { items, visibility_ms } => {
            let items: Vec<_> = items.iter().map(claimed).collect();
            format!("{} for {visibility_ms} ms", items.join(", "))
        }
        QueueReply::Nacked { state } => format!("{state:?}").to_lowercase(),
        QueueReply::Redriven { items, remaining } => format!("redrove {items}, {remaining} left"),
        QueueReply::Purged { items, remaining } => format!("purged {items}, {remaining} left"),
        QueueReply::Extended { visibility_ms } => format!("for {visibility_ms} ms"),
        QueueReply::Created { new } => if *new { "created" } else { "configured" }.to_owned(),
        QueueReply::Paused { changed } => if *changed { "changed" } else { "as it was" }.to_owned(),
        QueueReply::Deleted => "deleted".to_owned(),
        QueueReply::Checkpointed => "stored".to_owned(),
        QueueReply::Acked => "done".to_owned(),
        QueueReply::Synced {
            enqueued,
            claimed,
            visibility_ms,
            new,
            changed,
        } => {
            let made = if *new { "made, " } else { "" };
            let claimed: Vec<_> = claimed.iter().map(u64::to_string).collect();
            let added = added_items(enqueued);
            let claimed = claimed.join(", ");
            format!("{made}added [{added}], claimed [{claimed}] for {visibility_ms} ms, changed at {changed}")
        }
    }
}

fn added_items(items: &[Enqueued]) -> String {
    let items = items.iter().map(|one| match one.duplicate {
        true => format!("item {} again", one.item),
        false => format!("item {}", one.item),
    });
    items.collect::<Vec<_>>().join(", ")
}

fn claimed(one: &Claimed) -> String {
    let Receipt { item, token } = one.receipt;
    let mut out = format!("{item}:{}", String::from_utf8_lossy(&one.payload));
    if one.attempt > 1 {
        write!(out, " attempt {}", one.attempt).unwrap();
    }
    if let Some(checkpoint) = &one.checkpoint {
        write!(out, " from {}", String::from_utf8_lossy(checkpoint)).unwrap();
    }
    let Revision(token) = token;
    format!("{out} (token {token})")
}

fn stats(store: &Store, name: &str) -> String {
    let view = store.engine.view();
    let Some(row) = query::find(&*view, name).unwrap() else {
        return format!("no queue {name}\n");
    };
    let mut out = format!(
        "ready {}, delayed {}, claimed {}, dead {}",
        row.ready, row.delayed, row.claimed, row.dead
    );
    if row.held_back > 0 {
        write!(out, "; held back {} of {} groups", row.held_back, row.groups_waiting).unwrap();
    }
    write!(out, "; claimable {}", row.claimable()).unwrap();
    if let Some(oldest) = query::oldest_ready(&*view, row.id).unwrap() {
        write!(out, "; ready since {} ms", oldest.0).unwrap();
    }
    out + "\n"
}

fn changed(store: &Store, name: &str) -> String {
    let row = query::find(&*store.engine.view(), name).unwrap();
    row.map_or("no queue\n".to_owned(), |row| format!("changed at {}\n", row.changed))
}

fn peek(store: &Store, name: &str, state: ItemState) -> String {
    let view = store.engine.view();
    let row = query::find(&*view, name).unwrap().unwrap();
    let (items, _) = query::peek(&*view, &row, state, &[], 100).unwrap();
    items.iter().map(peeked).collect()
}

fn peeked(one: &Peeked) -> String {
    let mut out = format!("{}:{}", one.item, String::from_utf8_lossy(&one.held.payload));
    if one.standing.priority > 0 {
        write!(out, " priority {}", one.standing.priority).unwrap();
    }
    if !one.standing.group.is_empty() {
        write!(out, " group {}", one.standing.group).unwrap();
    }
    write!(out, " attempts {}", one.standing.attempts).unwrap();
    match &one.state {
        PeekedState::Ready { since } => write!(out, " since {}", since.0),
        PeekedState::Delayed { due } => write!(out, " due {}", due.0),
        PeekedState::Claimed {
            token,
            deadline,
            worker,
            ..
        } => {
            write!(out, " token {token} until {} by {worker}", deadline.0)
        }
        PeekedState::Dead { since, reason } => write!(out, " since {}: {reason}", since.0),
    }
    .unwrap();
    out + "\n"
}

macro_rules! scripts {
    ($($test:ident: $file:literal,)*) => { $(
        #[test]
        fn $test() {
            scripts::run(concat!("coordination/queues/testscripts/", $file), run_command);
        }
    )* };
}

scripts! {
    an_item_is_claimed_and_acknowledged: "basics",
    items_go_by_priority_then_in_turn_between_groups: "order",
    an_item_comes_back_when_its_claim_is_over: "coming_back",
    an_item_that_failed_too_often_is_a_dead_letter: "dead_letters",
    limits_hold_back_claims: "limits",
    a_dedupe_key_is_remembered_for_its_window: "dedupe",
    delays_are_over_by_log_time: "delays",
    a_lease_that_ends_gives_its_items_back: "leases",
    one_transaction_does_all_or_nothing: "transactions",
    a_paused_queue_hands_out_nothing: "pause",
    a_queue_is_made_what_is_wanted_of_it: "sync",
}
