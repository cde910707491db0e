//! Takes up new certificates, and says in time that the old ones end.

use std::sync::Arc;
use std::time::Duration;

use quorate_tls::{Refreshed, date};
use tokio::signal::unix::{SignalKind, signal};

use super::check::now_s;
use super::{Side, Sides};
use crate::metrics::{BothTlsCounts, TlsCounts};

/// From then on it is said that a certificate expires.
const WARN_BEFORE_S: i64 = 30 * 86_400;
/// Not more often than this.
const WARN_EVERY_S: i64 = 12 * 3600;

/// Looks at the files at every `interval`, and on SIGHUP. Runs as long as the member; ends at once where there is no TLS.
pub async fn follow(sides: Sides, interval: Duration, counts: Arc<BothTlsCounts>) {
    let follow = |side: &Arc<Side>| Followed::new(Arc::clone(side), Arc::clone(&counts));
    let mut followed: Vec<Followed> = sides.all().map(follow).collect();
    if followed.is_empty() {
        return;
    }
    // Where signals cannot be listened for, the interval will do.
    let mut hang_up = signal(SignalKind::hangup()).ok();
    loop {
        for side in &mut followed {
            side.look(now_s());
        }
        let told = async {
            match &mut hang_up {
                Some(signal) => signal.recv().await.is_some(),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = tokio::time::sleep(interval) => {}
            _ = told => tracing::info!("SIGHUP: looking at the certificates"),
        }
    }
}

struct Followed {
    side: Arc<Side>,
    both: Arc<BothTlsCounts>,
    /// What was said last of files that cannot be used: it is said once.
    refused: Option<String>,
    warned_s: Option<i64>,
}

impl Followed {
    fn new(side: Arc<Side>, both: Arc<BothTlsCounts>) -> Self {
        Self {
            side,
            both,
            refused: None,
            warned_s: None,
        }
    }

    fn counts(&self) -> &TlsCounts {
        if self.side.is_of_members() {
            &self.both.peer
        } else {
            &self.both.client
        }
    }

    fn look(&mut self, now_s: i64) {
        let side = self.side.name();
        match self.side.refresh() {
            Refreshed::Same => self.refused = None,
            Refreshed::Renewed(_) => {
                self.counts().reloaded.add(1);
                self.refused = None;
                self.warned_s = None;
                let until = date(self.side.expires_unix_s());
                tracing::info!(side, until, "new certificates are in force for new connections");
            }
            Refreshed::Kept(reason) => {
                if self.refused.as_ref() != Some(&reason) {
                    self.counts().reload_failed.add(1);
                    tracing::warn!(
                        side,
                        reason,
                        "new certificates cannot be used, the old ones stay in force"
                    );
                    self.refused = Some(reason);
                }
            }
        }
        let expires_s = self.side.expires_unix_s();
        self.counts().set_expiry(u64::try_from(expires_s).unwrap_or_default());
        let left_s = expires_s - now_s;
        let said = self.warned_s.is_some_and(|warned_s| now_s < warned_s + WARN_EVERY_S);
        if left_s > WARN_BEFORE_S || said {
            return;
        }
        self.warned_s = Some(now_s);
        let until = date(self.side.expires_unix_s());
        if left_s < 0 {
            tracing::error!(
                side,
                until,
                "the certificate has expired, and new connections are refused: make a new one"
            );
        } else {
            let days = left_s / 86_400;
            tracing::warn!(
                side,
                until,
                days,
                "the certificate expires soon: make a new one, it is taken up by itself"
            );
        }
    }
}
