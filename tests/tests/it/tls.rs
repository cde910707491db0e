//! Who may connect to members that have certificates, and what everybody else is told.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use quorate::{Client, Tls};
use quorate_proto::internal::IdentifyRequest;
use quorate_proto::internal::raft_client::RaftClient;
use quorate_tests::cluster::{Certificates, Cluster, Settings, server_binary};
use quorate_tests::wait;
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};
use tonic::{Code, Request};

const PATIENCE: Duration = Duration::from_secs(30);

/// Three members with certificates.
pub struct Secured {
    pub cluster: Cluster,
    pub made: Certificates,
    pub home: TempDir,
}

impl Secured {
    pub async fn start() -> Secured {
        let home = tempfile::tempdir().unwrap();
        let made = Certificates::make(&home.path().join("certs"), 3).unwrap();
        let settings = Settings {
            certificates: Some(made.clone()),
            ..Settings::of(3)
        };
        let cluster = Cluster::start_with(settings).await.unwrap();
        Secured { cluster, made, home }
    }

    pub async fn connect(&self, tls: Option<Tls>) -> Result<Client, String> {
        let mut builder = Client::builder()
            .endpoints(self.cluster.endpoints())
            .call_timeout(PATIENCE);
        if let Some(tls) = tls {
            builder = builder.tls(tls);
        }
        builder.connect().await.map_err(|error| error.to_string())
    }

    /// Waits until some member has said it.
    async fn until_said(&self, words: &str) {
        wait::until(&format!("a member to say {words:?}"), PATIENCE, async || {
            let said = self.cluster.ids().into_iter().any(|id| {
                let member = self.cluster.member(id).unwrap();
                member.said(words).unwrap() > 0
            });
            if said { Ok(()) } else { Err(self.cluster.log_tails()) }
        })
        .await
        .unwrap();
    }
}

/// A certificate of member `member`, or of a client, that has expired; signed by the authority `peer` or `client`. Certificate
/// and key.
pub fn expired_pair(made: &Certificates, authority: &str, member: u64) -> (PathBuf, PathBuf) {
    let file = |end: &str| made.directory().join(format!("{authority}-ca.{end}"));
    let key = KeyPair::from_pem(&std::fs::read_to_string(file("key")).unwrap()).unwrap();
    let certificates = quorate_tls::read_certificates(&file("crt")).unwrap();
    let subject = quorate_tls::Certificate::read(&certificates[0]).unwrap().subject;
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, subject);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let issuer = Issuer::new(params, key);
    let own = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec![quorate_tls::member_name(member)]).unwrap();
    params.distinguished_name.push(DnType::CommonName, "too old");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params.not_before = rcgen::date_time_ymd(2019, 2, 28);
    params.not_after = rcgen::date_time_ymd(2020, 2, 29);
    let certificate = params.signed_by(&own, &issuer).unwrap();
    let place = |end: &str| made.directory().join(format!("expired-{authority}-{member}.{end}"));
    std::fs::write(place("crt"), certificate.pem()).unwrap();
    std::fs::write(place("key"), own.serialize_pem()).unwrap();
    (place("crt"), place("key"))
}

