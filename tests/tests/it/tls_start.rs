//! What a member that is about to start says to its addresses and its certificates: every refusal names the setting and the way
//! out.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use quorate_tests::cluster::{Certificates, free_ports, run_to_exit, server_binary};

use super::tls::expired_pair;

const PATIENCE: Duration = Duration::from_secs(20);

/// A configuration of member 1 whose ports are at these hosts.
fn at(client_host: &str, peer_host: &str, advertise: &str, tables: &str) -> String {
    format!(
        "member_id = 1\ndata_directory = \"/nowhere\"\nlisten_client = \"{client_host}:7401\"\nlisten_peer = \
         \"{peer_host}:7501\"\nadvertise_client = {advertise:?}\n[[cluster.members]]\nid = 1\npeer = \
         \"{peer_host}:7501\"\n{tables}"
    )
}

fn loopback(tables: &str) -> String {
    at("127.0.0.1", "127.0.0.1", "", tables)
}

/// `quorate config check`: whether a start would take it, and what is said.
fn check(directory: &Path, configuration: &str) -> (bool, String) {
    let path = directory.join("node.toml");
    std::fs::write(&path, configuration).unwrap();
    let output = Command::new(server_binary().unwrap())
        .args(["config", "check", "--config"])
        .arg(&path)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(matches!(output.status.code(), Some(0 | 2)), "{said}");
    (output.status.success(), said)
}

fn client_table(certificate: &Path, key: &Path) -> String {
    format!("[tls.client]\ncertificate = {certificate:?}\nkey = {key:?}\n")
}

fn peer_table(certificate: &Path, key: &Path, ca: &Path) -> String {
    format!("[tls.peer]\ncertificate = {certificate:?}\nkey = {key:?}\nca = {ca:?}\n")
}

