//! Handshakes in memory, with certificates of the moment.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use proptest::prelude::*;
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::*;

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self {
            issuer: Issuer::new(params, key),
            pem,
        }
    }

    fn write(&self, directory: &Path, name: &str) -> PathBuf {
        let path = directory.join(name);
        std::fs::write(&path, &self.pem).unwrap();
        path
    }

    fn sign(&self, directory: &Path, name: &str, change: impl FnOnce(&mut CertificateParams)) -> PairFiles {
        let key = KeyPair::generate().unwrap();
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), member_name(2)];
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        change(&mut params);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let files = PairFiles {
            certificate: directory.join(format!("{name}.crt")),
            key: directory.join(format!("{name}.key")),
        };
        std::fs::write(&files.certificate, certificate.pem()).unwrap();
        std::fs::write(&files.key, key.serialize_pem()).unwrap();
        files
    }
}

fn credentials(pair: Option<&PairFiles>, authorities: Option<&Path>) -> Arc<Credentials> {
    let files = Files {
        pair: pair.cloned(),
        authorities: authorities.map(Path::to_owned),
    };
    Arc::new(Credentials::read(&files).unwrap())
}

/// Both sides shake hands and say one byte each. What each side was told in the end.
async fn meet(
    server: Arc<Credentials>,
    client: Arc<Credentials>,
    name: &str,
    remote: Remote,
) -> (Result<Option<Certificate>, String>, Result<Option<Certificate>, String>) {
    let (near, far) = tokio::io::duplex(1 << 16);
    let accepting = async {
        let settings = AcceptSettings {
            credentials: server,
            allow_tls_1_2: false,
        };
        let mut stream = accept(far, &settings).await.map_err(|refusal| refusal.to_string())?;
        stream.write_all(b"s").await.map_err(|error| error.to_string())?;
        stream.flush().await.map_err(|error| error.to_string())?;
        let _ = stream.read_u8().await;
        Ok(stream.presented())
    };
    let dialling = async {
        let settings = DialSettings {
            credentials: client,
            allow_tls_1_2: false,
        };
        let dialled = dial(near, name, remote, &settings).await;
        let mut stream = dialled.map_err(|refusal| refusal.to_string())?;
        let _ = stream.write_all(b"c").await;
        stream.read_u8().await.map_err(|error| error.to_string())?;
        Ok(stream.presented())
    };
    tokio::join!(accepting, dialling)
}

#[track_caller]
fn says<T: std::fmt::Debug>(result: &Result<T, String>, words: &[&str]) {
    let message = result.as_ref().unwrap_err();
    for word in words {
        assert!(message.contains(word), "{word:?} is missing in: {message}");
    }
}

struct Set {
    directory: TempDir,
    authority: Authority,
    ca: PathBuf,
}

impl Set {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let authority = Authority::new("the authority");
        let ca = authority.write(directory.path(), "ca.crt");
        Self {
            directory,
            authority,
            ca,
        }
    }

    fn sign(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> PairFiles {
        self.authority.sign(self.directory.path(), name, change)
    }
}

#[tokio::test]
async fn both_sides_know_whom_they_met() {
    let set = Set::new();
    let (server, client) = (set.sign("node 2", |_| ()), set.sign("agent", |_| ()));
    let (served, dialled) = meet(
        credentials(Some(&server), Some(&set.ca)),
        credentials(Some(&client), Some(&set.ca)),
        "127.0.0.1",
        Remote::Server,
    )
    .await;
    assert_eq!(served.unwrap().unwrap().subject, "agent");
    let node = dialled.unwrap().unwrap();
    assert_eq!(
        (node.subject.as_str(), node.issuer.as_str()),
        ("node 2", "the authority")
    );
    assert_eq!(node.names, ["localhost", "127.0.0.1", "member-2.quorate"]);
    assert_eq!(node.members(), [2]);
}

