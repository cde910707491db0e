//! `quorate log-level`.

use std::net::SocketAddr;
use std::time::Duration;

use clap::Args;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::cli::connect::Global;
use crate::cli::exit::{Exit, Failure};

const TIMEOUT: Duration = Duration::from_secs(10);
/// An answer is a line or two.
const ANSWER_BYTES_MAX: u64 = 64 << 10;

/// Which member, and how much.
#[derive(Args, Debug)]
pub struct LogLevelArguments {
    /// A level (error, warn, info, debug, trace), or directives such as info,quorate_node::consensus=debug; without it the
    /// one in force is shown
    #[arg(value_name = "FILTER")]
    filter: Option<String>,
    /// listen_http of the member, which has to be on this machine
    #[arg(long, value_name = "IP:PORT", env = "QUORATE_HTTP", default_value = "127.0.0.1:7601")]
    http: SocketAddr,
}

/// Shows how much a member writes to its log, or changes it until the member ends.
pub async fn run(arguments: LogLevelArguments, global: &Global) -> Result<Exit, Failure> {
    let LogLevelArguments { filter, http } = arguments;
    let asked = tokio::time::timeout(TIMEOUT, ask(http, filter.as_deref())).await;
    let answer = asked.unwrap_or_else(|_elapsed| Err(std::io::Error::other("no answer in time")));
    let answer =
        answer.map_err(|error| Failure::local(format!("{http}: {error}: is it the listen_http of a member?")))?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let body = body.trim();
    match head.split(' ').nth(1) {
        Some("200") => {
            global.output.show(&json!({ "filter": body }), || body.to_owned())?;
            Ok(Exit::Success)
        }
        Some("400") => Err(Failure::usage(body)),
        _ => Err(Failure::local(format!("{http}: {body}"))),
    }
}

async fn ask(http: SocketAddr, filter: Option<&str>) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(http).await?;
    let (method, body) = filter.map_or(("GET", ""), |filter| ("PUT", filter));
    let request = format!(
        "{method} /log-level HTTP/1.1\r\nhost: {http}\r\nconnection: close\r\ncontent-type: text/plain\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.take(ANSWER_BYTES_MAX).read_to_string(&mut answer).await?;
    Ok(answer)
}
