//! Checks values and how they go together.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use config::Config;

use super::tls_rules::Guard;
use super::{ConfigError, FoundingMember, Kind, ListenHttp, NodeConfig, Problem, SETTINGS};

/// More voters only slow a group down.
const FOUNDERS_MAX: usize = 7;

/// Values that have the right TOML type but are not what the key needs, found before they are deserialized.
pub(super) fn unreadable(merged: &Config) -> Vec<Problem> {
    let text = |key| merged.get_string(key).ok();
    SETTINGS
        .iter()
        .filter_map(|setting| match setting.kind {
            Kind::ListenAddress => text(setting.key)
                .filter(|address| address.parse::<SocketAddr>().is_err())
                .map(|address| {
                    Problem::new(
                        setting.key,
                        format!("{address:?} is not an address: write IP:PORT, e.g. \"127.0.0.1:7401\""),
                    )
                }),
            Kind::ListenAddressOrOff => text(setting.key)
                .and_then(|address| address.parse::<ListenHttp>().err())
                .map(|message| Problem::new(setting.key, message)),
            Kind::Word(words) => text(setting.key)
                .filter(|word| !words.contains(&word.as_str()))
                .map(|word| Problem::new(setting.key, format!("{word:?} is not one of {}", words.join(", ")))),
            _ => None,
        })
        .collect()
}

