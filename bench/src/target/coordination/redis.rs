//! Redis Streams as a queue: a push is XADD, a claim XREADGROUP, an acknowledgement XACK.
//!
//! RESP, the protocol, is spoken by hand: three commands are not worth a dependency. Every client has a connection of
//! its own and a consumer of its own in one group.

use bytes::Bytes;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::super::CALL_TIMEOUT;
use super::{NOTHING_TO_CLAIM, QUEUE, Verb};

/// The group of all consumers.
const GROUP: &[u8] = b"workers";
/// Nothing that is asked here is answered with more; a longer string means that the answers are misread.
const STRING_BYTES_MAX: usize = 64 << 20;

/// One client.
#[derive(Debug)]
pub struct RedisVerbs {
    connection: BufReader<TcpStream>,
    consumer: String,
    sending: Vec<u8>,
}

/// A reply of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Reply {
    Nil,
    Integer(i64),
    String(Vec<u8>),
    Array(Vec<Reply>),
}

impl RedisVerbs {
    /// Whether a server answers there.
    pub async fn ready(endpoint: &str) -> Result<bool, String> {
        let mut verbs = RedisVerbs::connect(endpoint, 0).await?;
        Ok(verbs.ask(&[b"PING"]).await? == Reply::String(b"PONG".to_vec()))
    }

    pub(super) async fn open(endpoint: &str, number: usize, verb: Verb) -> Result<RedisVerbs, String> {
        if verb != Verb::Queue {
            return Err("of redis, only the queue is measured".to_owned());
        }
        let mut verbs = RedisVerbs::connect(endpoint, number).await?;
        if number == 0 {
            let create: [&[u8]; 6] = [b"XGROUP", b"CREATE", QUEUE.as_bytes(), GROUP, b"$", b"MKSTREAM"];
            verbs.ask(&create).await?;
        }
        Ok(verbs)
    }

    async fn connect(endpoint: &str, number: usize) -> Result<RedisVerbs, String> {
        let connection = TcpStream::connect(endpoint).await;
        let connection = connection.map_err(|error| format!("cannot connect to {endpoint}: {error}"))?;
        connection.set_nodelay(true).map_err(|error| error.to_string())?;
        Ok(RedisVerbs {
            connection: BufReader::new(connection),
            consumer: format!("client-{number}"),
            sending: Vec::new(),
        })
    }

    pub(super) async fn push_claim_ack(&mut self, payload: Bytes) -> Result<(), String> {
        let stream = QUEUE.as_bytes();
        self.ask(&[b"XADD", stream, b"*", b"payload", &payload]).await?;
        let consumer = self.consumer.clone().into_bytes();
        let group: [&[u8]; 4] = [b"XREADGROUP", b"GROUP", GROUP, &consumer];
        let what: [&[u8]; 5] = [b"COUNT", b"1", b"STREAMS", stream, b">"];
        let claimed = self.ask(&[&group[..], &what[..]].concat()).await?;
        let id = claimed.item_id().ok_or(NOTHING_TO_CLAIM)?;
        match self.ask(&[b"XACK", stream, GROUP, id]).await? {
            Reply::Integer(1) => Ok(()),
            other => Err(format!("an acknowledgement was answered with {other:?}")),
        }
    }

    async fn ask(&mut self, words: &[&[u8]]) -> Result<Reply, String> {
        self.sending.clear();
        encode(words, &mut self.sending);
        let exchange = async {
            self.connection
                .write_all(&self.sending)
                .await
                .map_err(|error| error.to_string())?;
            read(&mut self.connection).await
        };
        match tokio::time::timeout(CALL_TIMEOUT, exchange).await {
            Ok(reply) => reply,
            Err(_elapsed) => Err(format!("redis did not answer within {CALL_TIMEOUT:?}")),
        }
    }
}

impl Reply {
    /// Of the one item that a claim answers: `[[stream, [[id, [field, value]]]]]`.
    fn item_id(&self) -> Option<&[u8]> {
        let stream = self.part(0)?;
        match stream.part(1)?.part(0)?.part(0)? {
            Reply::String(id) => Some(id),
            _ => None,
        }
    }

    fn part(&self, number: usize) -> Option<&Reply> {
        match self {
            Reply::Array(parts) => parts.get(number),
            _ => None,
        }
    }
}

