//! What both engines promise, and what each promises of crashes.

mod checkpoint;
mod contract;
mod memory_crash;
mod model;
mod rocks_crash;
mod rocks_damage;
mod rocks_flush;
mod rocks_open;
mod span;
