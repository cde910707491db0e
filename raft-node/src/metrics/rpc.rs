//! Calls of clients, by method and code.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::{Histogram, Timed};

macro_rules! methods {
    ($($method:ident $path:literal;)*) => {
        /// What clients call. A call of a stream of calls counts as the method of its own that it stands for.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[allow(missing_docs, reason = "each is the method of its name")]
        pub enum Method { $($method),*, Other }

        impl Method {
            /// All of them, in the order of their numbers.
            pub const ALL: &[Method] = &[$(Method::$method),*, Method::Other];

            /// The method of a path such as `/quorate.v1.Kv/Put`.
            pub fn of_path(path: &str) -> Self {
                match path.strip_prefix("/quorate.v1.") {
                    $(Some($path) => Self::$method,)*
                    _ => Self::Other,
                }
            }

            /// Service and method.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$method => $path,)*
                    Self::Other => "other",
                }
            }
        }
    };
}

methods! {
    Get "Kv/Get";
    Put "Kv/Put";
    Delete "Kv/Delete";
    Range "Kv/Range";
    Txn "Kv/Txn";
    Compact "Kv/Compact";
    RegisterClient "Session/RegisterClient";
    KeepAlive "Coordination/KeepAlive";
    Query "Coordination/Query";
    DomainCreate "Domains/Create";
    DomainList "Domains/List";
    DomainGet "Domains/Get";
    DomainChange "Domains/Change";
    DomainDrop "Domains/Drop";
    Calls "Calls/Open";
    EventualWrite "Eventual/Write";
    EventualRead "Eventual/Read";
    EventualScan "Eventual/Scan";
    EventualCalls "Eventual/Open";
    SyncStatus "Eventual/SyncStatus";
    SyncForce "Eventual/SyncForce";
    Memory "Eventual/Memory";
    Watch "Watch/Open";
    Invalidate "Watch/Invalidate";
    Status "Cluster/Status";
    MemberList "Cluster/MemberList";
    MemberAdd "Cluster/MemberAdd";
    MemberPromote "Cluster/MemberPromote";
    MemberRemove "Cluster/MemberRemove";
    MemberReplace "Cluster/MemberReplace";
    TransferLeader "Cluster/TransferLeader";
    SnapshotSave "Cluster/SnapshotSave";
}

/// The codes of gRPC, by number.
const CODES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];
const UNKNOWN: usize = 2;

/// The name of a code of gRPC by its number.
pub fn code_name(code: i32) -> &'static str {
    let place = usize::try_from(code).unwrap_or(UNKNOWN);
    CODES.get(place).unwrap_or(&CODES[UNKNOWN])
}

/// How the calls of a member ended.
#[derive(Debug)]
pub struct RpcCounts {
    methods: Box<[OfMethod]>,
}

#[derive(Debug, Default)]
struct OfMethod {
    codes: [AtomicU64; CODES.len()],
    seconds: Histogram,
}

impl Default for RpcCounts {
    fn default() -> Self {
        Self {
            methods: Method::ALL.iter().map(|_| OfMethod::default()).collect(),
        }
    }
}

impl RpcCounts {
    /// A call ended with the code of this number after so long.
    pub fn ended(&self, method: Method, code: i32, duration: Duration) {
        let of_method = &self.methods[method as usize];
        let code = usize::try_from(code).ok().filter(|code| *code < CODES.len());
        of_method.codes[code.unwrap_or(UNKNOWN)].fetch_add(1, Ordering::Relaxed);
        of_method.seconds.record(duration);
    }

    /// Visits every method and code that was met, with how often.
    pub fn each(&self, mut visit: impl FnMut(&'static str, &'static str, u64)) {
        for (method, counts) in Method::ALL.iter().zip(&self.methods) {
            for (code, count) in CODES.iter().zip(&counts.codes) {
                let count = count.load(Ordering::Relaxed);
                if count > 0 {
                    visit(method.name(), code, count);
                }
            }
        }
    }

    /// Visits every method that was met, with how long its calls took.
    pub fn each_timed(&self, mut visit: impl FnMut(&'static str, Timed)) {
        for (method, counts) in Method::ALL.iter().zip(&self.methods) {
            let timed = counts.seconds.read();
            if timed.count > 0 {
                visit(method.name(), timed);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_of_the_services_counts_by_itself() {
        for (place, method) in Method::ALL.iter().enumerate() {
            assert_eq!(*method as usize, place);
            if *method != Method::Other {
                assert_eq!(Method::of_path(&format!("/quorate.v1.{}", method.name())), *method);
            }
        }
        let text = String::from_utf8_lossy(quorate_proto::DESCRIPTORS);
        for service in [
            "Kv",
            "Session",
            "Coordination",
            "Domains",
            "Calls",
            "Eventual",
            "Watch",
            "Cluster",
        ] {
            assert!(text.contains(service));
            assert!(
                Method::ALL
                    .iter()
                    .any(|method| method.name().starts_with(&format!("{service}/")))
            );
        }
        assert_eq!(Method::of_path("/grpc.health.v1.Health/Check"), Method::Other);
    }

    #[test]
    fn calls_count_by_method_and_code() {
        let counts = RpcCounts::default();
        counts.ended(Method::Put, 0, Duration::from_millis(1));
        counts.ended(Method::Put, 14, Duration::from_millis(1));
        counts.ended(Method::Put, 14, Duration::from_millis(1));
        counts.ended(Method::Get, 99, Duration::from_millis(1));
        let mut seen = Vec::new();
        counts.each(|method, code, count| seen.push((method, code, count)));
        assert_eq!(
            seen,
            [
                ("Kv/Get", "UNKNOWN", 1),
                ("Kv/Put", "OK", 1),
                ("Kv/Put", "UNAVAILABLE", 2)
            ]
        );
        let mut timed = Vec::new();
        counts.each_timed(|method, times| timed.push((method, times.count)));
        assert_eq!(timed, [("Kv/Get", 1), ("Kv/Put", 3)]);
    }
}
