//! Plays one side of a connection as a list of steps says.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use adit_dialect::base64;
use serde_json::Value;
use socket2::Socket;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// What an origin saw on one connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) received: Vec<u8>,
    pub(crate) marks: BTreeMap<String, Vec<u8>>,
    pub(crate) sni: Option<String>,
    pub(crate) alpn: Vec<String>,
}

/// What an origin sees, while it sees it.
pub(crate) type Seeing = Arc<watch::Sender<Seen>>;

/// What happens on the visitor's side at a mark.
pub(crate) type AtMark = Arc<dyn Fn(&str) + Send + Sync>;

/// One connection of a scripted origin.
pub(crate) struct Connection<S> {
    pub(crate) io: S,
    /// The socket below, to be reset.
    pub(crate) socket: Option<Socket>,
    pub(crate) seeing: Seeing,
    pub(crate) at_mark: AtMark,
}

impl<S: AsyncRead + AsyncWrite + Send + 'static> Connection<S> {
    /// Plays the steps, then goes on reading.
    pub(crate) async fn play(self, steps: &[Value]) {
        let (read, mut write) = tokio::io::split(self.io);
        let mut reading = JoinSet::new();
        let ended = Arc::new(Mutex::new(false));
        reading.spawn(keep_reading(read, Arc::clone(&self.seeing), Arc::clone(&ended)));
        let mut position = 0;
        for step in steps {
            if let Some(millis) = step["sleep_ms"].as_u64() {
                tokio::time::sleep(Duration::from_millis(millis)).await;
            } else if let Some(what) = step["read"].as_str() {
                let mut seen = self.seeing.subscribe();
                let wanted = |seen: &Seen| match what {
                    "eof" => ended
                        .lock()
                        .is_ok_and(|ended| *ended)
                        .then_some(seen.received.len()),
                    what => end_of(what, &seen.received[position..]).map(|length| position + length),
                };
                let Ok(seen) = seen.wait_for(|seen| wanted(seen).is_some()).await else {
                    return;
                };
                position = wanted(&seen).unwrap_or(position);
            } else if let Some(name) = step["mark"].as_str() {
                self.seeing.send_modify(|seen| {
                    seen.marks.insert(name.to_owned(), seen.received.clone());
                });
                (self.at_mark)(name);
            } else if step["fin"] == true {
                drop(write.shutdown().await);
            } else if step["close"] == true {
                drop(write.shutdown().await);
                return;
            } else if step["reset"] == true {
                if let Some(socket) = &self.socket {
                    drop(socket.set_linger(Some(Duration::ZERO)));
                }
                return;
            } else if write.write_all(&bytes(step)).await.is_err() || write.flush().await.is_err() {
                break;
            }
        }
        while reading.join_next().await.is_some() {}
    }
}

async fn keep_reading<S: AsyncRead>(mut read: ReadHalf<S>, seeing: Seeing, ended: Arc<Mutex<bool>>) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = read.read(&mut buffer).await {
        seeing.send_modify(|seen| seen.received.extend_from_slice(&buffer[..length]));
    }
    *ended.lock().expect("no reader panicked") = true;
    seeing.send_modify(|_| {});
    // The stream stays open until its script ends.
    std::future::pending::<()>().await;
}

/// Returns what a step writes.
pub(crate) fn bytes(step: &Value) -> Vec<u8> {
    let once = match (step["write"].as_str(), step["write_b64"].as_str()) {
        (Some(text), _) => text.as_bytes().to_vec(),
        (_, Some(text)) => base64::decode(text).expect("base64"),
        _ => panic!("unknown step {step}"),
    };
    once.repeat(
        step["repeat"]
            .as_u64()
            .map_or(1, |times| usize::try_from(times).expect("few")),
    )
}

/// Returns where in `bytes` ends what a step reads.
fn end_of(what: &str, bytes: &[u8]) -> Option<usize> {
    if let Some(count) = what.strip_prefix("bytes:") {
        let count = count.parse().expect("a number");
        return (bytes.len() >= count).then_some(count);
    }
    let head = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    if what == "headers" {
        return Some(head);
    }
    let text = String::from_utf8_lossy(&bytes[..head]).to_lowercase();
    let field = |name: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(name))
            .map(str::trim)
    };
    if let Some(length) = field("content-length:") {
        let end = head + length.parse::<usize>().unwrap_or(0);
        return (bytes.len() >= end).then_some(end);
    }
    if field("transfer-encoding:").is_none() {
        return Some(head);
    }
    end_of_chunks(bytes, head)
}

fn end_of_chunks(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        let line = bytes[at..].windows(2).position(|two| two == b"\r\n")?;
        let size = std::str::from_utf8(&bytes[at..at + line]).ok()?;
        let size = usize::from_str_radix(size, 16).ok()?;
        at += line + 2;
        if size == 0 {
            let end = at + bytes.get(at..)?.windows(2).position(|two| two == b"\r\n")? + 2;
            // Trailers, if any, end with an empty line.
            let blank = bytes[at..].starts_with(b"\r\n");
            let trailers = bytes[at..].windows(4).position(|four| four == b"\r\n\r\n");
            return if blank {
                Some(end)
            } else {
                Some(at + trailers? + 4)
            };
        }
        at += size + 2;
        if bytes.len() < at {
            return None;
        }
    }
}
