//! What every client verb starts with.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use quorate::{Client, Tls};

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
    /// Connect with TLS, to servers whose certificate an authority in this file has signed
    #[arg(id = "tls_ca", long = "ca", help_heading = HEADING, global = true, env = "QUORATE_CA", value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// The certificate that servers are shown, with --ca and --key
    #[arg(
        id = "tls_certificate",
        long = "certificate",
        help_heading = HEADING,
        global = true,
        env = "QUORATE_CERTIFICATE",
        value_name = "FILE"
    )]
    pub certificate: Option<PathBuf>,
    /// The private key of --certificate
    #[arg(id = "tls_key", long = "key", help_heading = HEADING, global = true, env = "QUORATE_KEY", value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// The name that certificates of servers must be for, whatever address is dialled
    #[arg(long, help_heading = HEADING, global = true, env = "QUORATE_SERVER_NAME", value_name = "NAME")]
    pub server_name: Option<String>,
}

impl Global {
    /// Connects to the cluster.
    pub async fn connect(&self) -> Result<Client, Failure> {
        let mut builder = Client::builder()
            .endpoints(self.endpoints.clone())
            .name("quorate-cli")
            .call_timeout(self.timeout);
        if let Some(tls) = self.tls()? {
            builder = builder.tls(tls);
        }
        builder.connect().await.map_err(|error| {
            let mut failure = Failure::from(error);
            // The only arguments of a connection are those of the command line.
            if failure.exit == Exit::Refused && failure.kind == "invalid_argument" {
                failure.exit = Exit::Usage;
            }
            failure
        })
    }

    /// None if the flags ask for none. The flags may come from the environment one by one, so clap cannot check them.
    pub fn tls(&self) -> Result<Option<Tls>, Failure> {
        let Some(ca) = &self.ca else {
            if self.certificate.is_some() || self.key.is_some() || self.server_name.is_some() {
                return Err(Failure::usage(
                    "--certificate, --key and --server-name need --ca: name the file of the authority that servers have",
                ));
            }
            return Ok(None);
        };
        let mut tls = Tls::new(ca);
        match (&self.certificate, &self.key) {
            (Some(certificate), Some(key)) => tls = tls.identity(certificate, key),
            (None, None) => {}
            _ => {
                return Err(Failure::usage(
                    "--certificate and --key go together: give both, or none",
                ));
            }
        }
        if let Some(name) = &self.server_name {
            tls = tls.server_name(name);
        }
        Ok(Some(tls))
    }
}

fn timeout(text: &str) -> Result<Duration, String> {
    let timeout = humantime::parse_duration(text).map_err(|error| format!("{error}: write 500ms, 5s or 1m"))?;
    if timeout < Duration::from_millis(1) || timeout > Duration::from_secs(3600) {
        return Err("from 1ms to 1h is allowed".to_owned());
    }
    Ok(timeout)
}