#[tokio::test]
async fn a_stranger_is_told_who_signed_what() {
    let (set, other) = (Set::new(), Authority::new("another authority"));
    let server = set.sign("node 2", |_| ());
    let stranger = other.sign(set.directory.path(), "stranger", |_| ());
    let (served, dialled) = meet(
        credentials(Some(&server), Some(&set.ca)),
        credentials(Some(&stranger), Some(&set.ca)),
        "localhost",
        Remote::Server,
    )
    .await;
    says(
        &served,
        &["\"stranger\"", "\"another authority\"", "\"the authority\"", "ca.crt"],
    );
    says(
        &dialled,
        &["does not know the authority", "\"stranger\"", "\"another authority\""],
    );

    let other_ca = other.write(set.directory.path(), "other.crt");
    let (served, dialled) = meet(
        credentials(Some(&server), None),
        credentials(None, Some(&other_ca)),
        "localhost",
        Remote::Server,
    )
    .await;
    says(
        &dialled,
        &[
            "\"node 2\"",
            "signed by \"the authority\"",
            "other.crt",
            "\"another authority\"",
        ],
    );
    says(&served, &["does not know the authority", "\"node 2\""]);
}

#[tokio::test]
async fn an_authority_made_anew_under_its_old_name_is_recognised() {
    let (set, anew) = (Set::new(), Authority::new("the authority"));
    let server = set.sign("node 2", |_| ());
    let ca = anew.write(set.directory.path(), "anew.crt");
    let (_, dialled) = meet(
        credentials(Some(&server), None),
        credentials(None, Some(&ca)),
        "localhost",
        Remote::Server,
    )
    .await;
    says(&dialled, &["an authority of that name is there, but with another key"]);
}

#[tokio::test]
async fn times_are_named() {
    let set = Set::new();
    let expired = set.sign("expired", |params| params.not_after = rcgen::date_time_ymd(2020, 2, 29));
    let early = set.sign("early", |params| params.not_before = rcgen::date_time_ymd(2090, 1, 1));
    let good = set.sign("good", |_| ());
    for (pair, word) in [
        (&expired, "expired on 2020-02-29 00:00 UTC"),
        (&early, "valid from 2090-01-01 00:00 UTC on"),
    ] {
        let (_, dialled) = meet(
            credentials(Some(pair), None),
            credentials(None, Some(&set.ca)),
            "localhost",
            Remote::Server,
        )
        .await;
        says(&dialled, &[word, "the clock here says 20"]);
        let (served, dialled) = meet(
            credentials(Some(&good), Some(&set.ca)),
            credentials(Some(pair), Some(&set.ca)),
            "localhost",
            Remote::Server,
        )
        .await;
        says(&served, &[word]);
        says(&dialled, &["is over or has not come"]);
    }
}

#[tokio::test]
async fn wrong_names_and_wrong_members_are_named() {
    let set = Set::new();
    let server = set.sign("node 2", |_| ());
    let meet = async |name: &str, remote| {
        let server = credentials(Some(&server), None);
        meet(server, credentials(None, Some(&set.ca)), name, remote).await.1
    };
    let wrong = meet("db.example", Remote::Server).await;
    says(
        &wrong,
        &[
            "localhost, 127.0.0.1, member-2.quorate",
            "not for db.example",
            "--host db.example",
        ],
    );
    says(
        &meet("10.0.0.1", Remote::Server).await,
        &["not for 10.0.0.1", "--host 10.0.0.1"],
    );
    assert!(meet(&member_name(2), Remote::Member(2)).await.is_ok());
    says(
        &meet(&member_name(3), Remote::Member(3)).await,
        &["it is not member 3", "member-2.quorate", "--member 3"],
    );
}

#[tokio::test]
async fn a_certificate_for_another_use_is_named() {
    let set = Set::new();
    let client_only = set.sign("agent", |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    });
    let (_, dialled) = meet(
        credentials(Some(&client_only), None),
        credentials(None, Some(&set.ca)),
        "localhost",
        Remote::Server,
    )
    .await;
    says(&dialled, &["is not one for servers", "quorate certs node"]);
}

