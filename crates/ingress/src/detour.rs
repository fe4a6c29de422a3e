//! The way to origins through a proxy that the environment names.
//!
//! [`environment`] decides whether there is one, this file makes the connection.

pub(crate) mod environment;

use std::net::IpAddr;

use adit_dialect::hostport;
use adit_exchange::{Class, Io};
use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

pub(crate) use self::environment::{Detour, Environment, Kind};
use crate::connection::Ends;
use crate::dial::Dialer;
use crate::error::Failure;
use crate::h1::answer::MAX_HEAD;
use crate::h1::fields::first_line;
use crate::prefixed::Prefixed;
use crate::tls::Tls;

/// How proxies know connectors; some let only known ones through.
const AGENT: &str = "Go-http-client/1.1";

impl Detour {
    /// Connects to `destination`, or just to the proxy if that is who forwards the request.
    pub(crate) async fn connect(
        &self,
        dialer: &Dialer,
        tls: Option<&Tls>,
        destination: &str,
        tunnelled: bool,
    ) -> Result<(Box<dyn Io>, Ends), Failure> {
        let failed = |failure: Failure| Failure {
            cause: format!("proxyconnect tcp: {}", failure.cause),
            ..failure
        };
        let (stream, ends) = dialer.connect(&self.address).await.map_err(failed)?;
        let mut io: Box<dyn Io> = Box::new(stream);
        if let (Kind::Https, Some(tls)) = (self.kind, tls) {
            io = tls.handshake(io, &self.host, false).await.map_err(failed)?.0;
        }
        let io = match self.kind {
            Kind::Socks => self.greet_socks(io, destination).await?,
            Kind::Http | Kind::Https if tunnelled => self.ask(io, destination).await?,
            Kind::Http | Kind::Https => io,
        };
        Ok((io, ends))
    }

    /// Asks an HTTP proxy for a tunnel.
    async fn ask(&self, mut io: Box<dyn Io>, destination: &str) -> Result<Box<dyn Io>, Failure> {
        let broken = |error: std::io::Error| Failure::new(Class::Reset, adit_dialect::errno::text(&error));
        let mut request =
            format!("CONNECT {destination} HTTP/1.1\r\nHost: {destination}\r\nUser-Agent: {AGENT}\r\n");
        if let Some(authorization) = &self.authorization {
            request.push_str(&format!("Proxy-Authorization: {authorization}\r\n"));
        }
        request.push_str("\r\n");
        io.write_all(request.as_bytes()).await.map_err(broken)?;
        io.flush().await.map_err(broken)?;
        let mut answer = BytesMut::new();
        let end = loop {
            if io.read_buf(&mut answer).await.map_err(broken)? == 0 {
                return Err(Failure::new(Class::Reset, "unexpected EOF"));
            }
            if let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            if answer.len() > MAX_HEAD {
                return Err(Failure::new(Class::Protocol, "the proxy's answer has no end"));
            }
        };
        let line = first_line(&answer).map_or(&[][..], |(line, _)| line);
        let line = String::from_utf8_lossy(line).into_owned();
        let mut words = line.splitn(3, ' ');
        let (status, reason) = (words.nth(1), words.next());
        if status != Some("200") {
            let reason = reason
                .filter(|reason| !reason.is_empty())
                .unwrap_or("unknown status code");
            return Err(Failure::new(Class::Policy, reason));
        }
        Ok(Prefixed::boxed(answer.split_off(end).freeze(), io))
    }

    /// Asks a SOCKS proxy for a connection; names are resolved there.
    async fn greet_socks(&self, mut io: Box<dyn Io>, destination: &str) -> Result<Box<dyn Io>, Failure> {
        let failed = |text: String| {
            Failure::new(
                Class::Refused,
                format!("socks connect tcp {}->{destination}: {text}", self.address),
            )
        };
        let broken = |error: std::io::Error| failed(adit_dialect::errno::text(&error));
        let method: u8 = if self.user.is_some() { 2 } else { 0 };
        io.write_all(&[5, 1, method]).await.map_err(broken)?;
        let mut chosen = [0; 2];
        io.read_exact(&mut chosen).await.map_err(broken)?;
        match (chosen[1], &self.user) {
            (0, _) => {}
            (2, Some((name, password))) => {
                let mut login = vec![1];
                for part in [name, password] {
                    login.push(
                        u8::try_from(part.len()).map_err(|_| failed("invalid username/password".into()))?,
                    );
                    login.extend(part.bytes());
                }
                io.write_all(&login).await.map_err(broken)?;
                let mut answer = [0; 2];
                io.read_exact(&mut answer).await.map_err(broken)?;
                if answer[1] != 0 {
                    return Err(failed("username/password authentication failed".into()));
                }
            }
            _ => return Err(failed("no acceptable authentication methods".into())),
        }
        let request = socks_request(destination).map_err(failed)?;
        io.write_all(&request).await.map_err(broken)?;
        let mut answer = [0; 4];
        io.read_exact(&mut answer).await.map_err(broken)?;
        if answer[1] != 0 {
            return Err(failed(socks_code(answer[1]).into()));
        }
        let address = match answer[3] {
            1 => 4,
            4 => 16,
            _ => usize::from(io.read_u8().await.map_err(broken)?),
        };
        let mut rest = vec![0; address + 2];
        io.read_exact(&mut rest).await.map_err(broken)?;
        Ok(io)
    }
}

fn socks_request(destination: &str) -> Result<Vec<u8>, String> {
    let (host, port) = hostport::split_str(destination).map_err(|error| error.to_string())?;
    let port: u16 = port.parse().map_err(|_| format!("invalid port {port}"))?;
    let mut request = vec![5, 1, 0];
    match host.parse() {
        Ok(IpAddr::V4(address)) => {
            request.push(1);
            request.extend(address.octets());
        }
        Ok(IpAddr::V6(address)) => {
            request.push(4);
            request.extend(address.octets());
        }
        Err(_) => {
            request.push(3);
            request.push(u8::try_from(host.len()).map_err(|_| "FQDN too long".to_owned())?);
            request.extend(host.bytes());
        }
    }
    request.extend(port.to_be_bytes());
    Ok(request)
}

const fn socks_code(code: u8) -> &'static str {
    match code {
        1 => "general SOCKS server failure",
        2 => "connection not allowed by ruleset",
        3 => "network unreachable",
        4 => "host unreachable",
        5 => "connection refused",
        6 => "TTL expired",
        7 => "command not supported",
        8 => "address type not supported",
        _ => "unknown code",
    }
}
