//! Flags that set what the configuration file sets.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

use super::exit::Failure;
use crate::config::{self, ConfigError, Layer, Loaded};

/// Flags of `server` and `config print`. Each goes over the environment (`QUORATE_...`), that over the file.
#[derive(Args, Clone, Debug, Default)]
pub struct SettingFlags {
    /// TOML file; every key of it is listed by `quorate config print`
    #[arg(long, env = "QUORATE_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// This member's id
    #[arg(long, value_name = "N")]
    member_id: Option<String>,
    /// Where log and state live
    #[arg(long, value_name = "DIR")]
    data_directory: Option<String>,
    /// Where clients connect
    #[arg(long, value_name = "IP:PORT")]
    listen_client: Option<String>,
    /// Where the other members connect
    #[arg(long, value_name = "IP:PORT")]
    listen_peer: Option<String>,
    /// Where /metrics, /livez and /readyz are, or off
    #[arg(long, value_name = "IP:PORT")]
    listen_http: Option<String>,
    /// What clients are told to use
    #[arg(long, value_name = "HOST:PORT")]
    advertise_client: Option<String>,
    /// The founding members: 1=HOST:PORT,2=HOST:PORT,3=HOST:PORT
    #[arg(long, value_name = "LIST")]
    members: Option<String>,
    /// Wait for `quorate member add` instead of founding a cluster
    #[arg(long)]
    join: bool,
    /// Allow addresses beyond loopback although traffic is not encrypted
    #[arg(long)]
    insecure_allow_non_loopback: bool,
    /// error, warn, info, debug or trace
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
    /// text or json
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<String>,
    /// Any other key, e.g. raft.heartbeat_ms=50; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
}

impl SettingFlags {
    /// Merges file, environment and flags.
    pub fn load(&self) -> Result<Loaded, Failure> {
        let file = match &self.config {
            Some(path) => Layer::file(path).map_err(failure)?,
            None => Layer::empty(),
        };
        // A variable that is not UTF-8 can neither name nor hold a setting.
        let utf8 = |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
        let environment = Layer::environment(std::env::vars_os().filter_map(utf8));
        config::load(vec![file, environment, self.layer()?]).map_err(failure)
    }

    /// The same for a member that founds nothing and waits for nobody, since it is a cluster of one already: where no founding
    /// members are named it needs none. Says whether that is so; then it starts with `--join`.
    pub fn load_alone(&self) -> Result<(Loaded, bool), Failure> {
        let named = match self.load() {
            Ok(loaded) => return Ok((loaded, false)),
            Err(failure) => failure,
        };
        let joining = Self {
            join: true,
            ..self.clone()
        };
        // Whatever else is wrong is wrong with it, too.
        joining.load().map(|loaded| (loaded, true)).map_err(|_| named)
    }

    /// The flags alone.
    fn layer(&self) -> Result<Layer, Failure> {
        let mut layer = Layer::empty();
        for pair in &self.set {
            let (key, value) = pair.split_once('=').ok_or_else(|| {
                Failure::usage(format!(
                    "--set {pair}: write --set KEY=VALUE, e.g. --set raft.heartbeat_ms=50"
                ))
            })?;
            layer.flag("--set", key.trim(), value.trim());
        }
        let flag = |set: bool| set.then(|| "true".to_owned());
        for (name, key, value) in [
            ("--member-id", "member_id", self.member_id.clone()),
            ("--data-directory", "data_directory", self.data_directory.clone()),
            ("--listen-client", "listen_client", self.listen_client.clone()),
            ("--listen-peer", "listen_peer", self.listen_peer.clone()),
            ("--listen-http", "listen_http", self.listen_http.clone()),
            ("--advertise-client", "advertise_client", self.advertise_client.clone()),
            ("--members", "cluster.members", self.members.clone()),
            ("--join", "cluster.join", flag(self.join)),
            (
                "--insecure-allow-non-loopback",
                "insecure_allow_non_loopback",
                flag(self.insecure_allow_non_loopback),
            ),
            ("--log-level", "log.level", self.log_level.clone()),
            ("--log-format", "log.format", self.log_format.clone()),
        ] {
            if let Some(value) = value {
                layer.flag(name, key, &value);
            }
        }
        Ok(layer)
    }
}

/// A bad configuration is wrong usage: nothing was started.
pub fn failure(error: ConfigError) -> Failure {
    Failure::usage(error.to_string())
}