impl NodeConfig {
    /// Checks everything; the error holds every problem.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let mut problems = Vec::new();
        self.check_ranges(&mut problems);
        self.check_addresses(&mut problems);
        self.check_cluster(&mut problems);
        self.check_tls(&mut problems);
        self.check_tracing(&mut problems);
        self.check_times(&mut problems);
        self.check_sizes(&mut problems);
        if problems.is_empty() {
            Ok(())
        } else {
            Err(ConfigError::Invalid(problems))
        }
    }

    /// Every whole number against its row of the table.
    fn check_ranges(&self, problems: &mut Vec<Problem>) {
        let tree = serde_json::to_value(self).unwrap_or_default();
        for setting in SETTINGS {
            let Kind::Integer { min, max } = setting.kind else {
                continue;
            };
            let value = setting.key.split('.').try_fold(&tree, |tree, name| tree.get(name));
            let number = value.and_then(serde_json::Value::as_u64).unwrap_or_default();
            if setting.key == "member_id" && number == 0 {
                problems.push(Problem::new(
                    setting.key,
                    "it is not set, or 0: give each member its own whole number, at least 1",
                ));
            } else if number < min || number > max {
                problems.push(Problem::new(
                    setting.key,
                    format!("{number} is out of range: {min} to {max} is allowed"),
                ));
            }
        }
        if self.data_directory.as_os_str().is_empty() {
            problems.push(Problem::new("data_directory", "it is empty: name a directory"));
        }
    }

    fn check_addresses(&self, problems: &mut Vec<Problem>) {
        let http = self.listen_http.0.map(|address| ("listen_http", address));
        let listeners = [("listen_client", self.listen_client), ("listen_peer", self.listen_peer)];
        for (key, address) in listeners.into_iter().chain(http) {
            if address.port() == 0 {
                problems.push(Problem::new(
                    key,
                    format!("{address} has port 0: choose one from 1 to 65535"),
                ));
            }
        }
        self.check_exposure(
            "listen_client",
            &self.listen_client.to_string(),
            Guard::ClientTls,
            problems,
        );
        self.check_exposure("listen_peer", &self.listen_peer.to_string(), Guard::PeerTls, problems);
        if let Some((key, address)) = http {
            self.check_exposure(key, &address.to_string(), Guard::Pages, problems);
        }
        if self.listen_client == self.listen_peer {
            problems.push(Problem::new(
                "listen_peer",
                format!(
                    "{} is listen_client too: give clients and peers a port each",
                    self.listen_peer
                ),
            ));
        }
        for (other, address) in listeners {
            if http.is_some_and(|(_, http)| http == address) {
                problems.push(Problem::new(
                    "listen_http",
                    format!("{address} is {other} too: give it a port of its own, or set it to \"off\""),
                ));
            }
        }
        if self.advertise_client.is_empty() {
            if self.listen_client.ip().is_unspecified() {
                problems.push(Problem::new(
                    "advertise_client",
                    format!(
                        "it is not set, and clients cannot connect to listen_client {}: name a host:port they can use",
                        self.listen_client
                    ),
                ));
            }
        } else if let Err(message) = host_and_port(&self.advertise_client) {
            problems.push(Problem::new("advertise_client", message));
        }
    }

    fn check_tracing(&self, problems: &mut Vec<Problem>) {
        const KEY: &str = "tracing.otlp_endpoint";
        let endpoint = &self.tracing.otlp_endpoint;
        if endpoint.is_empty() {
            if !self.tracing.otlp_ca.as_os_str().is_empty() {
                let message = "it is not set, and tracing.otlp_ca is: name the HOST:PORT of the collector";
                problems.push(Problem::new(KEY, message));
            }
            return;
        }
        match host_and_port(endpoint) {
            Ok(_) => self.check_exposure(KEY, endpoint, Guard::Collector, problems),
            Err(message) => problems.push(Problem::new(KEY, message)),
        }
    }

    fn check_cluster(&self, problems: &mut Vec<Problem>) {
        const KEY: &str = "cluster.members";
        let members = &self.cluster.members;
        if self.cluster.join {
            if !members.is_empty() {
                problems.push(Problem::new(
                    KEY,
                    "cluster.join is true, so this member founds nothing: leave the members out, or set it to false",
                ));
            }
            return;
        }
        if members.is_empty() {
            problems.push(Problem::new(
                KEY,
                "it is empty: list the founding members, or set cluster.join = true on a member that joins later",
            ));
            return;
        }
        if members.len() > FOUNDERS_MAX {
            let count = members.len();
            problems.push(Problem::new(
                KEY,
                format!("{count} members; at most {FOUNDERS_MAX} are allowed"),
            ));
        }
        self.check_members(problems);
        if self.member_id != 0 && !members.iter().any(|member| member.id == self.member_id) {
            problems.push(Problem::new(
                KEY,
                format!(
                    "member_id {} is not among the members: add it, or correct member_id",
                    self.member_id
                ),
            ));
        }
    }

    fn check_members(&self, problems: &mut Vec<Problem>) {
        const KEY: &str = "cluster.members";
        let (mut ids, mut peers) = (BTreeSet::new(), BTreeSet::new());
        for FoundingMember { id, peer } in &self.cluster.members {
            if *id == 0 {
                problems.push(Problem::new(KEY, "id 0 is not allowed: ids start at 1"));
            }
            if !ids.insert(*id) {
                problems.push(Problem::new(KEY, format!("id {id} stands there twice: ids are unique")));
            }
            if !peers.insert(peer.as_str()) {
                problems.push(Problem::new(
                    KEY,
                    format!("peer {peer:?} stands there twice: each has its own"),
                ));
            }
            match host_and_port(peer) {
                Ok(()) => self.check_exposure(KEY, peer, Guard::PeerTls, problems),
                Err(message) => problems.push(Problem::new(KEY, format!("peer of id {id}: {message}"))),
            }
        }
    }

    fn check_times(&self, problems: &mut Vec<Problem>) {
        let raft = &self.raft;
        if raft.election_min_ms < raft.heartbeat_ms.saturating_mul(2) {
            problems.push(Problem::new(
                "raft.election_min_ms",
                format!(
                    "{} is less than twice raft.heartbeat_ms ({}): one late heartbeat would start an election",
                    raft.election_min_ms, raft.heartbeat_ms
                ),
            ));
        }
        if raft.election_max_ms <= raft.election_min_ms {
            problems.push(Problem::new(
                "raft.election_max_ms",
                format!(
                    "{} is not above raft.election_min_ms ({}): elections need a spread",
                    raft.election_max_ms, raft.election_min_ms
                ),
            ));
        }
    }

    fn check_sizes(&self, problems: &mut Vec<Problem>) {
        let limits = &self.limits;
        let record_bytes = limits.key_bytes_max.saturating_add(limits.value_bytes_max);
        if limits.request_bytes_max < record_bytes {
            problems.push(Problem::new(
                "limits.request_bytes_max",
                format!(
                    "{} does not hold the largest key and value ({} + {} bytes): raise it, or lower \
                     limits.value_bytes_max",
                    limits.request_bytes_max, limits.key_bytes_max, limits.value_bytes_max
                ),
            ));
        }
        if limits.arriving_bytes_max < limits.request_bytes_max {
            problems.push(Problem::new(
                "limits.arriving_bytes_max",
                format!(
                    "{} does not hold the largest request: at least limits.request_bytes_max ({}) is needed",
                    limits.arriving_bytes_max, limits.request_bytes_max
                ),
            ));
        }
        if self.storage.log_segment_bytes < limits.request_bytes_max {
            problems.push(Problem::new(
                "storage.log_segment_bytes",
                format!(
                    "{} does not hold the largest request: at least limits.request_bytes_max ({}) is needed",
                    self.storage.log_segment_bytes, limits.request_bytes_max
                ),
            ));
        }
        if self.eventual.frame_bytes_max < record_bytes.saturating_mul(2) {
            problems.push(Problem::new(
                "eventual.frame_bytes_max",
                format!(
                    "{} does not hold two of the largest key and value ({} + {} bytes): raise it, or lower \
                     limits.value_bytes_max",
                    self.eventual.frame_bytes_max, limits.key_bytes_max, limits.value_bytes_max
                ),
            ));
        }
    }
}

/// `HOST:PORT` with a host and a port from 1 to 65535.
fn host_and_port(address: &str) -> Result<(), String> {
    let well_formed = address.rsplit_once(':').is_some_and(|(host, port)| {
        let bracketed = host.starts_with('[') && host.ends_with(']');
        let host_fits = !host.is_empty()
            && (bracketed || !host.contains(':'))
            && !host.contains(|c: char| c.is_whitespace() || c == '/');
        host_fits && port.parse::<u16>().is_ok_and(|port| port != 0)
    });
    if well_formed {
        Ok(())
    } else {
        Err(format!("{address:?} is not HOST:PORT with a port from 1 to 65535"))
    }
}
