//! Connects to hosts: names, several addresses, two families, one time limit for it all.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use adit_config::{Limit, Span};
use adit_dialect::{errno, hostport};
use adit_exchange::Class;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout_at};

use crate::error::Failure;
use crate::names::Names;

/// Time between keep-alive probes.
const PROBE_INTERVAL: Duration = Duration::from_secs(15);

/// Unanswered probes after which a connection is dead.
const PROBES: u32 = 9;

/// Idle time before the first probe when the configuration says zero.
const PROBE_AFTER: Duration = Duration::from_secs(15);

/// Head start of the first address family over the second.
const HEAD_START: Duration = Duration::from_millis(300);

/// The least time that one address gets while others wait.
const LEAST_SHARE: Duration = Duration::from_secs(2);

/// How connections are made.
#[derive(Clone, Debug)]
pub struct Dialer {
    names: Names,
    timeout: Span,
    keep_alive: Span,
    racing: bool,
}

impl Dialer {
    /// Returns a dialer: for how long it tries, and after which idle time it looks whether the other
    /// end is there. It lets the two families of addresses race.
    #[must_use]
    pub const fn new(names: Names, timeout: Span, keep_alive: Span) -> Self {
        Self {
            names,
            timeout,
            keep_alive,
            racing: true,
        }
    }

    /// Lets the two families race, or not.
    #[must_use]
    pub fn racing(self, racing: bool) -> Self {
        Self { racing, ..self }
    }

    /// Connects to `authority`, a host and a port.
    ///
    /// # Errors
    ///
    /// Fails with the text that names what was dialed and why that did not work.
    pub async fn connect(&self, authority: &str) -> Result<TcpStream, Failure> {
        let deadline = self.deadline(&format!("dial tcp {authority}"))?;
        let (host, port) = split(authority)?;
        let resolved = limited(deadline, self.resolve(host, port)).await;
        let addresses =
            resolved.unwrap_or_else(|| Err(Failure::timed_out(&format!("dial tcp: lookup {host}"))))?;
        self.connect_any(&addresses, deadline).await
    }

    /// Connects to one address.
    ///
    /// # Errors
    ///
    /// Fails with the text that names what was dialed and why that did not work.
    pub async fn connect_to(&self, address: SocketAddr) -> Result<TcpStream, Failure> {
        let deadline = self.deadline(&format!("dial tcp {address}"))?;
        self.connect_any(&[address], deadline).await
    }

    /// Returns the addresses of `host`, the best first.
    ///
    /// # Errors
    ///
    /// Fails when there are none.
    pub async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, Failure> {
        self.names.addresses(host).await
    }

    async fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, Failure> {
        let host = if host.is_empty() { "127.0.0.1" } else { host };
        let addresses = self.addresses(host).await;
        let addresses = addresses.map_err(|failure| failure.behind("dial tcp: "))?;
        Ok(addresses
            .into_iter()
            .map(|address| SocketAddr::new(address, port))
            .collect())
    }

    async fn connect_any(
        &self,
        addresses: &[SocketAddr],
        deadline: Option<Instant>,
    ) -> Result<TcpStream, Failure> {
        let stream = match self.families(addresses) {
            (first, second) if second.is_empty() => in_turn(&first, deadline).await?,
            (first, second) => race(&first, &second, deadline).await?,
        };
        let set_up = self.set_up(&stream);
        set_up.map_err(|error| Failure::new(Class::Internal, errno::text(&error)))?;
        Ok(stream)
    }

    /// Parts the addresses by family, the family of the first one in front.
    fn families(&self, addresses: &[SocketAddr]) -> (Vec<SocketAddr>, Vec<SocketAddr>) {
        let first_is_v4 = addresses.first().is_some_and(SocketAddr::is_ipv4);
        addresses
            .iter()
            .partition(|address| !self.racing || address.is_ipv4() == first_is_v4)
    }

    fn set_up(&self, stream: &TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let idle = match self.keep_alive.limit() {
            Limit::None => PROBE_AFTER,
            Limit::Expired => return Ok(()),
            Limit::After(idle) => whole_seconds(idle),
        };
        let probes = TcpKeepalive::new().with_time(idle).with_interval(PROBE_INTERVAL);
        SockRef::from(stream).set_tcp_keepalive(&probes.with_retries(PROBES))
    }

