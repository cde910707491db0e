//! Certificates and authorities are replaced while clients write and read, and no call fails.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use quorate::Client;
use quorate_tests::cluster::Certificates;
use quorate_tests::wait;
use quorate_tls::{Credentials, DialSettings, Files, Remote, dial};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::tls::Secured;

const PATIENCE: Duration = Duration::from_secs(30);
const NEW: &str = "new certificates are in force";
const WRITERS: u64 = 4;

/// Clients that write and read until they are told to stop; each opens a new connection now and then.
struct Load {
    stop: Arc<AtomicBool>,
    calls: Arc<AtomicU64>,
    tasks: JoinSet<Result<(), String>>,
}

impl Load {
    async fn begin(secured: &Secured, client: &'static str) -> Load {
        let (stop, calls, mut tasks) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicU64::new(0)),
            JoinSet::new(),
        );
        for number in 0..WRITERS {
            let (stop, calls) = (Arc::clone(&stop), Arc::clone(&calls));
            let (tls, endpoints) = (secured.made.tls(client), secured.cluster.endpoints());
            tasks.spawn(async move {
                let connect = async || {
                    let builder = Client::builder().endpoints(endpoints.clone()).tls(tls.clone());
                    builder.connect().await.map_err(|error| error.to_string())
                };
                let mut client = connect().await?;
                let key = format!("load/{number}");
                for round in 0u64.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    // The first client stays for good: its connections outlive every certificate.
                    if number > 0 && round % 50 == 49 {
                        client = connect().await?;
                    }
                    client
                        .put(key.clone(), round.to_string())
                        .await
                        .map_err(|error| error.to_string())?;
                    let read = client.get(key.clone()).await.map_err(|error| error.to_string())?;
                    let value = read.record.map(|record| record.value);
                    if value != Some(round.to_string().into()) {
                        return Err(format!("{key} should be {round}, and is {value:?}"));
                    }
                    calls.fetch_add(2, Ordering::Relaxed);
                }
                Ok(())
            });
        }
        Load { stop, calls, tasks }
    }

    /// Waits for so many more calls.
    async fn go_on(&mut self, calls: u64) {
        let until = self.calls.load(Ordering::Relaxed) + calls;
        wait::until("calls to be answered", PATIENCE, async || {
            let now = self.calls.load(Ordering::Relaxed);
            if now >= until {
                Ok(())
            } else {
                Err(format!("{now} of {until}"))
            }
        })
        .await
        .unwrap();
    }

    /// No call has failed. How many there were.
    async fn end(mut self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        while let Some(ended) = self.tasks.join_next().await {
            ended.unwrap().unwrap();
        }
        self.calls.load(Ordering::Relaxed)
    }
}

/// The serial number of the certificate that new connections to a member's port for clients are shown.
async fn serial(secured: &Secured, member: u64, client: &str) -> String {
    let files = Files {
        pair: Some(quorate_tls::PairFiles {
            certificate: secured.made.of_client(client, "client.crt"),
            key: secured.made.of_client(client, "client.key"),
        }),
        authorities: Some(secured.made.of_client(client, "client-ca.crt")),
    };
    let settings = DialSettings {
        credentials: Arc::new(Credentials::read(&files).unwrap()),
        allow_tls_1_2: false,
    };
    let address = secured.cluster.member(member).unwrap().client_address();
    let stream = TcpStream::connect(address).await.unwrap();
    let stream = dial(stream, "127.0.0.1", Remote::Server, &settings).await.unwrap();
    stream.presented().unwrap().serial
}

