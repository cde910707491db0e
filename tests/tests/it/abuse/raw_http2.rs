//! HTTP/2, frame by frame: a client library would not do what is done with it here.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(30);
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

pub const ACK: u8 = 1;
pub const END_HEADERS: u8 = 4;

pub const ENHANCE_YOUR_CALM: u32 = 11;

/// One frame.
#[derive(Debug)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub payload: Vec<u8>,
}

/// A frame as it is sent.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = vec![length[1], length[2], length[3], kind, flags];
    bytes.extend_from_slice(&stream.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// A header as HPACK has it without any table.
pub fn header(name: &str, value: &str) -> Vec<u8> {
    let mut bytes = vec![0];
    for text in [name, value] {
        length(text.len(), &mut bytes);
        bytes.extend_from_slice(text.as_bytes());
    }
    bytes
}

fn length(mut length: usize, bytes: &mut Vec<u8>) {
    const PREFIX_MAX: usize = 127;
    if length < PREFIX_MAX {
        bytes.push(u8::try_from(length).unwrap());
        return;
    }
    bytes.push(127);
    length -= PREFIX_MAX;
    while length >= 128 {
        bytes.push(u8::try_from(length % 128).unwrap() | 128);
        length /= 128;
    }
    bytes.push(u8::try_from(length).unwrap());
}

/// The headers of a gRPC call.
pub fn call(path: &str) -> Vec<u8> {
    [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", path),
        (":authority", "abuse"),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
    ]
    .into_iter()
    .flat_map(|(name, value)| header(name, value))
    .collect()
}

/// A connection that has begun as HTTP/2 does, and has read nothing.
pub struct Raw {
    pub reading: OwnedReadHalf,
    pub writing: OwnedWriteHalf,
}

/// How the other side ended a connection.
#[derive(Debug, Default)]
pub struct Ending {
    /// The reason of GOAWAY and what it said besides, if it came.
    pub go_away: Option<(u32, String)>,
    /// Streams that it reset.
    pub resets: usize,
    /// Streams that it answered, or began to.
    pub answers: usize,
    /// Settings and pings that it confirmed.
    pub acks: usize,
    /// What was in the pings that it confirmed, in its order.
    pub pongs: Vec<u64>,
    /// It closed the connection.
    pub closed: bool,
}

impl Raw {
    pub async fn open(address: &str) -> io::Result<Raw> {
        let mut stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        stream.write_all(PREFACE).await?;
        stream.write_all(&frame(SETTINGS, 0, 0, &[])).await?;
        let (reading, writing) = stream.into_split();
        Ok(Raw { reading, writing })
    }

    /// Says nothing any more but that it is there, until the other side ends it.
    pub async fn idle(mut self) -> io::Result<()> {
        while let Some(read) = read(&mut self.reading).await? {
            let answer = match (read.kind, read.flags & ACK) {
                (SETTINGS, 0) => frame(SETTINGS, ACK, 0, &[]),
                (PING, 0) => frame(PING, ACK, 0, &read.payload),
                (GOAWAY, _) => return Ok(()),
                _ => continue,
            };
            self.writing.write_all(&answer).await?;
        }
        Ok(())
    }

    /// Sends all of it, as far as the other side takes it, while what comes is read; then says what came until `enough`, or
    /// until the other side has ended the connection.
    pub async fn flood(
        mut self,
        pieces: impl IntoIterator<Item = Vec<u8>>,
        enough: impl Fn(&Ending) -> bool,
    ) -> Ending {
        let mut ending = Ending::default();
        let reading = async {
            while !enough(&ending) {
                let Ok(Some(read)) = read(&mut self.reading).await else {
                    ending.closed = true;
                    break;
                };
                match read.kind {
                    GOAWAY => {
                        let code = u32::from_be_bytes(read.payload[4..8].try_into().unwrap());
                        ending.go_away = Some((code, String::from_utf8_lossy(&read.payload[8..]).into_owned()));
                    }
                    RST_STREAM => ending.resets += 1,
                    HEADERS => ending.answers += 1,
                    SETTINGS if read.flags & ACK == ACK => ending.acks += 1,
                    PING if read.flags & ACK == ACK => {
                        ending.acks += 1;
                        ending.pongs.push(u64::from_be_bytes(read.payload.try_into().unwrap()));
                    }
                    _ => {}
                }
            }
        };
        let writing = async {
            for piece in pieces {
                // It has had enough.
                if self.writing.write_all(&piece).await.is_err() {
                    break;
                }
            }
        };
        timeout(PATIENCE, async { tokio::join!(reading, writing) })
            .await
            .expect("it takes what is sent, and answers or closes");
        ending
    }
}

/// The next frame; none at the end.
pub async fn read(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Frame>> {
    let mut head = [0; 9];
    match from.read_exact(&mut head).await {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
    let mut payload = vec![0; usize::try_from(length).unwrap()];
    from.read_exact(&mut payload).await?;
    Ok(Some(Frame {
        kind: head[3],
        flags: head[4],
        payload,
    }))
}