    fn deadline(&self, what: &str) -> Result<Option<Instant>, Failure> {
        match self.timeout.limit() {
            Limit::None => Ok(None),
            Limit::Expired => Err(Failure::timed_out(what)),
            Limit::After(time) => Ok(Instant::now().checked_add(time)),
        }
    }
}

/// Splits `authority` into host without brackets and port number.
fn split(authority: &str) -> Result<(&str, u16), Failure> {
    let invalid = |text: String| Failure::new(Class::Request, format!("dial tcp: {text}"));
    let (host, port) = hostport::split_str(authority).map_err(|error| invalid(error.to_string()))?;
    match port.parse() {
        Ok(number) => Ok((host, number)),
        Err(_) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => {
            Err(invalid(format!("address {port}: invalid port")))
        }
        Err(_) if port.is_empty() => Ok((host, 0)),
        Err(_) => Err(invalid(format!("lookup tcp/{port}: unknown port"))),
    }
}

/// Tries one address after the other; the first failure is the one that counts.
async fn in_turn(addresses: &[SocketAddr], deadline: Option<Instant>) -> Result<TcpStream, Failure> {
    let mut first_failure = None;
    for (index, address) in addresses.iter().enumerate() {
        let share = deadline.map(|deadline| share(Instant::now(), deadline, addresses.len() - index));
        match connect(*address, share).await {
            Ok(stream) => return Ok(stream),
            Err(failure) => first_failure = first_failure.or(Some(failure)),
        }
    }
    Err(first_failure.unwrap_or_else(|| Failure::new(Class::Dns, "dial tcp: no address")))
}

/// Lets two families race; the second starts late, or when the first has failed.
async fn race(
    first: &[SocketAddr],
    second: &[SocketAddr],
    deadline: Option<Instant>,
) -> Result<TcpStream, Failure> {
    let mut leading = std::pin::pin!(in_turn(first, deadline));
    let led = tokio::select! {
        led = &mut leading => Some(led),
        () = sleep(HEAD_START) => None,
    };
    let trailing = in_turn(second, deadline);
    match led {
        Some(Ok(stream)) => Ok(stream),
        Some(Err(failure)) => trailing.await.map_err(|_| failure),
        None => first_success(leading, trailing).await,
    }
}

async fn first_success(
    mut leading: impl Future<Output = Result<TcpStream, Failure>> + Unpin,
    trailing: impl Future<Output = Result<TcpStream, Failure>>,
) -> Result<TcpStream, Failure> {
    let mut trailing = std::pin::pin!(trailing);
    tokio::select! {
        led = &mut leading => match led {
            Ok(stream) => Ok(stream),
            Err(failure) => trailing.await.map_err(|_| failure),
        },
        trailed = &mut trailing => match trailed {
            Ok(stream) => Ok(stream),
            Err(_) => leading.await,
        },
    }
}

async fn connect(address: SocketAddr, deadline: Option<Instant>) -> Result<TcpStream, Failure> {
    let what = format!("dial tcp {address}");
    match limited(deadline, TcpStream::connect(address)).await {
        None => Err(Failure::timed_out(&what)),
        Some(Ok(stream)) => Ok(stream),
        Some(Err(error)) => Err(Failure::dialing(&what, &error)),
    }
}

/// Waits for `future`, but not beyond `deadline`.
pub(crate) async fn limited<T>(deadline: Option<Instant>, future: impl Future<Output = T>) -> Option<T> {
    match deadline {
        None => Some(future.await),
        Some(deadline) => timeout_at(deadline, future).await.ok(),
    }
}

/// Returns until when the next of `left` addresses may be tried.
fn share(now: Instant, deadline: Instant, left: usize) -> Instant {
    let remaining = deadline.saturating_duration_since(now);
    let left = u32::try_from(left).unwrap_or(u32::MAX).max(1);
    let share = (remaining / left).max(LEAST_SHARE).min(remaining);
    now + share
}

/// Rounds up to whole seconds, which is all the system keeps.
fn whole_seconds(time: Duration) -> Duration {
    Duration::from_secs(time.as_secs() + u64::from(time.subsec_nanos() > 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_share_the_time_that_is_left() {
        let now = Instant::now();
        let check = |total: u64, left, expect: u64| {
            let until = share(now, now + Duration::from_secs(total), left);
            assert_eq!(until - now, Duration::from_secs(expect), "{total} s for {left}");
        };
        check(30, 3, 10);
        check(5, 4, 2);
        check(1, 2, 1);
        check(30, 1, 30);
    }
}