#[tokio::test]
async fn a_certificate_that_is_demanded_and_not_given_is_asked_for() {
    let set = Set::new();
    let server = set.sign("node 2", |_| ());
    let (served, dialled) = meet(
        credentials(Some(&server), Some(&set.ca)),
        credentials(None, Some(&set.ca)),
        "localhost",
        Remote::Server,
    )
    .await;
    says(
        &served,
        &["it gave no certificate", "ca.crt", "--certificate and --key"],
    );
    says(&dialled, &["it demands a certificate", "--certificate and --key"]);
}

#[tokio::test]
async fn plain_and_tls_meet_with_a_word_on_both_sides() {
    let set = Set::new();
    let server = set.sign("node 2", |_| ());
    // A plain client at a port with TLS.
    let (near, far) = tokio::io::duplex(1 << 16);
    let settings = AcceptSettings {
        credentials: credentials(Some(&server), None),
        allow_tls_1_2: false,
    };
    let plain = async {
        let mut stream = FirstByte::new(near, SPEAKS_TLS_SERVER);
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
        let mut answer = [0; 16];
        stream.read(&mut answer).await.map_err(|error| error.to_string())
    };
    let (served, answered) = tokio::join!(accept(far, &settings), plain);
    says(
        &served.map_err(|refusal| refusal.to_string()),
        &["it does not speak TLS", "--ca"],
    );
    says(&answered, &["it speaks TLS there", "--ca"]);
    // A client with TLS at a plain port, whose HTTP/2 begins at once.
    let (near, mut far) = tokio::io::duplex(1 << 16);
    let settings = DialSettings {
        credentials: credentials(None, Some(&set.ca)),
        allow_tls_1_2: false,
    };
    let http = async {
        far.write_all(&[0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0xff, 0xff])
            .await
            .unwrap();
        let mut answer = [0; 16];
        far.read(&mut answer).await
    };
    let (dialled, _) = tokio::join!(dial(near, "localhost", Remote::Server, &settings), http);
    says(
        &dialled.map_err(|refusal| refusal.to_string()),
        &["does not speak TLS there", "leave --ca out"],
    );
}

