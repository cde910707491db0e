//! Tests of the state machine as a whole, by subject.

mod cleaning;
mod clients;
mod coordination;
mod determinism;
mod entries;
mod golden;
mod limits;
mod model;
mod model_store;
mod staged;
