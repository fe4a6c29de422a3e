//! Straight to the origin: what the load and the origin can do by themselves.

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Gauge, Rota, part, wrong};
use crate::Trouble;
use crate::origin::{self, Ports, SOCKET, UPLOAD, UPLOADED};
use crate::scenario::{Carrier, Page, Work};

/// The road without anything between.
#[derive(Debug)]
pub(crate) struct Direct {
    pub(crate) origin: Ports,
}

/// A worker's connection.
#[derive(Debug)]
pub(super) struct Lane {
    origin: Ports,
    rota: Rota,
    stream: Option<TcpStream>,
    request: Bytes,
    buffer: Vec<u8>,
}

/// An open stream.
#[derive(Debug)]
pub(crate) struct Pipe {
    stream: TcpStream,
    buffer: Vec<u8>,
}

const BUFFER: usize = 256 * 1024;
const PIPE_BUFFER: usize = 16 * 1024;

/// Returns the request of a kind of work as a connector would write it.
pub(super) fn request(work: Work) -> Bytes {
    let head = match work {
        Work::Get(page) => format!("GET {} HTTP/1.1\r\nHost: origin\r\n\r\n", page.path()),
        Work::Upload(length) => {
            format!("POST {UPLOAD} HTTP/1.1\r\nHost: origin\r\nContent-Length: {length}\r\n\r\n")
        }
        Work::Echo(Carrier::WebSocket, _) | Work::Churn(Carrier::WebSocket) => format!(
            "GET {SOCKET} HTTP/1.1\r\nHost: origin\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        ),
        Work::Echo(Carrier::Tcp, _) | Work::Churn(Carrier::Tcp) => String::new(),
    };
    head.into()
}

impl Direct {
    pub(super) fn lane(&self, number: usize, work: Work) -> Lane {
        Lane {
            origin: self.origin,
            rota: Rota::new(number, work),
            stream: None,
            request: request(work),
            buffer: Vec::new(),
        }
    }
}

impl Lane {
    async fn connect(&mut self, carrier: Carrier) -> Result<TcpStream, Trouble> {
        let address = self.origin.address(carrier, self.rota.door());
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    async fn stream(&mut self) -> Result<TcpStream, Trouble> {
        match self.stream.take() {
            Some(stream) => Ok(stream),
            None => self.connect(Carrier::WebSocket).await,
        }
    }

    pub(super) async fn get(&mut self, page: Page, gauge: &Gauge) -> Result<(), Trouble> {
        let mut stream = self.stream().await?;
        stream.write_all(&self.request).await?;
        self.buffer.resize(BUFFER, 0);
        let head = origin::head(page).len() as u64;
        let mut left = head + page.length();
        while left > 0 {
            let read = stream.read(&mut self.buffer).await?;
            if read == 0 {
                return Err(wrong(page.length().saturating_sub(left), page.length()));
            }
            gauge.passed(read);
            left = left.saturating_sub(read as u64);
        }
        if page != Page::Closing {
            self.stream = Some(stream);
        }
        Ok(())
    }

    pub(super) async fn upload(&mut self, length: u64, gauge: &Gauge) -> Result<(), Trouble> {
        let mut stream = self.stream().await?;
        stream.write_all(&self.request).await?;
        let mut left = length;
        while left > 0 {
            let part = part(left);
            stream.write_all(&part).await?;
            gauge.passed(part.len());
            left -= part.len() as u64;
        }
        let mut answer = [0; UPLOADED.len()];
        stream.read_exact(&mut answer).await?;
        self.stream = Some(stream);
        Ok(())
    }

    pub(super) async fn open(&mut self, carrier: Carrier) -> Result<Pipe, Trouble> {
        let mut stream = self.connect(carrier).await?;
        if carrier == Carrier::WebSocket {
            stream.write_all(&self.request).await?;
            let mut greeting = Vec::new();
            while origin::head_end(&greeting).is_none() {
                if stream.read_buf(&mut greeting).await? == 0 {
                    return Err("the origin has not greeted".into());
                }
            }
        }
        Ok(Pipe {
            stream,
            buffer: vec![0; PIPE_BUFFER],
        })
    }
}

impl Pipe {
    pub(super) async fn echo(&mut self, message: &Bytes) -> Result<(), Trouble> {
        self.stream.write_all(message).await?;
        let mut left = message.len();
        while left > 0 {
            let read = self.stream.read(&mut self.buffer).await?;
            if read == 0 {
                return Err("the stream has ended in an echo".into());
            }
            left = left.checked_sub(read).ok_or("an echo is too long")?;
        }
        Ok(())
    }

    pub(super) async fn close(mut self) -> Result<(), Trouble> {
        self.stream.shutdown().await?;
        while self.stream.read(&mut self.buffer).await? > 0 {}
        Ok(())
    }
}
