//! Holds of locks and of permits: what the workloads of locks and of semaphores do with them, and what must hold of them.
//!
//! Half of the clients are those of the SDK, whose sessions are renewed for them; the others talk plain gRPC and renew
//! their leases themselves, or do not, and go on as if they still held what they held. Outside of the store there is a
//! resource that refuses tokens which are smaller than the greatest it has seen, and one that takes everything: what comes
//! too late there is counted.
//!
//! | property | what it says |
//! |---|---|
//! | once | a hold is granted once and ends at most once |
//! | tokens | the token is the revision of the grant, and so grows from hold to hold of a lock |
//! | alone | by the order of revisions, whoever holds a lock alone is alone, and permits that are held are never more than there are |
//! | whole | what is held under a lease ends at the revision at which the lease ends; nothing is granted to a lease that does not live |
//! | answered | a hold that was answered was granted by then; one that certainly lived is not denied, one that is certainly over does not stand |
//! | kept | a hold ends only because its holder or somebody who forces it wants that, or with its lease; while its holder is certain by its own clock, its lease does not expire |
//! | certain | at no moment are two certain, each by its own clock, of what one may hold |
//! | fenced | what is written with a fence is written while exactly that hold lives |
//! | resource | the resource takes writes in the order of tokens, and refuses none of a holder that is certain |
//! | order | who waits is served before whoever asks later |
//!
//! Of the leases that clients renew themselves, all properties of [leases](super::leases) are asked, too.

mod direct;
mod guards;
mod history;
mod outside;
mod play;
mod properties;
mod record;
mod truth;

#[cfg(test)]
mod tests;

pub use direct::DirectClient;
pub use guards::GuardClient;
pub use history::History;
pub use outside::Outside;
pub use play::{Menu, Player};
pub use properties::{all as violations, late_writes};
pub use record::{Call, Done, Hold, HoldOperation, Mode};
pub use truth::{Granted, Holds};