#[track_caller]
fn says(result: Result<Client, String>, words: &[&str]) {
    let Err(message) = result else {
        panic!("it was let in; expected {words:?}");
    };
    for word in words {
        assert!(message.contains(word), "{word:?} is missing in: {message}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_sdk_and_the_command_line_do_everything_over_tls() {
    let secured = Secured::start().await;
    let client = secured.cluster.client().await.unwrap();
    client.put("k", "1").await.unwrap();
    assert_eq!(client.get("k").await.unwrap().record.unwrap().value, "1");
    let lock = client.lock("mine").acquire().await.unwrap();
    lock.release().await.unwrap();
    client.eventual().put("seen", "1").acks(3).await.unwrap();
    let mut watch = client.watch("w").await.unwrap();
    client.put("w", "2").await.unwrap();
    assert!(watch.next().await.is_some());
    secured.cluster.wait_for_equal_state().await.unwrap();

    let file = |file: &str| secured.made.of_client("test", file);
    let run = |arguments: &[&str]| {
        let output = Command::new(server_binary().unwrap())
            .args(arguments)
            .env("QUORATE_ENDPOINTS", secured.cluster.endpoints().join(","))
            .env("QUORATE_CA", file("client-ca.crt"))
            .env("QUORATE_CERTIFICATE", file("client.crt"))
            .env("QUORATE_KEY", file("client.key"))
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(run(&["get", "k"]).contains('1'));
    run(&["put", "k", "2"]);
    assert!(run(&["status", "-o", "json"]).contains("\"leader\""));
    let saved = secured.home.path().join("saved");
    run(&["snapshot", "save", saved.to_str().unwrap()]);
    assert!(run(&["member", "list"]).contains("127.0.0.1"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_are_refused_and_both_sides_say_why() {
    let secured = Secured::start().await;
    let made = &secured.made;
    let strangers = Certificates::make(&secured.home.path().join("strangers"), 1).unwrap();
    let ca = made.of_client("test", "client-ca.crt");

    says(secured.connect(None).await, &["it speaks TLS there", "--ca"]);
    secured.until_said("it does not speak TLS").await;

    says(
        secured.connect(Some(Tls::new(&ca))).await,
        &["it demands a certificate", "--certificate and --key"],
    );
    secured.until_said("it gave no certificate").await;

    says(
        secured.connect(Some(strangers.tls("test"))).await,
        &[
            "is not signed by an authority in",
            "strangers",
            "signed by",
            "quorate certs show",
        ],
    );

    let theirs = |file: &str| strangers.of_client("test", file);
    let stranger = Tls::new(&ca).identity(theirs("client.crt"), theirs("client.key"));
    says(
        secured.connect(Some(stranger)).await,
        &["does not know the authority that signed", "\"test\""],
    );
    secured.until_said("its certificate \\\"test\\\"").await;

    let (old, old_key) = expired_pair(made, "client", 9);
    says(
        secured.connect(Some(Tls::new(&ca).identity(old, old_key))).await,
        &["is over or has not come", "\"too old\"", "2020-02-29"],
    );
    secured.until_said("expired on 2020-02-29").await;

    let other_name = made.tls("test").server_name("db.example");
    says(
        secured.connect(Some(other_name)).await,
        &["not for db.example", "127.0.0.1", "--host db.example"],
    );

    // A certificate of a server is none of a client.
    let server = Tls::new(&ca).identity(made.of_member(1, "server.crt"), made.of_member(1, "server.key"));
    says(secured.connect(Some(server)).await, &["made for another use"]);

    let client = secured.connect(Some(made.tls("test"))).await.unwrap();
    client.put("k", "1").await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_with_tls_at_a_port_without_is_told() {
    let home = tempfile::tempdir().unwrap();
    let made = Certificates::make(home.path(), 1).unwrap();
    let cluster = Cluster::start(1).await.unwrap();
    let builder = Client::builder().endpoints(cluster.endpoints()).tls(made.tls("test"));
    let refused = builder.connect().await.map_err(|error| error.to_string());
    says(refused, &["does not speak TLS there", "leave --ca out"]);
    let member = cluster.member(1).unwrap();
    wait::until("the member to say it", PATIENCE, async || {
        match member.said("it speaks TLS, which this port does not") {
            Ok(0) => Err(member.log_tail()),
            Ok(_) => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    })
    .await
    .unwrap();
}

/// As member `member`, by its certificate, to the port of members.
async fn as_member(secured: &Secured, member: u64, target: u64) -> RaftClient<tonic::transport::Channel> {
    let read = |file: &str| std::fs::read_to_string(secured.made.of_member(member, file)).unwrap();
    let tls = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(read("peer-ca.crt")))
        .identity(Identity::from_pem(read("peer.crt"), read("peer.key")))
        .domain_name(quorate_tls::member_name(target));
    let address = secured.cluster.member(target).unwrap().peer_address().to_owned();
    let endpoint = Endpoint::from_shared(format!("https://{address}")).unwrap();
    RaftClient::new(endpoint.tls_config(tls).unwrap().connect().await.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_cannot_speak_for_another_one() {
    let secured = Secured::start().await;
    let mut raft = as_member(&secured, 3, 1).await;
    let identify = |from: u64| IdentifyRequest {
        adopt_cluster_id: 0,
        from,
        expected_member_id: 1,
    };
    let first = raft.identify(identify(3)).await.unwrap().into_inner();
    assert_eq!(first.member_id, 1);
    let refused = raft.identify(identify(2)).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    assert!(refused.message().contains("comes from member 2") && refused.message().contains("for member 3"));

    let mut vote = Request::new(quorate_proto::internal::VoteRequest::default());
    for (name, value) in [
        ("quorate-cluster-id", first.cluster_id),
        ("quorate-from", 2),
        ("quorate-from-directory", 1),
        ("quorate-to", 1),
        ("quorate-to-directory", first.directory_id),
    ] {
        vote.metadata_mut().insert(name, value.into());
    }
    let refused = raft.vote(vote).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied, "{refused:?}");
}

/// The founders' list of member 1 has the addresses of members 2 and 3 exchanged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_at_the_address_of_another_one_is_not_taken_for_it() {
    let home = tempfile::tempdir().unwrap();
    let made = Certificates::make(&home.path().join("certs"), 3).unwrap();
    let settings = Settings {
        certificates: Some(made),
        ..Settings::of(3)
    };
    let mut cluster = Cluster::prepare(settings).unwrap();
    let address = |cluster: &Cluster, id| cluster.member(id).unwrap().peer_address().to_owned();
    let (second, third) = (address(&cluster, 2), address(&cluster, 3));
    let path = cluster.member(1).unwrap().configuration();
    let text = std::fs::read_to_string(&path).unwrap();
    let swapped = text
        .replace(&second, "x")
        .replace(&third, &second)
        .replace("\"x\"", &format!("{third:?}"));
    assert_ne!(text, swapped);
    std::fs::write(&path, swapped).unwrap();
    for id in cluster.ids() {
        cluster.restart(id).unwrap();
    }
    let member = cluster.member(1).unwrap();
    wait::until(
        "member 1 to see that it is another one",
        PATIENCE,
        async || match member.said("it is not member 2: its certificate is for member-3.quorate") {
            Ok(0) => Err(member.log_tail()),
            Ok(_) => Ok(()),
            Err(error) => Err(error.to_string()),
        },
    )
    .await
    .unwrap();
    assert_eq!(cluster.leader().await, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_say_nothing_delay_nobody() {
    let secured = Secured::start().await;
    let client_port: SocketAddr = secured.cluster.member(1).unwrap().client_address().parse().unwrap();
    let peer_port: SocketAddr = secured.cluster.member(1).unwrap().peer_address().parse().unwrap();
    // More than may shake hands at a time.
    let mut silent = Vec::new();
    for _ in 0..700 {
        silent.push(TcpStream::connect(client_port).await.unwrap());
        silent.push(TcpStream::connect(peer_port).await.unwrap());
    }
    let begun = tokio::time::Instant::now();
    let builder = Client::builder()
        .endpoints([client_port.to_string()])
        .tls(secured.made.tls("test"));
    let client = builder.connect().await.unwrap();
    client.put("k", "1").await.unwrap();
    as_member(&secured, 2, 1).await;
    assert!(
        begun.elapsed() < Duration::from_secs(4),
        "hands are shaken for 5 s: {:?}",
        begun.elapsed()
    );
    drop(silent);
}
