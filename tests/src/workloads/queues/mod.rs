//! A queue, with those who push and those who work.
//!
//! Workers acknowledge in the transaction that records what they did; they give items back, extend their claims, forget
//! what they have and come too late. Half of them claim under leases, which end, too. In the end the queue is worked empty.
//!
//! | property | what it says |
//! |---|---|
//! | states | an item goes from state to state as it may: it is acknowledged once, by a claim that holds; tokens of its claims grow |
//! | answered | what was pushed and claimed is so in the truth; a receipt that certainly holds is not refused, one that is certainly over does nothing |
//! | delivered | in the end every item that was pushed was delivered and acknowledged; what was pushed again under a dedupe key is one item |
//! | recorded | what is done in the transaction of an acknowledgement is done once, at its revision |
//! | ended | a claim ends because its worker says so, because its time is over, or at the revision at which its lease ends; no item is claimed more often than it may be |
//! | early | a claim does not run out before its time |
//! | certain | at no moment are two certain, each by its own clock, that an item is theirs |
//! | order | by priority; then in turn between groups that have ready items; then in the order of the pushes |
//!
//! Of the leases, all properties of [leases](super::leases) are asked, too.

mod history;
mod properties;
mod pusher;
mod record;
mod truth;
mod worker;
mod workload;

#[cfg(test)]
mod tests;

pub use history::History;
pub use properties::all as violations;
pub use record::{Call, Claimed, Done, QueueOperation, Receipt, Work};
pub use truth::{Claim, Ended, Item, Items, State};
pub use workload::Queues;
