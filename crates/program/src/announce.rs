//! Tells the service manager and whoever reads the pid file how far the connector is.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::{Path, PathBuf};
use std::time::Duration;

use adit_edge::Status;

use adit_dialect::errno;

/// Where to tell.
#[derive(Clone, Debug)]
pub(crate) struct Announcement {
    /// The file that gets the process id.
    pub(crate) pid_file: Option<PathBuf>,
    /// The socket of the service manager; abstract if it begins with `@`.
    pub(crate) notify: Option<String>,
    /// How often the service manager wants a sign of life.
    pub(crate) watchdog: Option<Duration>,
}

impl Announcement {
    /// Waits for the first registered connection and tells that the connector is ready.
    pub(crate) async fn when_ready(self, mut status: Status) {
        if !status.wait_for(|connections| !connections.is_empty()).await {
            return;
        }
        self.tell("READY=1");
        if let Some(path) = &self.pid_file {
            write_pid(path);
        }
        self.stay_alive().await;
    }

    /// Gives signs of life as often as the service manager wants them, twice for good measure.
    async fn stay_alive(&self) {
        let Some(interval) = self.watchdog.filter(|_| self.notify.is_some()) else {
            return;
        };
        let mut ticks = tokio::time::interval(interval / 2);
        loop {
            ticks.tick().await;
            self.tell("WATCHDOG=1");
        }
    }

    /// Tells that the configuration is being read again, and when it has been.
    pub(crate) fn reloading(&self, reload: impl FnOnce()) {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        let microseconds = now.tv_sec * 1_000_000 + now.tv_nsec / 1000;
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={microseconds}"));
        reload();
        self.tell("READY=1");
    }

    /// Tells that the connector is leaving.
    pub(crate) fn stopping(&self) {
        self.tell("STOPPING=1");
    }

    /// Sends one message. Where such sockets are forbidden nobody is told, and nothing is lost.
    fn tell(&self, message: &str) {
        let Some(socket) = &self.notify else { return };
        if let Err(error) = send(socket, message.as_bytes()) {
            tracing::debug!(error = errno::text(&error), "cannot notify the service manager");
        }
    }
}

fn send(socket: &str, message: &[u8]) -> std::io::Result<()> {
    let address = match socket.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name.as_bytes())?,
        None => SocketAddr::from_pathname(Path::new(std::ffi::OsStr::from_bytes(socket.as_bytes())))?,
    };
    UnixDatagram::unbound()?.send_to_addr(message, &address).map(drop)
}

fn write_pid(path: &Path) {
    let pid = std::process::id().to_string();
    if let Err(error) = std::fs::write(path, pid) {
        let reason = format!("open {}: {}", path.display(), errno::text(&error));
        tracing::error!(error = reason, expandedPath = %path.display(), "Unable to write pid");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_of_sockets_are_told() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        let name = format!("adit-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(name.as_bytes()).unwrap();
        let listeners = [
            (UnixDatagram::bind(&path).unwrap(), path.display().to_string()),
            (UnixDatagram::bind_addr(&address).unwrap(), format!("@{name}")),
        ];
        for (listener, notify) in listeners {
            let announcement = Announcement {
                pid_file: None,
                notify: Some(notify),
                watchdog: None,
            };
            announcement.stopping();
            let mut message = [0; 64];
            let length = listener.recv(&mut message).unwrap();
            assert_eq!(&message[..length], b"STOPPING=1");
        }
    }
}