async fn until_all_said(secured: &Secured, words: &str, times: usize) {
    wait::until(&format!("all to say {words:?} {times} times"), PATIENCE, async || {
        for id in secured.cluster.ids() {
            let member = secured.cluster.member(id).unwrap();
            if member.said(words).unwrap() < times {
                return Err(member.log_tail());
            }
        }
        Ok(())
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_are_replaced_under_load_and_no_call_fails() {
    let mut secured = Secured::start().await;
    let mut load = Load::begin(&secured, "test").await;
    load.go_on(200).await;
    let before = serial(&secured, 1, "test").await;

    // First something that cannot be used: it is named, and nothing else happens.
    let certificate = secured.made.of_member(1, "server.crt");
    let good = std::fs::read(&certificate).unwrap();
    std::fs::write(&certificate, &good[..good.len() / 2]).unwrap();
    let first = secured.cluster.member(1).unwrap();
    wait::until("the broken file to be named", PATIENCE, async || {
        match first.said("the old ones stay in force").unwrap() {
            0 => Err(first.log_tail()),
            _ => Ok(()),
        }
    })
    .await
    .unwrap();
    assert_eq!(serial(&secured, 1, "test").await, before);
    load.go_on(100).await;

    for member in 1..=3 {
        secured.made.issue_member(member, &["--renew"]).unwrap();
    }
    secured.made.issue_client("test", &["--renew"]).unwrap();
    // Of clients and of members.
    until_all_said(&secured, NEW, 2).await;
    assert_ne!(serial(&secured, 1, "test").await, before);
    load.go_on(200).await;

    // Members connect to each other anew, by the new certificates.
    for member in 1..=3 {
        secured.cluster.stop(member).await.unwrap();
        secured.cluster.restart(member).unwrap();
        secured.cluster.wait_for_leader().await.unwrap();
        load.go_on(50).await;
    }
    let calls = load.end().await;
    assert!(calls >= 650, "{calls}");
    secured.cluster.wait_for_equal_state().await.unwrap();
}

fn append(to: &Path, from: &Path) {
    let both = [std::fs::read(to).unwrap(), std::fs::read(from).unwrap()].concat();
    let beside = to.with_extension("both");
    std::fs::write(&beside, both).unwrap();
    std::fs::rename(beside, to).unwrap();
}

fn replace(old: &Path, new: &Path) {
    let beside = old.with_extension("next");
    std::fs::copy(new, &beside).unwrap();
    std::fs::rename(beside, old).unwrap();
}

/// The three steps of the guide.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn authorities_are_replaced_under_load_and_no_call_fails() {
    let mut secured = Secured::start().await;
    let next = Certificates::make(&secured.home.path().join("next"), 3).unwrap();
    let mut load = Load::begin(&secured, "test").await;
    load.go_on(100).await;
    let places = |made: &Certificates| {
        let mut places = Vec::new();
        for member in 1..=3 {
            places.push(made.of_member(member, "peer-ca.crt"));
            places.push(made.of_member(member, "client-ca.crt"));
        }
        places.push(made.of_client("test", "client-ca.crt"));
        places
    };
    // Both are trusted.
    for (old, new) in places(&secured.made).iter().zip(places(&next)) {
        append(old, &new);
    }
    until_all_said(&secured, NEW, 2).await;
    load.go_on(100).await;
    // Certificates of the new one.
    for member in 1..=3 {
        for file in ["peer.crt", "peer.key", "server.crt", "server.key"] {
            replace(&secured.made.of_member(member, file), &next.of_member(member, file));
        }
    }
    for file in ["client.crt", "client.key"] {
        replace(&secured.made.of_client("test", file), &next.of_client("test", file));
    }
    until_all_said(&secured, NEW, 4).await;
    load.go_on(100).await;
    // The old one is trusted no more.
    for (old, new) in places(&secured.made).iter().zip(places(&next)) {
        replace(old, &new);
    }
    until_all_said(&secured, NEW, 6).await;
    load.go_on(100).await;
    for member in 1..=3 {
        secured.cluster.stop(member).await.unwrap();
        secured.cluster.restart(member).unwrap();
        secured.cluster.wait_for_leader().await.unwrap();
        load.go_on(50).await;
    }
    load.end().await;
    secured.cluster.wait_for_equal_state().await.unwrap();
}