#[test]
fn files_that_cannot_be_used_say_why() {
    let (set, other) = (Set::new(), Set::new());
    let (pair, another) = (set.sign("a", |_| ()), other.sign("b", |_| ()));
    let directory = set.directory.path();
    let read = |certificate: &Path, key: &Path| {
        let pair = PairFiles {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
        };
        let files = Files {
            pair: Some(pair),
            authorities: None,
        };
        Credentials::read(&files).map(drop).map_err(|error| error.to_string())
    };
    let file = |name: &str, text: &[u8]| {
        let path = directory.join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    says(
        &read(&directory.join("none"), &pair.key),
        &["none", "check that it exists"],
    );
    says(
        &read(&pair.key, &pair.certificate),
        &["a.key", "no certificate", "may be exchanged"],
    );
    says(
        &read(&pair.certificate, &pair.certificate),
        &["a.crt", "no private key", "may be exchanged"],
    );
    says(&read(&file("empty", b""), &pair.key), &["it is empty"]);
    says(
        &read(&file("der", &[0x30, 0x82]), &pair.key),
        &["openssl x509 -inform der"],
    );
    says(&read(&file("text", b"hello"), &pair.key), &["it is not PEM"]);
    says(
        &read(&pair.certificate, &another.key),
        &["b.key", "does not fit", "\"a\"", "a.crt"],
    );
    let half = std::fs::read(&pair.certificate).unwrap();
    says(
        &read(&file("half", &half[..half.len() / 2]), &pair.key),
        &["half", "damaged"],
    );
    let encrypted = b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    says(
        &read(&pair.certificate, &file("encrypted", encrypted)),
        &["decrypt it first"],
    );
    let files = Files {
        pair: None,
        authorities: Some(pair.certificate.clone()),
    };
    let leaf = Credentials::read(&files).map_err(|error| error.to_string());
    says(&leaf, &["may sign no others", "ca.crt"]);
}

#[test]
fn what_is_broken_changes_nothing_and_what_is_whole_is_taken_up() {
    let set = Set::new();
    let pair = set.sign("first", |_| ());
    let reloading = Reloading::open(Files {
        pair: Some(pair.clone()),
        authorities: None,
    })
    .unwrap();
    let subject = || reloading.current().pair.as_ref().unwrap().certificate.subject.clone();
    assert!(matches!(reloading.refresh(), Refreshed::Same));
    let next = set.sign("second", |_| ());
    std::fs::copy(&next.certificate, &pair.certificate).unwrap();
    for _ in 0..2 {
        let Refreshed::Kept(reason) = reloading.refresh() else {
            panic!("it was taken")
        };
        assert!(reason.contains("does not fit"), "{reason}");
    }
    assert_eq!(subject(), "first");
    std::fs::remove_file(&pair.key).unwrap();
    assert!(matches!(reloading.refresh(), Refreshed::Kept(_)));
    std::fs::copy(&next.key, &pair.key).unwrap();
    let refused = reloading.refresh_if(|_| Err("not this one".to_owned()));
    assert!(matches!(refused, Refreshed::Kept(reason) if reason == "not this one"));
    assert_eq!(subject(), "first");
    let at_last = reloading.refresh();
    assert!(
        matches!(at_last, Refreshed::Renewed(_)),
        "what was refused for its time may be in order now"
    );
    assert_eq!(subject(), "second");
    let third = set.sign("third", |_| ());
    std::fs::copy(&third.certificate, &pair.certificate).unwrap();
    std::fs::copy(&third.key, &pair.key).unwrap();
    assert!(matches!(reloading.refresh(), Refreshed::Renewed(_)));
    assert_eq!(subject(), "third");
}

#[test]
fn a_certificate_says_what_it_was_made_with() {
    let set = Set::new();
    let pair = set.sign("node 1", |params| {
        params.not_before = rcgen::date_time_ymd(2026, 1, 2);
        params.not_after = rcgen::date_time_ymd(2051, 3, 4);
        let names = [
            "member-1.quorate",
            "member-01.quorate",
            "member-x.quorate",
            "xmember-1.quorate",
        ];
        params.subject_alt_names = names
            .map(|name| rcgen::SanType::DnsName(name.try_into().unwrap()))
            .to_vec();
        let ip: IpAddr = "::1".parse().unwrap();
        params.subject_alt_names.push(rcgen::SanType::IpAddress(ip));
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    });
    let certificate = Certificate::read(&read_certificates(&pair.certificate).unwrap()[0]).unwrap();
    assert_eq!(certificate.names.last().unwrap(), "::1");
    assert_eq!(certificate.members(), [1], "one way to write a number");
    assert_eq!(date(certificate.not_before_s), "2026-01-02 00:00 UTC");
    assert_eq!(date(certificate.not_after_s), "2051-03-04 00:00 UTC");
    assert!(certificate.for_clients && !certificate.for_servers && !certificate.authority && !certificate.self_issued);
    let authority = Certificate::read(&read_certificates(&set.ca).unwrap()[0]).unwrap();
    assert!(authority.authority && authority.self_issued);
    let now_s = certificate.not_after_s - 10;
    assert!(matches!(certificate.validity(now_s), Validity::Valid { left_s: 10 }));
    assert_eq!(certificate.validity(certificate.not_after_s + 1), Validity::Expired);
    assert_eq!(certificate.validity(certificate.not_before_s - 1), Validity::NotYet);
}

proptest! {
    #[test]
    fn bytes_that_are_no_certificate_are_read_without_harm(at in 0usize..600, byte: u8, length in 0usize..700) {
        let set = Authority::new("x");
        let mut der = rustls::pki_types::pem::PemObject::from_pem_slice(set.pem.as_bytes())
            .map(|der: rustls::pki_types::CertificateDer<'static>| der.to_vec())
            .unwrap();
        if let Some(place) = der.get_mut(at) {
            *place = byte;
        }
        der.truncate(length);
        let _ = Certificate::read(&der);
    }
}

#[test]
fn the_host_of_an_address_is_what_its_certificate_must_name() {
    assert_eq!(host_of("db.example:7401"), "db.example");
    assert_eq!(host_of("127.0.0.1:7401"), "127.0.0.1");
    assert_eq!(host_of("[::1]:7401"), "::1");
}
