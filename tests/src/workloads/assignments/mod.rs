//! Workers that come and go, and planners who give them tasks and take them away.
//!
//! Workers renew their registrations themselves, or do not, and go on as if they still had what they had.
//!
//! | property | what it says |
//! |---|---|
//! | generations | those of a task only grow, also when it was completed and is assigned anew |
//! | alone | a task is with one worker at a time; it is taken from who had it; a name is registered once at a time |
//! | capacity | no worker has more tasks than it can do; one that drains gets nothing new |
//! | whole | a worker goes offline at the revision at which its lease ends, not before, and has no tasks from then on |
//! | fenced | what is written or completed with the fence of an assignment is so while exactly that one stands |
//! | answered | what was answered is in the truth; an assignment that certainly stands is not denied |
//!
//! Of the leases, all properties of [leases](super::leases) are asked, too.

mod history;
mod planner;
mod properties;
mod record;
mod truth;
mod worker;
mod workload;

#[cfg(test)]
mod tests;

pub use history::History;
pub use properties::all as violations;
pub use record::{Assignment, AssignmentOperation, Call, Done};
pub use truth::{Fleet, Had, Worker};
pub use workload::Assignments;
