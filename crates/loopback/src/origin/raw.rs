//! Origins that speak bytes: scripted, echoing, or silent.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::error::Error;
use crate::ports;
use crate::tasks::Tasks;

/// What an origin of bytes does with each connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Script {
    /// It sends these bytes, then everything back that it gets.
    Echo(Bytes),
    /// It waits for the end of a request head, sends these bytes and closes.
    Answers(Bytes),
    /// It waits for the end of a request head, sends these bytes and closes with a reset.
    Breaks(Bytes),
    /// It reads and says nothing.
    Silent,
}

/// An origin of bytes that runs until it is dropped.
#[derive(Debug)]
pub struct Raw {
    address: SocketAddr,
    log: Arc<Log>,
    tasks: Tasks,
}

#[derive(Debug)]
struct Log {
    /// What each connection has sent.
    received: Mutex<Vec<Vec<u8>>>,
    changes: watch::Sender<u64>,
}

/// Starts an origin of bytes on a free port of 127.0.0.1.
///
/// # Errors
///
/// Fails when there is no free port.
pub async fn raw(script: Script) -> Result<Raw, Error> {
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let listener = ports::tcp(any)?;
    let address = listener.local_addr();
    let address = address.map_err(|source| Error::Listen { address: any, source })?;
    let tasks = Tasks::default();
    let log = Arc::new(Log {
        received: Mutex::default(),
        changes: watch::Sender::new(0),
    });
    tasks.start(serve(listener, script, Arc::clone(&log), tasks.clone()));
    Ok(Raw { address, log, tasks })
}

impl Raw {
    /// Returns where the origin listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns what each connection has sent so far.
    #[must_use]
    pub fn received(&self) -> Vec<Vec<u8>> {
        self.log
            .received
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Waits until what the connections have sent is as `enough` says, and returns it.
    pub async fn until(&self, enough: impl Fn(&[Vec<u8>]) -> bool) -> Vec<Vec<u8>> {
        let mut changes = self.log.changes.subscribe();
        // The sender lives as long as `self`, so this ends with enough bytes only.
        let _enough = changes.wait_for(|_| enough(&self.received())).await;
        self.received()
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        self.tasks.end();
    }
}

async fn serve(listener: TcpListener, script: Script, log: Arc<Log>, tasks: Tasks) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(ports::PAUSE).await;
            continue;
        };
        let (script, log) = (script.clone(), Arc::clone(&log));
        tasks.start(async move {
            let ended = play(stream, script, &log).await;
            tracing::debug!(?ended, "a connection to an origin of bytes has ended");
        });
    }
}

async fn play(mut stream: TcpStream, script: Script, log: &Log) -> std::io::Result<()> {
    let number = log.begin();
    if let Script::Echo(greeting) = &script {
        stream.write_all(greeting).await?;
    }
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let length = stream.read(&mut buffer).await?;
        let heard = &buffer[..length];
        let whole = log.hear(number, heard);
        match &script {
            Script::Echo(_) if length > 0 => stream.write_all(heard).await?,
            Script::Answers(answer) if whole => {
                stream.write_all(answer).await?;
                return stream.shutdown().await;
            }
            Script::Breaks(answer) if whole => {
                stream.write_all(answer).await?;
                return stream.set_zero_linger();
            }
            Script::Echo(_) => return stream.shutdown().await,
            Script::Answers(_) | Script::Breaks(_) | Script::Silent if length == 0 => return Ok(()),
            Script::Answers(_) | Script::Breaks(_) | Script::Silent => {}
        }
    }
}

impl Log {
    fn begin(&self) -> usize {
        let mut received = self.received.lock().unwrap_or_else(PoisonError::into_inner);
        received.push(Vec::new());
        received.len() - 1
    }

    /// Notes what a connection has sent; returns whether it holds a whole request head.
    fn hear(&self, number: usize, heard: &[u8]) -> bool {
        let mut received = self.received.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(own) = received.get_mut(number) else {
            return false;
        };
        own.extend_from_slice(heard);
        let whole = own.windows(4).any(|end| end == b"\r\n\r\n");
        drop(received);
        self.changes.send_modify(|changes| *changes += 1);
        whole
    }
}
