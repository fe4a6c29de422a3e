//! The way to hosts through a proxy that the environment names.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use adit_config::Secret;
use adit_dialect::{errno, hostport};
use adit_exchange::{Class, Io};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::dialer::Dialer;
use crate::environment::{Detour, Kind};
use crate::error::Failure;
use crate::tls::Tls;

/// How proxies know connectors; some let only known ones through.
const AGENT: &str = "Go-http-client/1.1";

/// A proxy's answer may not be longer.
const LONGEST_ANSWER: usize = 64 << 10;

/// How long a proxy may take to open a connection.
const PATIENCE: Duration = Duration::from_mins(1);

/// What failures of the way to the proxy itself begin with.
pub const TO_THE_PROXY: &str = "proxyconnect tcp: ";

impl Detour {
    /// Connects to the proxy.
    ///
    /// # Errors
    ///
    /// Fails as [`Dialer::connect`] does.
    pub async fn connect(&self, dialer: &Dialer) -> Result<TcpStream, Failure> {
        let connected = dialer.connect(&self.address).await;
        connected.map_err(|failure| failure.behind(TO_THE_PROXY))
    }

    /// Asks the proxy at the other end of `stream` for a connection to `destination`; one that
    /// forwards requests is asked for nothing unless the bytes are to be tunnelled.
    ///
    /// # Errors
    ///
    /// Fails when the proxy opens no connection.
    pub async fn greet(
        &self,
        stream: TcpStream,
        tls: Option<&Tls>,
        destination: &str,
        tunnelled: bool,
    ) -> Result<Box<dyn Io>, Failure> {
        let mut io: Box<dyn Io> = Box::new(stream);
        if let (Kind::Https, Some(tls)) = (self.kind, tls) {
            let sealed = tls.handshake(io, &self.host, false).await;
            io = sealed.map_err(|failure| failure.behind(TO_THE_PROXY))?.0;
        }
        let greeting = async {
            match self.kind {
                Kind::Socks => self.ask_socks(&mut io, destination).await,
                Kind::Http | Kind::Https if tunnelled => self.ask(&mut io, destination).await,
                Kind::Http | Kind::Https => Ok(()),
            }
        };
        let late = || Err(Failure::timed_out(&format!("proxy {}", self.address)));
        timeout(PATIENCE, greeting).await.unwrap_or_else(|_| late())?;
        Ok(io)
    }

    /// Asks an HTTP proxy for a tunnel.
    async fn ask(&self, io: &mut dyn Io, destination: &str) -> Result<(), Failure> {
        let broken = |error: io::Error| Failure::new(Class::Reset, errno::text(&error));
        let request = self.request(destination);
        io.write_all(request.expose().as_bytes()).await.map_err(broken)?;
        io.flush().await.map_err(broken)?;
        let mut answer = Vec::new();
        // What follows the answer is the destination's, so nothing of it may be read.
        while !answer.ends_with(b"\r\n\r\n") {
            if answer.len() == LONGEST_ANSWER {
                return Err(Failure::new(Class::Protocol, "the proxy's answer has no end"));
            }
            let byte = io.read_u8().await;
            answer.push(byte.map_err(|error| match error.raw_os_error() {
                Some(_) => broken(error),
                None => Failure::new(Class::Reset, "unexpected EOF"),
            })?);
        }
        let answer = String::from_utf8_lossy(&answer);
        let mut words = answer.lines().next().unwrap_or_default().splitn(3, ' ');
        let (status, reason) = (words.nth(1), words.next());
        if status != Some("200") {
            let reason = reason.filter(|reason| !reason.is_empty());
            return Err(Failure::new(
                Class::Policy,
                reason.unwrap_or("unknown status code"),
            ));
        }
        Ok(())
    }

    fn request(&self, destination: &str) -> Secret<String> {
        let authorization = match &self.authorization {
            Some(value) => Secret::new(format!("Proxy-Authorization: {}\r\n", value.expose())),
            None => Secret::default(),
        };
        Secret::new(format!(
            "CONNECT {destination} HTTP/1.1\r\nHost: {destination}\r\nUser-Agent: {AGENT}\r\n{}\r\n",
            authorization.expose()
        ))
    }

    /// Asks a SOCKS proxy for a connection; names are resolved there.
    async fn ask_socks(&self, io: &mut dyn Io, destination: &str) -> Result<(), Failure> {
        let failed = |text: String| {
            let tried = format!("socks connect tcp {}->{destination}: ", self.address);
            Failure::new(Class::Refused, text).behind(&tried)
        };
        let broken = |error: io::Error| failed(errno::text(&error));
        let method: u8 = if self.user.is_some() { 2 } else { 0 };
        io.write_all(&[5, 1, method]).await.map_err(broken)?;
        let mut chosen = [0; 2];
        io.read_exact(&mut chosen).await.map_err(broken)?;
        match (chosen[1], &self.user) {
            (0, _) => {}
            (2, Some((name, password))) => {
                let login = socks_login(name, password).map_err(failed)?;
                io.write_all(login.expose()).await.map_err(broken)?;
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
        Ok(())
    }
}

fn socks_login(name: &str, password: &Secret<String>) -> Result<Secret<Vec<u8>>, String> {
    let mut login = Secret::new(vec![1]);
    for part in [name, password.expose()] {
        let length = u8::try_from(part.len()).map_err(|_| "invalid username/password".to_owned())?;
        login = Secret::new([login.expose(), &[length][..], part.as_bytes()].concat());
    }
    Ok(login)
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