fn encode(words: &[&[u8]], out: &mut Vec<u8>) {
    out.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
    for word in words {
        out.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        out.extend_from_slice(word);
        out.extend_from_slice(b"\r\n");
    }
}

/// Reads a reply. Arrays hold arrays, so it keeps those that are not complete yet.
async fn read<S>(from: &mut S) -> Result<Reply, String>
where
    S: AsyncBufReadExt + AsyncReadExt + Unpin,
{
    let mut incomplete: Vec<(usize, Vec<Reply>)> = Vec::new();
    loop {
        let mut reply = match read_one(from).await? {
            Part::Whole(reply) => reply,
            Part::Array(0) => Reply::Array(Vec::new()),
            Part::Array(parts) => {
                incomplete.push((parts, Vec::new()));
                continue;
            }
        };
        loop {
            let Some((parts, mut so_far)) = incomplete.pop() else {
                return Ok(reply);
            };
            so_far.push(reply);
            if so_far.len() < parts {
                incomplete.push((parts, so_far));
                break;
            }
            reply = Reply::Array(so_far);
        }
    }
}

enum Part {
    Whole(Reply),
    /// The parts follow.
    Array(usize),
}

async fn read_one<S>(from: &mut S) -> Result<Part, String>
where
    S: AsyncBufReadExt + AsyncReadExt + Unpin,
{
    let mut line = Vec::new();
    from.read_until(b'\n', &mut line)
        .await
        .map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&line);
    let text = text
        .strip_suffix("\r\n")
        .ok_or_else(|| format!("redis closed the connection after {text:?}"))?;
    let (kind, rest) = text.split_at_checked(1).ok_or("an empty line of redis")?;
    let number = || {
        rest.parse::<i64>()
            .map_err(|_| format!("redis answered {text:?}, which is no number"))
    };
    Ok(Part::Whole(match kind {
        "+" => Reply::String(rest.as_bytes().to_vec()),
        "-" => return Err(rest.to_owned()),
        ":" => Reply::Integer(number()?),
        "$" => match usize::try_from(number()?) {
            Ok(bytes) if bytes <= STRING_BYTES_MAX => {
                let mut string = vec![0; bytes + 2];
                from.read_exact(&mut string).await.map_err(|error| error.to_string())?;
                string.truncate(bytes);
                Reply::String(string)
            }
            Ok(bytes) => return Err(format!("redis announced a string of {bytes} bytes")),
            Err(_negative) => Reply::Nil,
        },
        "*" => match usize::try_from(number()?) {
            Ok(parts) => return Ok(Part::Array(parts)),
            Err(_negative) => Reply::Nil,
        },
        _ => return Err(format!("redis answered {text:?}")),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn parsed(mut bytes: &[u8]) -> Result<Reply, String> {
        let reply = read(&mut bytes).await;
        assert!(bytes.is_empty(), "{} bytes were left", bytes.len());
        reply
    }

    #[tokio::test]
    async fn a_claimed_item_is_named_by_its_id() {
        let reply = b"*1\r\n*2\r\n$5\r\nbench\r\n*1\r\n*2\r\n$3\r\n7-0\r\n*2\r\n$7\r\npayload\r\n$4\r\n\r\nab\r\n";
        assert_eq!(parsed(reply).await.unwrap().item_id(), Some(&b"7-0"[..]));
    }

    #[tokio::test]
    async fn nothing_to_claim_is_nil() {
        assert_eq!(parsed(b"*-1\r\n").await.unwrap().item_id(), None);
        assert_eq!(parsed(b"$-1\r\n").await.unwrap(), Reply::Nil);
        assert_eq!(parsed(b"*0\r\n").await.unwrap(), Reply::Array(Vec::new()));
    }

    #[tokio::test]
    async fn an_error_and_a_closed_connection_are_errors() {
        assert_eq!(parsed(b"-ERR no\r\n").await.unwrap_err(), "ERR no");
        assert!(parsed(b"").await.unwrap_err().contains("closed"));
        assert!(parsed(b"$99999999999\r\n").await.unwrap_err().contains("99999999999"));
    }

    #[test]
    fn a_command_is_an_array_of_strings() {
        let mut out = Vec::new();
        encode(&[b"XACK", b"a\r\n"], &mut out);
        assert_eq!(out, b"*2\r\n$4\r\nXACK\r\n$3\r\na\r\n\r\n");
    }
}
