//! What must not be, each with what a person needs to look into it.

use std::fmt;

/// The tables are in [`super`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the tables of the module say what each is")]
pub enum Kind {
    Internal,
    Unwritten,
    Aborted,
    Intermediate,
    DirtyUpdate,
    Duplicate,
    IncompatibleOrder,
    Lost,
    Circle(Circle),
}

/// A circle, by the dependencies that it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Circle {
    /// Without regard to time.
    pub base: Base,
    /// What it needs of time.
    pub time: Time,
}

/// The tables are in [`super`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the tables of the module say what each is")]
pub enum Base {
    G0,
    G1c,
    Single,
    G2,
}

/// What a circle needs of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Time {
    /// Nothing.
    None,
    /// The order of a client's own calls.
    Process,
    /// The order of calls of which one returned before the other began.
    Realtime,
}

/// Something that must not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anomaly {
    /// What it is.
    pub kind: Kind,
    /// Where, and which transactions.
    pub what: String,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Kind::Internal => "internal",
            Kind::Unwritten => "unwritten",
            Kind::Aborted => "G1a",
            Kind::Intermediate => "G1b",
            Kind::DirtyUpdate => "dirty update",
            Kind::Duplicate => "duplicate",
            Kind::IncompatibleOrder => "incompatible order",
            Kind::Lost => "lost",
            Kind::Circle(circle) => return circle.fmt(f),
        };
        f.write_str(name)
    }
}

impl fmt::Display for Circle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.base {
            Base::G0 => "G0",
            Base::G1c => "G1c",
            Base::Single => "G-single",
            Base::G2 => "G2",
        })?;
        f.write_str(match self.time {
            Time::None => "",
            Time::Process => "-process",
            Time::Realtime => "-realtime",
        })
    }
}

impl fmt::Display for Anomaly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind, self.what)
    }
}
