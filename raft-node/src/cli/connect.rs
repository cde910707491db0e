//! What every client verb starts with.

use std::time::Duration;

use clap::Args;
use quorate::Client;

use super::exit::{Exit, Failure};
use super::output::Format;

/// Keeps these apart from the flags of the verb.
const HEADING: &str = "Flags of every command";

/// Flags of every verb.
#[derive(Args, Clone, Debug)]
pub struct Global {
    /// Addresses of members, HOST:PORT, separated by commas
    #[arg(
        long,
        help_heading = HEADING,
        global = true,
        env = "QUORATE_ENDPOINTS",
        value_delimiter = ',',
        default_value = "127.0.0.1:7401"
    )]
    pub endpoints: Vec<String>,
    /// How results are written
    #[arg(short, long, help_heading = HEADING, global = true, env = "QUORATE_OUTPUT", value_enum, default_value_t)]
    pub output: Format,
    /// How long one call may take, e.g. 500ms, 5s, 1m
    #[arg(long, help_heading = HEADING, global = true, env = "QUORATE_TIMEOUT", default_value = "5s", value_parser = timeout)]
    pub timeout: Duration,
}

impl Global {
    /// Connects to the cluster.
    pub async fn connect(&self) -> Result<Client, Failure> {
        let connected = Client::builder()
            .endpoints(self.endpoints.clone())
            .name("quorate-cli")
            .call_timeout(self.timeout)
            .connect()
            .await;
        connected.map_err(|error| {
            let mut failure = Failure::from(error);
            // The only arguments of a connection are those of the command line.
            if failure.exit == Exit::Refused && failure.kind == "invalid_argument" {
                failure.exit = Exit::Usage;
            }
            failure
        })
    }
}

fn timeout(text: &str) -> Result<Duration, String> {
    let timeout = humantime::parse_duration(text).map_err(|error| format!("{error}: write 500ms, 5s or 1m"))?;
    if timeout < Duration::from_millis(1) || timeout > Duration::from_secs(3600) {
        return Err("from 1ms to 1h is allowed".to_owned());
    }
    Ok(timeout)
}
