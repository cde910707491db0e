//! What is serial passes, and each anomaly is found under its own name.

mod circles;
mod kit;
mod lists;
mod random;
