//! The pages of a member, and whether it is ready.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::NodeError;
use crate::config::NodeConfig;
use crate::http::{self, Readiness, Site};

/// How often it is looked at whether the member is ready, for those who asked to be told.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);

/// What answers over HTTP. It is there before the member is, and stays until it is gone.
pub(super) struct Pages {
    pub(super) site: Arc<Site>,
    /// Whether the member is ready.
    pub(super) ready: watch::Receiver<bool>,
    address: Option<std::net::SocketAddr>,
    tasks: Vec<JoinHandle<()>>,
}

impl Pages {
    /// Listens, if the configuration says where.
    pub(super) async fn open(config: &Arc<NodeConfig>) -> Result<Self, NodeError> {
        let site = Site::new(Arc::clone(config));
        let (tell, ready) = watch::channel(false);
        let mut tasks = vec![tokio::spawn(look(Arc::clone(&site), tell))];
        if let Some(address) = config.listen_http.0 {
            let listener = TcpListener::bind(address).await.map_err(|source| NodeError::Listen {
                setting: "listen_http",
                address,
                source,
            })?;
            let serving = http::serve(Arc::clone(&site), listener, std::future::pending());
            tasks.push(tokio::spawn(serving));
        }
        Ok(Self {
            site,
            ready,
            address: config.listen_http.0,
            tasks,
        })
    }

    /// For people.
    pub(super) fn address(&self) -> String {
        self.address
            .map_or_else(|| "off".to_owned(), |address| address.to_string())
    }

    /// Nobody is answered any more.
    pub(super) fn close(&self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        self.close();
    }
}

async fn look(site: Arc<Site>, tell: watch::Sender<bool>) {
    loop {
        let ready = Readiness::of(&site);
        let now = ready.is_ready(&[]);
        if tell.send_if_modified(|before| std::mem::replace(before, now) != now) {
            let failed = ready.failed();
            tracing::info!(ready = now, %failed, "readiness");
        }
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
}
