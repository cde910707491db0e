//! The check must pass what is right and catch each kind of wrong: a checker that misses one is worse than none.

mod faults;
mod kit;
mod properties;
mod random;
