//! `quorate certs show`.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use quorate_tls::{Certificate, Credentials, Files, PairFiles, Validity, date, read_certificates};
use serde_json::{Value, json};

use crate::cli::connect::Global;
use crate::cli::exit::{Exit, Failure};
use crate::environment::{Clock, SystemClock};

/// From then on an end is worth a word.
const SOON_S: i64 = 30 * 86_400;

/// What one file holds.
enum Found {
    Chain(PathBuf, Vec<Certificate>),
    Key(PathBuf),
}

/// Explains the files. Something wrong is an exit code of its own.
pub(super) fn run(files: &[PathBuf], global: &Global) -> Result<Exit, Failure> {
    let found = files.iter().map(|path| look_at(path)).collect::<Result<Vec<_>, _>>()?;
    let now_s = i64::try_from(SystemClock.wall_ms() / 1000).unwrap_or(i64::MAX);
    let (mut text, mut entries, mut wrong) = (String::new(), Vec::new(), false);
    for one in &found {
        let (path, shown, problems) = match one {
            Found::Key(path) => (
                path,
                vec![("holds", "a private key".to_owned())],
                problems_of_key(path, &found),
            ),
            Found::Chain(path, chain) => {
                for (place, certificate) in chain.iter().enumerate() {
                    let problems = problems_of(path, place, certificate, &found, now_s);
                    wrong |= !problems.is_empty();
                    text.push_str(&paragraph(path, &lines(certificate, now_s), &problems));
                    entries.push(json_of(path, certificate, &problems));
                }
                continue;
            }
        };
        wrong |= !problems.is_empty();
        text.push_str(&paragraph(path, &shown, &problems));
        entries.push(json!({ "file": path, "holds": "private key", "problems": problems }));
    }
    global
        .output
        .show(&Value::Array(entries), || text.trim_end().to_owned())?;
    Ok(if wrong { Exit::Refused } else { Exit::Success })
}

fn look_at(path: &Path) -> Result<Found, Failure> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    if text.contains("PRIVATE KEY-----") && !text.contains("BEGIN CERTIFICATE-----") {
        return Ok(Found::Key(path.to_owned()));
    }
    let chain = read_certificates(path).map_err(|error| Failure::usage(error.to_string()))?;
    let read: Option<Vec<Certificate>> = chain.iter().map(|der| Certificate::read(der)).collect();
    let read =
        read.ok_or_else(|| Failure::usage(format!("{}: it holds something that is not X.509", path.display())))?;
    Ok(Found::Chain(path.to_owned(), read))
}

fn lines(certificate: &Certificate, now_s: i64) -> Vec<(&'static str, String)> {
    let uses = match (certificate.authority, certificate.for_servers, certificate.for_clients) {
        (true, ..) => "an authority: it signs others",
        (_, true, true) => "servers and clients",
        (_, true, false) => "servers",
        (_, false, true) => "clients",
        (_, false, false) => "neither servers nor clients",
    };
    let left = match certificate.validity(now_s) {
        Validity::Valid { left_s } => format!("{} days left", left_s / 86_400),
        Validity::Expired => "expired".to_owned(),
        Validity::NotYet => "not valid yet".to_owned(),
    };
    let issuer = if certificate.self_issued {
        "itself".to_owned()
    } else {
        format!("{:?}", certificate.issuer)
    };
    let mut lines = vec![
        ("subject", format!("{:?}", certificate.subject)),
        ("names", certificate.names_shown()),
        ("use", uses.to_owned()),
        ("from", date(certificate.not_before_s)),
        ("until", format!("{} ({left})", date(certificate.not_after_s))),
        ("signed by", issuer),
        ("serial", certificate.serial.clone()),
    ];
    for member in certificate.members() {
        lines.insert(2, ("member", member.to_string()));
    }
    lines
}

