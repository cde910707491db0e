//! Ports with certificates of the moment.

use quorate_tls::{Refreshed, Remote, dial, member_name};
use rcgen::{ExtendedKeyUsagePurpose, SanType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::testing::Home;
use super::*;
use crate::config::NodeConfig;
use crate::consensus::network::BoxIo;

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

#[test]
fn a_certificate_that_is_not_for_the_advertised_address_is_noticed() {
    let home = Home::new();
    home.sign(1, |params| {
        params.subject_alt_names = vec![
            SanType::DnsName("*.fleet.example".try_into().unwrap()),
            SanType::IpAddress("::1".parse().unwrap()),
        ];
    });
    let mut config = NodeConfig::default();
    assert_eq!(
        advertised_in_vain(&config, &Sides::open(&config).unwrap()),
        None,
        "no TLS"
    );
    config.tls.client.certificate = home.path().join("own.crt");
    config.tls.client.key = home.path().join("own.key");
    let sides = Sides::open(&config).unwrap();
    let mut problem = |advertised: &str| {
        config.advertise_client = advertised.to_owned();
        advertised_in_vain(&config, &sides)
    };
    assert_eq!(problem("node-1.fleet.example:7401"), None);
    assert_eq!(problem("[::1]:7401"), None);
    for (advertised, host) in [
        ("node-1.other:7401", "node-1.other"),
        ("[::2]:7401", "::2"),
        ("", "127.0.0.1"),
    ] {
        let problem = problem(advertised).unwrap();
        assert!(!problem.contains("  "), "{problem}");
        assert!(
            problem.contains("*.fleet.example, ::1") && problem.contains(&format!("make one for {host} ")),
            "{problem}"
        );
    }
}

#[tokio::test]
async fn who_shook_hands_is_known_by_the_certificate() {
    let home = Home::new();
    home.sign(1, |_| ());
    let handshakes = Handshakes::new(home.open().unwrap());
    let (near, far) = tokio::io::duplex(1 << 14);
    let (settings, name) = (home.dialling(), member_name(1));
    let dialling = dial(near, &name, Remote::Member(1), &settings);
    let (dialled, accepted) = tokio::join!(dialling, handshakes.shake(BoxIo::new(far)));
    let (mut dialled, mut accepted) = (dialled.unwrap(), accepted.unwrap());
    dialled.write_all(b"hello").await.unwrap();
    dialled.flush().await.unwrap();
    let mut heard = [0; 5];
    accepted.read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard, b"hello");
    assert_eq!(accepted.caller().members(), Some(&[1][..]));
}

#[tokio::test]
async fn who_does_not_speak_tls_is_not_let_in() {
    let home = Home::new();
    home.sign(1, |_| ());
    let handshakes = Handshakes::new(home.open().unwrap());
    let (mut near, far) = tokio::io::duplex(1 << 14);
    near.write_all(b"PRI * HTTP/2.0\r\n\r\n").await.unwrap();
    assert!(handshakes.shake(BoxIo::new(far)).await.is_none());
}
