//! Tests of the state machine as a whole, by subject.

mod cleaning;
mod clients;
mod coordination;
mod determinism;
mod domains;
mod domains_model;
mod entries;
mod golden;
mod golden_domains;
mod limits;
mod model;
mod model_store;
mod moments;
mod published_tables;
mod snapshots;
mod staged;