fn problems_of(path: &Path, place: usize, certificate: &Certificate, found: &[Found], now_s: i64) -> Vec<String> {
    let mut problems = Vec::new();
    match certificate.validity(now_s) {
        Validity::Expired => problems.push(format!(
            "it expired on {}: make a new one",
            date(certificate.not_after_s)
        )),
        Validity::NotYet => problems.push(format!(
            "it is valid from {} on: look at the clock of this machine and of the one that made it",
            date(certificate.not_before_s)
        )),
        Validity::Valid { left_s } if left_s < SOON_S => problems.push(format!(
            "it expires in {} days: make a new one, servers take it up by themselves",
            left_s / 86_400
        )),
        Validity::Valid { .. } => {}
    }
    if certificate.for_servers && !certificate.authority && certificate.names.is_empty() {
        problems.push("it has no names, so no client takes it for the server's that it dialled".to_owned());
    }
    if certificate.self_issued && !certificate.authority {
        problems.push("it signed itself and is no authority: nobody can trust it".to_owned());
    }
    let authorities = || found.iter().filter_map(Found::authorities);
    if place == 0 && !certificate.self_issued && authorities().next().is_some() {
        let trusted = authorities().any(|authority| signed_by(path, authority));
        if !trusted {
            problems.push(format!(
                "it is signed by {:?}, which is none of the authorities that were named here, or has another key",
                certificate.issuer
            ));
        }
    }
    problems
}

impl Found {
    /// The file, if all that it holds are authorities.
    fn authorities(&self) -> Option<&Path> {
        match self {
            Found::Chain(path, chain) if chain.iter().all(|one| one.authority) => Some(path),
            _ => None,
        }
    }
}

fn signed_by(path: &Path, authority: &Path) -> bool {
    let files = Files {
        pair: None,
        authorities: Some(authority.to_owned()),
    };
    let credentials = Credentials::read(&files).ok().and_then(|read| read.authorities);
    let chain = read_certificates(path).ok();
    credentials
        .zip(chain)
        .is_some_and(|(authorities, chain)| authorities.have_signed(&chain))
}

fn problems_of_key(path: &Path, found: &[Found]) -> Vec<String> {
    let mut problems = Vec::new();
    let mode = std::fs::metadata(path).map_or(0, |file| file.permissions().mode() & 0o777);
    if mode & 0o007 != 0 {
        problems.push(format!(
            "everybody on this machine may use it (mode {mode:03o}): chmod 600"
        ));
    }
    let mut certificates = found.iter().filter_map(|one| match one {
        Found::Chain(path, _) => Some(path),
        Found::Key(_) => None,
    });
    let fits = |certificate: &PathBuf| {
        let pair = PairFiles {
            certificate: certificate.clone(),
            key: path.to_owned(),
        };
        let files = Files {
            pair: Some(pair),
            authorities: None,
        };
        Credentials::read(&files).is_ok()
    };
    if certificates.clone().next().is_some() && !certificates.any(fits) {
        problems.push("it fits none of the certificates that were named here".to_owned());
    }
    problems
}

fn paragraph(path: &Path, lines: &[(&str, String)], problems: &[String]) -> String {
    let mut text = format!("{}\n", path.display());
    for (name, value) in lines {
        text.push_str(&format!("  {name:<10} {value}\n"));
    }
    for problem in problems {
        text.push_str(&format!("  {:<10} {problem}\n", "WRONG"));
    }
    text.push('\n');
    text
}

fn json_of(path: &Path, certificate: &Certificate, problems: &[String]) -> Value {
    json!({
        "file": path,
        "holds": "certificate",
        "subject": certificate.subject,
        "issuer": certificate.issuer,
        "serial": certificate.serial,
        "names": certificate.names,
        "members": certificate.members(),
        "authority": certificate.authority,
        "for_servers": certificate.for_servers,
        "for_clients": certificate.for_clients,
        "not_before_unix_s": certificate.not_before_s,
        "not_after_unix_s": certificate.not_after_s,
        "problems": problems,
    })
}