#[test]
fn a_start_takes_what_is_safe_and_says_of_everything_else_how_to_put_it_right() {
    let home = tempfile::tempdir().unwrap();
    let made = Certificates::make(&home.path().join("certs"), 2).unwrap();
    let strangers = Certificates::make(&home.path().join("strangers"), 1).unwrap();
    let (server, server_key) = (made.of_member(1, "server.crt"), made.of_member(1, "server.key"));
    let (peer, peer_key, ca) = (
        made.of_member(1, "peer.crt"),
        made.of_member(1, "peer.key"),
        made.of_member(1, "peer-ca.crt"),
    );
    let both = client_table(&server, &server_key) + &peer_table(&peer, &peer_key, &ca);
    let (old, old_key) = expired_pair(&made, "peer", 1);
    let broken = home.path().join("broken.crt");
    let text = std::fs::read(&peer).unwrap();
    std::fs::write(&broken, &text[..text.len() / 2]).unwrap();
    let nowhere = PathBuf::from("/nowhere/peer.crt");
    let agent = (
        made.of_client("test", "client.crt"),
        made.of_client("test", "client.key"),
    );

    // What it is, whether it can start, and what must be said.
    let rows: Vec<(&str, String, &[&str])> = vec![
        ("loopback, plain", loopback(""), &[]),
        ("loopback, TLS", loopback(&both), &[]),
        ("loopback by its name of old", at("127.0.0.9", "127.0.0.1", "", ""), &[]),
        ("IPv6 loopback", at("[::1]", "[::1]", "", ""), &[]),
        ("beyond, TLS", at("0.0.0.0", "10.0.0.1", "localhost:7401", &both), &[]),
        (
            "beyond, plain, and said to be trusted",
            format!(
                "insecure_allow_non_loopback = true\n{}",
                at("10.0.0.1", "10.0.0.1", "", "")
            ),
            &[],
        ),
        (
            "clients beyond, plain",
            at("10.0.0.1", "127.0.0.1", "", ""),
            &[
                "listen_client",
                "[tls.client]",
                "quorate certs",
                "insecure_allow_non_loopback",
            ],
        ),
        (
            "clients beyond, TLS for members alone",
            at("10.0.0.1", "127.0.0.1", "", &peer_table(&peer, &peer_key, &ca)),
            &["listen_client", "[tls.client]"],
        ),
        (
            "members beyond, TLS for clients alone",
            at("127.0.0.1", "10.0.0.1", "", &client_table(&server, &server_key)),
            &["listen_peer", "cluster.members", "[tls.peer]"],
        ),
        (
            "another member beyond",
            loopback("[[cluster.members]]\nid = 2\npeer = \"node-2:7501\"\n"),
            &["cluster.members", "node-2:7501", "[tls.peer]"],
        ),
        (
            "everywhere, and no address for clients",
            at("0.0.0.0", "10.0.0.1", "", &both),
            &["advertise_client"],
        ),
        (
            "a certificate without its key",
            loopback(&format!("[tls.client]\ncertificate = {server:?}\n")),
            &["tls.client.key", "name the file of its key"],
        ),
        (
            "a key without its certificate",
            loopback(&format!("[tls.client]\nkey = {server_key:?}\n")),
            &["tls.client.certificate", "name the file of its certificate"],
        ),
        (
            "an authority alone",
            loopback(&format!("[tls.client]\nclient_ca = {ca:?}\n")),
            &["tls.client.certificate", "leave tls.client.client_ca out"],
        ),
        (
            "members without an authority",
            loopback(&format!("[tls.peer]\ncertificate = {peer:?}\nkey = {peer_key:?}\n")),
            &["tls.peer.ca", "each needs certificate, key and ca"],
        ),
        (
            "a misspelt key",
            loopback(&format!("[tls.peer]\ncert = {peer:?}\n")),
            &["tls.peer.cert: unknown key", "did you mean"],
        ),
        (
            "a flag in quotes",
            loopback("[tls.client]\nallow_tls_1_2 = \"yes\"\n"),
            &["tls.client.allow_tls_1_2", "true or false"],
        ),
        (
            "an interval out of range",
            loopback("[tls]\nreload_interval_ms = 1\n"),
            &["tls.reload_interval_ms", "100"],
        ),
        (
            "no such file",
            loopback(&peer_table(&nowhere, &peer_key, &ca)),
            &["tls.peer.certificate", "/nowhere/peer.crt", "check that it exists"],
        ),
        (
            "half a file",
            loopback(&peer_table(&broken, &peer_key, &ca)),
            &["broken.crt", "damaged", "copy it once more"],
        ),
        (
            "certificate and key exchanged",
            loopback(&peer_table(&peer_key, &peer, &ca)),
            &["peer.key", "holds no certificate", "may be exchanged"],
        ),
        (
            "a key that does not fit",
            loopback(&client_table(&server, &peer_key)),
            &["tls.client.certificate", "does not fit", "\"quorate member 1\""],
        ),
        (
            "the certificate of another member",
            loopback(&peer_table(
                &made.of_member(2, "peer.crt"),
                &made.of_member(2, "peer.key"),
                &ca,
            )),
            &["member-2.quorate", "this is member 1", "--member 1", "member_id"],
        ),
        (
            "the certificate for clients, shown to members",
            loopback(&peer_table(&server, &server_key, &ca)),
            &["tls.peer.certificate", "not for member-1.quorate"],
        ),
        (
            "the authority of somebody else",
            loopback(&peer_table(&peer, &peer_key, &strangers.of_member(1, "peer-ca.crt"))),
            &["is signed by", "not by an authority in", "strangers"],
        ),
        (
            "a certificate where the authority should be",
            loopback(&peer_table(&peer, &peer_key, &peer)),
            &["may sign no others", "peer-ca.crt"],
        ),
        (
            "an expired certificate",
            loopback(&peer_table(&old, &old_key, &ca)),
            &[
                "tls.peer.certificate",
                "expired on 2020-02-29 00:00 UTC",
                "quorate certs node",
            ],
        ),
        (
            "a certificate of a client",
            loopback(&client_table(&agent.0, &agent.1)),
            &["tls.client.certificate", "for clients only", "quorate certs node"],
        ),
    ];
    for (what, configuration, words) in rows {
        let (taken, said) = check(home.path(), &configuration);
        assert_eq!(taken, words.is_empty(), "{what}: {said}");
        for word in words {
            assert!(said.contains(word), "{what}: {word:?} is missing in: {said}");
        }
    }
}

