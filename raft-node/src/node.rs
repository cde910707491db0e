//! Wires a member together.
