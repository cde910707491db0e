//! What a cache is to the stream that keeps it true: a watch of single keys that takes in what comes where it comes. It has no
//! buffer, and so never falls behind.

use quorate_proto::v1;
use quorate_proto::v1::watch_request::Request;

use super::delivery::Delivery;
use super::subscription::Departure;

/// The watch of a cache. Called by the task that reads the stream, one call at a time, with the stream locked: whoever
/// implements it sends nothing by itself from inside. What answers false is taken off.
pub(crate) trait CacheWatcher: Send + Sync {
    /// The member has it.
    fn created(&self, created: &v1::WatchCreated) -> bool;

    /// Events came. What is to be sent because of them is added to `replies`.
    fn events(&self, delivery: &Delivery, replies: &mut Vec<Request>) -> bool;

    /// Everything up to `revision` has come.
    fn mark(&self, probe_id: u64, revision: u64) -> bool;

    /// A probe could not be answered. False: it was not one of this cache.
    fn probe_failed(&self, probe_id: u64) -> bool;

    /// The keys of a request are added.
    fn keys_changed(&self, changed: &v1::CacheKeysChanged) -> bool;

    /// Somebody wants something dropped.
    fn invalidate(&self, what: &v1::CacheSelector);

    /// The member, or the stream, is done with the watch of this id.
    fn left(&self, watch_id: u64, departure: Departure);
}