#[tokio::test]
async fn a_server_says_the_same_as_the_check_and_ends() {
    let home = tempfile::tempdir().unwrap();
    let made = Certificates::make(&home.path().join("certs"), 2).unwrap();
    let ports = free_ports(2).unwrap();
    let wrong = made.toml(2);
    let configuration = loopback(&wrong)
        .replace("7401", &ports[0].to_string())
        .replace("7501", &ports[1].to_string());
    let (status, printed) = run_to_exit(&configuration, PATIENCE).await.unwrap();
    assert_eq!(status.code(), Some(2), "{printed}");
    assert!(
        printed.contains("member-2.quorate") && printed.contains("this is member 1"),
        "{printed}"
    );
}

fn quorate(arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(server_binary().unwrap())
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.code(), said)
}

#[test]
fn certificates_are_never_overwritten_and_keys_are_for_their_owner() {
    use std::os::unix::fs::PermissionsExt;
    let home = tempfile::tempdir().unwrap();
    let made = Certificates::make(home.path(), 1).unwrap();
    let directory = home.path().to_str().unwrap();
    for key in [
        made.of_member(1, "peer.key"),
        made.of_client("test", "client.key"),
        home.path().join("peer-ca.key"),
    ] {
        let mode = std::fs::metadata(&key).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", key.display());
    }
    let before = std::fs::read(made.of_member(1, "peer.crt")).unwrap();
    for arguments in [
        vec!["certs", "init", directory],
        vec!["certs", "node", directory, "--member", "1", "--host", "localhost"],
        vec!["certs", "client", directory, "--name", "test"],
    ] {
        let (code, said) = quorate(&arguments);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains("exists: nothing was written"), "{said}");
    }
    assert_eq!(std::fs::read(made.of_member(1, "peer.crt")).unwrap(), before);
    made.issue_member(1, &["--renew"]).unwrap();
    assert_ne!(std::fs::read(made.of_member(1, "peer.crt")).unwrap(), before);
    for (arguments, words) in [
        (
            vec!["certs", "client", directory, "--name", "../x"],
            "becomes the name of a directory",
        ),
        (
            vec!["certs", "node", directory, "--member", "2", "--host", "h:7401"],
            "without a port",
        ),
        (
            vec!["certs", "node", "/nowhere", "--member", "2", "--host", "h"],
            "quorate certs init",
        ),
        (
            vec!["certs", "node", directory, "--member", "0", "--host", "h"],
            "--member",
        ),
        (vec!["certs", "client", directory, "--days", "0"], "--days"),
    ] {
        let (code, said) = quorate(&arguments);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains(words), "{words:?} is missing in: {said}");
    }
}

#[test]
fn certificates_are_explained_with_what_is_wrong() {
    let home = tempfile::tempdir().unwrap();
    let made = Certificates::make(&home.path().join("certs"), 1).unwrap();
    let strangers = Certificates::make(&home.path().join("strangers"), 1).unwrap();
    let show = |files: &[PathBuf]| {
        let mut arguments = vec!["certs", "show"];
        arguments.extend(files.iter().map(|path| path.to_str().unwrap()));
        quorate(&arguments)
    };
    let file = |file| made.of_member(1, file);
    let (code, said) = show(&[file("peer.crt"), file("peer.key"), file("peer-ca.crt")]);
    assert_eq!(code, Some(0), "{said}");
    for word in [
        "\"quorate member 1\"",
        "member-1.quorate, 127.0.0.1, localhost",
        " days left)",
        "a private key",
    ] {
        assert!(said.contains(word), "{word:?} is missing in: {said}");
    }
    let (old, old_key) = expired_pair(&made, "client", 1);
    for (files, word) in [
        (
            vec![file("server.crt"), strangers.of_member(1, "client-ca.crt")],
            "none of the authorities",
        ),
        (
            vec![file("server.crt"), file("peer.key")],
            "fits none of the certificates",
        ),
        (vec![old.clone(), old_key], "expired on 2020-02-29"),
    ] {
        let (code, said) = show(&files);
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains(word), "{word:?} is missing in: {said}");
    }
    let agent = made.of_client("test", "client.crt");
    let (code, said) = show(&[agent, made.of_client("test", "client-ca.crt")]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("\"test\""), "{said}");
}
