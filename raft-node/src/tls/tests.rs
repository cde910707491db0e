//! Ports with certificates of the moment.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use quorate_tls::{Credentials, DialSettings, Files, Refreshed, Remote, dial, member_name};
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::*;
use crate::config::NodeConfig;
use crate::consensus::network::{BoxIo, Incoming};

struct Home {
    directory: TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl Home {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "the authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let directory = tempfile::tempdir().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        std::fs::write(directory.path().join("ca.crt"), pem).unwrap();
        Self {
            directory,
            issuer: Issuer::new(params, key),
        }
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Puts a certificate into the place of the one there is.
    fn sign(&self, member: u64, change: impl FnOnce(&mut CertificateParams)) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![member_name(member)]).unwrap();
        params
            .distinguished_name
            .push(DnType::CommonName, format!("node {member}"));
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        change(&mut params);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        std::fs::write(self.path().join("own.crt"), certificate.pem()).unwrap();
        std::fs::write(self.path().join("own.key"), key.serialize_pem()).unwrap();
    }

    /// Of member 1.
    fn open(&self) -> Result<Arc<Side>, String> {
        let mut config = NodeConfig {
            member_id: 1,
            ..NodeConfig::default()
        };
        config.tls.peer.certificate = self.path().join("own.crt");
        config.tls.peer.key = self.path().join("own.key");
        config.tls.peer.ca = self.path().join("ca.crt");
        let sides = Sides::open(&config).map_err(|error| error.to_string())?;
        assert_eq!(sides.all().count(), 1);
        Ok(sides.peer.unwrap())
    }

    fn dialling(&self) -> DialSettings {
        let files = Files {
            pair: Some(quorate_tls::PairFiles {
                certificate: self.path().join("own.crt"),
                key: self.path().join("own.key"),
            }),
            authorities: Some(self.path().join("ca.crt")),
        };
        DialSettings {
            credentials: Arc::new(Credentials::read(&files).unwrap()),
            allow_tls_1_2: false,
        }
    }
}

#[test]
fn a_port_without_files_has_no_tls() {
    let sides = Sides::open(&NodeConfig::default()).unwrap();
    assert_eq!(sides.all().count(), 0);
}

#[test]
fn what_no_other_member_would_take_is_not_taken_up_either() {
    let home = Home::new();
    home.sign(1, |_| ());
    let side = home.open().unwrap();
    let until_s = side.expires_unix_s();
    let kept = || match side.refresh() {
        Refreshed::Kept(reason) => reason,
        other => panic!("{other:?}"),
    };
    home.sign(2, |_| ());
    assert!(kept().contains("member-2.quorate"), "{}", kept());
    assert!(home.open().unwrap_err().contains("tls.peer.certificate"));
    home.sign(1, |params| params.not_after = rcgen::date_time_ymd(2020, 1, 1));
    assert!(kept().contains("expired on 2020-01-01"), "{}", kept());
    home.sign(1, |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]
    });
    assert!(kept().contains("for servers only"), "{}", kept());
    let stranger = Home::new();
    stranger.sign(1, |_| ());
    for file in ["own.crt", "own.key"] {
        std::fs::copy(stranger.path().join(file), home.path().join(file)).unwrap();
    }
    assert!(kept().contains("not by an authority in"), "{}", kept());
    assert_eq!(side.expires_unix_s(), until_s);
    home.sign(1, |params| params.not_after = rcgen::date_time_ymd(2090, 1, 1));
    assert!(matches!(side.refresh(), Refreshed::Renewed(_)));
    assert_ne!(side.expires_unix_s(), until_s);
}

/// A listener, and what connects to it.
fn listener() -> (tokio::sync::mpsc::UnboundedSender<DuplexStream>, Incoming) {
    let (connect, connected) = tokio::sync::mpsc::unbounded_channel();
    let incoming = futures::stream::unfold(connected, |mut connected| async move {
        let io: DuplexStream = connected.recv().await?;
        Some((Ok(BoxIo::new(io)), connected))
    });
    (connect, incoming.boxed())
}

#[tokio::test]
async fn a_thousand_that_say_nothing_do_not_keep_out_one_that_speaks() {
    let home = Home::new();
    home.sign(1, |_| ());
    let (connect, plain) = listener();
    let mut secured = secure(plain, home.open().unwrap());
    let mut silent = Vec::new();
    for _ in 0..1000 {
        let (near, far) = tokio::io::duplex(1 << 14);
        connect.send(far).unwrap();
        silent.push(near);
    }
    let (near, far) = tokio::io::duplex(1 << 14);
    connect.send(far).unwrap();
    let (settings, name) = (home.dialling(), member_name(1));
    let (dialled, accepted) = tokio::join!(dial(near, &name, Remote::Member(1), &settings), secured.next());
    let (mut dialled, mut accepted) = (dialled.unwrap(), accepted.unwrap().unwrap());
    dialled.write_all(b"hello").await.unwrap();
    dialled.flush().await.unwrap();
    let mut heard = [0; 5];
    accepted.read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard, b"hello");
    assert_eq!(accepted.caller().members(), Some(&[1][..]));
    // The oldest were given up, long before their time was over: their connections have ended.
    let ended = tokio::time::timeout(Duration::from_secs(3), silent[0].read(&mut heard)).await;
    assert_eq!(ended.unwrap().unwrap(), 0);
}
