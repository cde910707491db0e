//! `quorate dev`.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use quorate::Client;

use super::server;
use crate::cli::exit::{Exit, Failure};
use crate::cli::ports::free_ports;
use crate::config::{FoundingMember, ListenHttp, Log, LogLevel, NodeConfig};
use crate::{logging, node};

/// Flags of the single node.
#[derive(Args, Debug)]
pub struct DevArguments {
    /// Keep the data here; without it they go when the node stops
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

/// Runs one node until it is told to stop.
pub async fn run(arguments: DevArguments) -> Result<Exit, Failure> {
    // Dropped, and so deleted, when the node has stopped.
    let temporary = match arguments.data {
        Some(_) => None,
        None => Some(tempfile::tempdir().map_err(|error| Failure::local(format!("temporary directory: {error}")))?),
    };
    let data = match (&arguments.data, &temporary) {
        (Some(data), _) => data.clone(),
        (None, Some(directory)) => directory.path().to_owned(),
        (None, None) => return Err(Failure::local("there is no directory for the data")),
    };
    let config = config(data)?;
    config.validate().map_err(|error| Failure::local(error.to_string()))?;
    logging::start(&config.log).map_err(|error| Failure::local(error.to_string()))?;
    let greeting = tokio::spawn(greet(config.listen_client, temporary.is_none()));
    let stopped = node::run(config, server::stop_signal()?).await;
    greeting.abort();
    stopped.map_err(|error| Failure::local(error.to_string()))?;
    Ok(Exit::Success)
}

fn config(data: PathBuf) -> Result<NodeConfig, Failure> {
    let defaults = NodeConfig::default();
    let http = ListenHttp::default().0.unwrap_or(defaults.listen_client);
    let mut addresses = [defaults.listen_client, defaults.listen_peer, http];
    if addresses.iter().any(|address| TcpListener::bind(address).is_err()) {
        let ports = free_ports(3)?;
        addresses = [ports[0], ports[1], ports[2]].map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    }
    let [client, peer, http] = addresses;
    let founder = FoundingMember {
        id: 1,
        peer: peer.to_string(),
    };
    Ok(NodeConfig {
        listen_http: ListenHttp(Some(http)),
        log: Log {
            level: LogLevel::Warn,
            ..Log::default()
        },
        ..NodeConfig::founding(1, data, client, peer, vec![founder])
    })
}

/// Says how to talk to the node, once it answers. Ends with the node.
async fn greet(client: SocketAddr, kept: bool) {
    loop {
        let builder = Client::builder().endpoints([client.to_string()]).name("quorate-dev");
        if let Ok(probe) = builder.call_timeout(Duration::from_secs(1)).connect().await
            && probe.get("dev").await.is_ok()
        {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let flag = if client == NodeConfig::default().listen_client {
        String::new()
    } else {
        format!(" --endpoints {client}")
    };
    let data = if kept { "kept" } else { "deleted" };
    eprintln!("One node is running at {client}; Ctrl-C stops it, and its data are {data}. In another terminal:");
    eprintln!("  quorate{flag} put greeting hello");
    eprintln!("  quorate{flag} get greeting");
    eprintln!("  quorate{flag} status");
}
