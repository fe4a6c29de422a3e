//! The names of the edge: a DNS server on loopback, over UDP and TCP, that can be told to fail.

mod message;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::watch;

pub use message::Record;
use message::{Code, Question, TYPE_A, TYPE_AAAA, TYPE_SRV, TYPE_TXT};

use crate::error::Error;
use crate::ports::{self, Ports};
use crate::tasks::Tasks;

/// The name of the record that lists the data centres.
pub const EDGE_NAME: &str = "_v2-origintunneld._tcp.argotunnel.com";
/// The name of the record with the share of each transport.
pub const TRANSPORTS_NAME: &str = "protocol-v2.argotunnel.com";
/// The name of the record with remotely chosen features.
pub const FEATURES_NAME: &str = "cfd-features.argotunnel.com";

/// How the server treats questions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mood {
    /// It answers.
    #[default]
    Answers,
    /// It knows no name.
    NoSuchName,
    /// It says that it failed.
    Fails,
    /// It says nothing.
    Silent,
}

/// A DNS server that runs.
#[derive(Clone, Debug)]
pub struct Dns {
    address: SocketAddr,
    zone: Arc<Zone>,
}

#[derive(Debug)]
struct Zone {
    state: Mutex<State>,
    /// How many questions have been asked.
    asked: watch::Sender<usize>,
}

#[derive(Debug, Default)]
struct State {
    records: BTreeMap<String, Vec<Record>>,
    mood: Mood,
    moods: BTreeMap<String, Mood>,
    questions: Vec<Asked>,
}

/// A question that was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The name in lower case, without a final dot.
    pub name: String,
    /// The type of record: `A`, `AAAA`, `SRV`, `TXT` or a number.
    pub kind: String,
}

/// Questions that are kept: who asks forever must not fill the memory.
const KEPT: usize = 1 << 16;
/// A client that holds a TCP connection asks small questions.
const QUESTION: usize = 512;

impl Dns {
    /// Starts a server on a free port of `ip`.
    pub(crate) async fn start(ip: IpAddr, tasks: &Tasks) -> Result<Self, Error> {
        let ports = Ports::open(&[ip]).await?;
        let [(address, udp, tcp)] = <[_; 1]>::try_from(ports.into_sockets())
            .expect("one address was asked for, so one pair of sockets is there");
        let zone = Arc::new(Zone {
            state: Mutex::default(),
            asked: watch::Sender::new(0),
        });
        tasks.start(serve_udp(udp, Arc::clone(&zone)));
        tasks.start(serve_tcp(tcp, Arc::clone(&zone), tasks.clone()));
        Ok(Self { address, zone })
    }

    /// Returns where the server listens, over UDP and TCP.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Replaces the records of a name; an empty list makes the name exist without records.
    pub fn set(&self, name: &str, records: Vec<Record>) {
        self.zone.state().records.insert(lower(name), records);
    }

    /// Forgets a name.
    pub fn remove(&self, name: &str) {
        self.zone.state().records.remove(&lower(name));
    }

    /// Sets how questions are treated whose name has no mood of its own.
    pub fn mood(&self, mood: Mood) {
        self.zone.state().mood = mood;
    }

    /// Sets how questions about one name are treated.
    pub fn mood_for(&self, name: &str, mood: Mood) {
        self.zone.state().moods.insert(lower(name), mood);
    }

    /// Returns the questions that have been asked, the oldest first.
    #[must_use]
    pub fn questions(&self) -> Vec<Asked> {
        self.zone.state().questions.clone()
    }

    /// Waits until a question about `name` has been asked at least `times` times.
    pub async fn asked(&self, name: &str, times: usize) {
        let name = lower(name);
        let enough = |_: &usize| {
            let state = self.zone.state();
            state.questions.iter().filter(|asked| asked.name == name).count() >= times
        };
        let mut counter = self.zone.asked.subscribe();
        // The sender lives as long as `self`, so this ends with enough questions only.
        let _enough = counter.wait_for(enough).await;
    }
}

impl Zone {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers a message, or leaves it without an answer.
    fn answer(&self, message: &[u8], over_udp: bool) -> Option<Vec<u8>> {
        let question = Question::read(message)?;
        let answer = self.state().answer(&question);
        self.asked.send_modify(|asked| *asked += 1);
        let answer = answer?;
        if over_udp && answer.len() > question.room {
            return Some(question.truncated());
        }
        Some(answer)
    }
}

impl State {
    fn answer(&mut self, question: &Question) -> Option<Vec<u8>> {
        if self.questions.len() < KEPT {
            self.questions.push(Asked {
                name: question.name.clone(),
                kind: kind_name(question.kind),
            });
        }
        let mood = self.moods.get(&question.name).copied().unwrap_or(self.mood);
        match mood {
            Mood::Answers => Some(self.look_up(question)),
            Mood::NoSuchName => Some(question.answer(Code::NoSuchName, &[])),
            Mood::Fails => Some(question.answer(Code::ServerFailure, &[])),
            Mood::Silent => None,
        }
    }

    fn look_up(&self, question: &Question) -> Vec<u8> {
        let Some(records) = self.records.get(&question.name) else {
            return question.answer(Code::NoSuchName, &[]);
        };
        let fitting = records.iter().filter(|record| record.kind() == question.kind);
        let fitting: Vec<Record> = fitting.cloned().collect();
        question.answer(Code::Success, &fitting)
    }
}

fn lower(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

fn kind_name(kind: u16) -> String {
    match kind {
        TYPE_A => "A".to_owned(),
        TYPE_AAAA => "AAAA".to_owned(),
        TYPE_SRV => "SRV".to_owned(),
        TYPE_TXT => "TXT".to_owned(),
        other => other.to_string(),
    }
}

async fn serve_udp(socket: UdpSocket, zone: Arc<Zone>) {
    let mut message = [0; QUESTION];
    loop {
        // An error here is news about an earlier answer that did not arrive; the client's loss.
        let Ok((length, client)) = socket.recv_from(&mut message).await else {
            continue;
        };
        if let Some(answer) = zone.answer(&message[..length], true) {
            let sent = socket.send_to(&answer, client).await;
            tracing::trace!(?sent, %client, "answered over UDP");
        }
    }
}

async fn serve_tcp(listener: TcpListener, zone: Arc<Zone>, tasks: Tasks) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(ports::PAUSE).await;
            continue;
        };
        let zone = Arc::clone(&zone);
        tasks.start(async move {
            let ended = serve_client(stream, &zone).await;
            tracing::trace!(?ended, "a client over TCP left");
        });
    }
}

async fn serve_client(mut stream: TcpStream, zone: &Zone) -> std::io::Result<()> {
    loop {
        let length = usize::from(stream.read_u16().await?);
        let mut message = vec![0; length.min(QUESTION)];
        stream.read_exact(&mut message).await?;
        let Some(answer) = zone.answer(&message, false) else {
            continue;
        };
        stream.write_u16(answer.len() as u16).await?;
        stream.write_all(&answer).await?;
    }
}
