//! The pages.

use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};
use http::{StatusCode, header};

use super::checks::{Check, Finding, NAMES, Readiness};
use super::scrape;
use super::site::Site;
use crate::logging::{self, LogError};
use crate::metrics::CONTENT_TYPE;

/// A filter of the log is all that is ever sent here.
const BODY_BYTES_MAX: usize = 8 << 10;

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Visitor(pub(super) SocketAddr);

/// All of them.
pub(super) fn routes(site: Arc<Site>) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/readyz/{check}", get(one_check))
        .route("/log-level", get(log_level).put(set_log_level))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(site)
}

async fn metrics(State(site): State<Arc<Site>>) -> Response {
    // It reads a few rows of the store, which may be on the disk.
    match tokio::task::spawn_blocking(move || scrape::page(&site)).await {
        Ok(text) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

async fn livez() -> Response {
    plain(StatusCode::OK, "ok\n".to_owned())
}

async fn readyz(State(site): State<Arc<Site>>, RawQuery(query): RawQuery) -> Response {
    let query = query.unwrap_or_default();
    let words = || query.split('&').filter(|word| !word.is_empty());
    let exclude: Vec<&str> = words().filter_map(|word| word.strip_prefix("exclude=")).collect();
    if let Some(unknown) = exclude.iter().find(|name| !NAMES.contains(name)) {
        let text = format!("exclude: there is no check {unknown:?}: {}\n", NAMES.join(", "));
        return plain(StatusCode::BAD_REQUEST, text);
    }
    let verbose = words().any(|word| word == "verbose" || word.starts_with("verbose="));
    let readiness = Readiness::of(&site);
    let ready = readiness.is_ready(&exclude);
    let mut text = String::new();
    // Who is refused should see why.
    if verbose || !ready {
        for check in &readiness.checks {
            line(&mut text, check, exclude.contains(&check.name));
        }
    }
    text.push_str(if ready { "ok\n" } else { "not ready\n" });
    plain(status(ready), text)
}

async fn one_check(State(site): State<Arc<Site>>, Path(name): Path<String>) -> Response {
    if !NAMES.contains(&name.as_str()) {
        let text = format!("there is no check {name:?}: {}\n", NAMES.join(", "));
        return plain(StatusCode::NOT_FOUND, text);
    }
    let readiness = Readiness::of(&site);
    // Before the parts are open only the first can be told.
    let found = readiness.checks.into_iter().find(|check| check.name == name);
    let check = found.unwrap_or(Check {
        name: "phase",
        finding: Finding::Failed("the member is starting".to_owned()),
    });
    let mut text = String::new();
    line(&mut text, &check, false);
    plain(status(!matches!(check.finding, Finding::Failed(_))), text)
}

async fn log_level() -> Response {
    match logging::filter() {
        Some(filter) => plain(StatusCode::OK, format!("{filter}\n")),
        None => plain(
            StatusCode::NOT_FOUND,
            "the log of this process was not started by it\n".to_owned(),
        ),
    }
}

/// Whoever is on the machine may see more of the log, or less; nobody else.
async fn set_log_level(Extension(Visitor(address)): Extension<Visitor>, filter: String) -> Response {
    if !address.ip().is_loopback() {
        let text = format!("{address} is not on this machine: ask from it, at a loopback address\n");
        return plain(StatusCode::FORBIDDEN, text);
    }
    match logging::set_filter(&filter) {
        Ok(()) => log_level().await,
        Err(error @ LogError::Filter { .. }) => plain(StatusCode::BAD_REQUEST, format!("{error}\n")),
        Err(error @ LogError::Log(_)) => plain(StatusCode::CONFLICT, format!("{error}\n")),
    }
}

fn status(ready: bool) -> StatusCode {
    if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    }
}

fn line(text: &mut String, check: &Check, left_out: bool) {
    let (mark, reason) = match &check.finding {
        _ if left_out => ("+", "left out"),
        Finding::Good => ("+", "ok"),
        Finding::Warning(reason) => ("!", reason.as_str()),
        Finding::Failed(reason) => ("-", reason.as_str()),
    };
    // Writing to a string does not fail.
    let _ = writeln!(text, "[{mark}] {}: {reason}", check.name);
}

fn plain(status: StatusCode, text: String) -> Response {
    (status, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response()
}

#[cfg(test)]
mod tests {
    use tower::ServiceExt;

    use super::*;
    use crate::config::NodeConfig;

    async fn asked(site: &Arc<Site>, path: &str) -> (u16, String) {
        let request = http::Request::get(path).body(axum::body::Body::empty()).unwrap();
        let answer = routes(Arc::clone(site)).oneshot(request).await.unwrap();
        let status = answer.status().as_u16();
        let body = axum::body::to_bytes(answer.into_body(), 1 << 20).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn a_member_that_starts_is_alive_and_not_ready_and_has_a_page() {
        let site = Site::new(Arc::new(NodeConfig::default()));
        assert_eq!(asked(&site, "/livez").await, (200, "ok\n".to_owned()));
        let (status, text) = asked(&site, "/readyz").await;
        assert_eq!(status, 503);
        assert!(
            text.contains("[-] phase: the log and the state are being opened"),
            "{text}"
        );
        assert!(text.ends_with("not ready\n"), "{text}");
        assert_eq!(asked(&site, "/readyz/leader").await.0, 503);
        let (status, page) = asked(&site, "/metrics").await;
        assert_eq!(status, 200);
        assert!(page.contains("\nquorate_ready 0\n"), "{page}");
        assert!(page.contains("quorate_build_info{version="), "{page}");
        assert!(page.contains("\nquorate_process_threads "), "{page}");
    }

    #[tokio::test]
    async fn what_is_not_there_is_said_to_be_not_there() {
        let site = Site::new(Arc::new(NodeConfig::default()));
        assert_eq!(asked(&site, "/").await.0, 404);
        let (status, text) = asked(&site, "/readyz/colour").await;
        assert_eq!(status, 404);
        assert!(text.contains("there is no check \"colour\": phase, leader"), "{text}");
        let (status, text) = asked(&site, "/readyz?exclude=colour").await;
        assert_eq!(status, 400);
        assert!(text.contains("there is no check \"colour\""), "{text}");
        let (status, text) = asked(&site, "/readyz?verbose&exclude=phase").await;
        assert_eq!((status, text.as_str()), (200, "[+] phase: left out\nok\n"));
    }
    async fn puts(address: &str, filter: &str) -> (u16, String) {
        let site = Site::new(Arc::new(NodeConfig::default()));
        let router = routes(site).layer(Extension(Visitor(address.parse().unwrap())));
        let request = http::Request::put("/log-level").body(axum::body::Body::from(filter.to_owned()));
        let answer = router.oneshot(request.unwrap()).await.unwrap();
        let status = answer.status().as_u16();
        let body = axum::body::to_bytes(answer.into_body(), 1 << 20).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn only_who_is_on_the_machine_changes_the_level_of_the_log() {
        let (status, text) = puts("10.1.2.3:4", "debug").await;
        assert_eq!(status, 403);
        assert!(text.contains("10.1.2.3:4 is not on this machine"), "{text}");
        let (status, text) = puts("127.0.0.1:4", "loudly").await;
        assert_eq!(status, 400);
        assert!(text.contains("\"loudly\" is no level"), "{text}");
        assert_eq!(puts("127.0.0.1:4", &"x".repeat(BODY_BYTES_MAX + 1)).await.0, 413);
    }
}
