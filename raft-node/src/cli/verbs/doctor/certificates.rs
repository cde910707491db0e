//! How long certificates last.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use quorate_tls::{Certificate, Credentials, DialSettings, Files, PairFiles, Remote, Validity, date, dial, host_of};
use tokio::net::TcpStream;

use super::check::Check;
use super::visit::Visited;
use crate::cli::connect::Global;
use crate::cli::exit::Failure;
use crate::environment::{Clock, SystemClock};

/// From then on somebody should see to it.
const SOON_S: i64 = 30 * 86_400;
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// Of the members that answer: what they show to this client.
pub(super) async fn presented(visited: &Visited, global: &Global) -> Result<Vec<Check>, Failure> {
    let Some(ca) = &global.ca else {
        return Ok(Vec::new());
    };
    let pair = global.certificate.clone().zip(global.key.clone());
    let files = Files {
        pair: pair.map(|(certificate, key)| PairFiles { certificate, key }),
        authorities: Some(ca.clone()),
    };
    let credentials = Credentials::read(&files).map_err(|error| Failure::usage(error.to_string()))?;
    let settings = DialSettings {
        credentials: Arc::new(credentials),
        allow_tls_1_2: false,
    };
    let mut checks = Vec::new();
    for visit in visited.visits.iter().filter(|visit| visit.answer.is_ok()) {
        let showing = show(&visit.address, &settings, global.server_name.as_deref());
        let shown = tokio::time::timeout(HANDSHAKE_TIMEOUT, showing).await;
        let of = format!("certificate of {}", visit.address);
        checks.push(match shown {
            Ok(Ok(certificate)) => judge(of, &certificate, now_s()),
            Ok(Err(reason)) => Check::bad(of, reason, "see the guide's page on TLS"),
            Err(_) => Check::warning(of, "it was not shown in time", "ask again"),
        });
    }
    Ok(checks)
}

async fn show(address: &str, settings: &DialSettings, name: Option<&str>) -> Result<Certificate, String> {
    let stream = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
    let secured = dial(
        stream,
        name.unwrap_or_else(|| host_of(address)),
        Remote::Server,
        settings,
    )
    .await;
    let secured = secured.map_err(|refusal| refusal.to_string())?;
    secured.presented().ok_or_else(|| "it showed none".to_owned())
}

/// Of the files that a member is to use.
pub(super) fn in_file(of: &str, path: &Path) -> Vec<Check> {
    let chain = match quorate_tls::read_certificates(path) {
        Ok(chain) => chain,
        Err(error) => {
            return vec![Check::bad(
                of,
                error.to_string(),
                "correct the path, or make it (`quorate certs`)",
            )];
        }
    };
    let read = chain.iter().filter_map(|der| Certificate::read(der));
    read.map(|certificate| judge(of.to_owned(), &certificate, now_s()))
        .collect()
}

fn judge(of: String, certificate: &Certificate, now_s: i64) -> Check {
    let until = format!("{:?} until {}", certificate.subject, date(certificate.not_after_s));
    let advice =
        "make a new one (`quorate certs node --renew`, or your authority): it is taken up while the member runs";
    match certificate.validity(now_s) {
        Validity::Valid { left_s } if left_s < SOON_S => {
            Check::warning(of, format!("{until}: {} days are left", left_s / 86_400), advice)
        }
        Validity::Valid { left_s } => Check::good(of, format!("{until}: {} days are left", left_s / 86_400)),
        Validity::Expired => Check::bad(of, format!("{until}: it has expired"), advice),
        Validity::NotYet => Check::bad(
            of,
            format!("it is valid from {} on", date(certificate.not_before_s)),
            "look at the clock of this machine and of the one that made it",
        ),
    }
}

fn now_s() -> i64 {
    i64::try_from(SystemClock.wall_ms() / 1000).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::check::Verdict;
    use super::*;

    fn until(not_after_s: i64) -> Certificate {
        Certificate {
            subject: "member 1".to_owned(),
            issuer: "authority".to_owned(),
            self_issued: false,
            serial: "01".to_owned(),
            names: Vec::new(),
            not_before_s: 1_000_000,
            not_after_s,
            authority: false,
            for_servers: true,
            for_clients: true,
        }
    }

    #[test]
    fn a_certificate_is_judged_by_what_is_left_of_it() {
        let verdict = |not_after_s, now_s| judge("x".to_owned(), &until(not_after_s), now_s).verdict;
        assert_eq!(verdict(10_000_000, 2_000_000), Verdict::Good);
        assert_eq!(verdict(10_000_000, 9_000_000), Verdict::Warning);
        assert_eq!(verdict(10_000_000, 10_000_001), Verdict::Bad);
        assert_eq!(verdict(10_000_000, 1), Verdict::Bad);
    }
}
