//! A connector under test: its own process, with an edge of its own.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use adit_loopback::Transport;
use adit_loopback::edge::{self, Edge};
use tempfile::TempDir;
use tokio::process::Command;

use crate::Trouble;
use crate::lane::{Road, Tunnelled, host};
use crate::origin::{DOORS, Ports};
use crate::process::{Cores, Process};
use crate::scenario::Carrier;

/// A connector to be compared.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
}

/// A running connector.
#[derive(Debug)]
pub(crate) struct Connector {
    pub(crate) process: Process,
    pub(crate) road: Arc<Road>,
    /// From the start of the process to the first registration.
    pub(crate) first: Duration,
    /// From the start of the process to the fourth.
    pub(crate) fourth: Duration,
    edge: Arc<Edge>,
    folder: TempDir,
}

/// How long a connector may take to register.
const PATIENCE: Duration = Duration::from_secs(60);
/// The file with what a connector says.
const LOG: &str = "connector.log";

impl Subject {
    pub(crate) fn new(path: &Path) -> Self {
        let name = path.file_name().unwrap_or(path.as_os_str());
        Self {
            name: name.to_string_lossy().into_owned(),
            path: path.to_owned(),
        }
    }

    /// Starts it and waits until all four connections serve.
    pub(crate) async fn start(
        &self,
        cores: &Cores,
        transport: Transport,
        origin: Ports,
    ) -> Result<Connector, Trouble> {
        let edge = match transport {
            Transport::Quic => edge::new().quic_only(),
            Transport::Http2 => edge::new().http2_only(),
        };
        let edge = Arc::new(edge.run().await?);
        let folder = tempfile::tempdir()?;
        let command = self.command(&edge, folder.path(), (transport, origin))?;
        let began = Instant::now();
        let process = cores.connector(command)?;
        let registered = async {
            edge.registered(1).await;
            let first = began.elapsed();
            edge.registered(4).await;
            (first, began.elapsed())
        };
        let Ok((first, fourth)) = tokio::time::timeout(PATIENCE, registered).await else {
            let log = std::fs::read_to_string(folder.path().join(LOG))?;
            return Err(format!("{} has not registered; it says:\n{log}", self.name).into());
        };
        let road = Tunnelled {
            edge: Arc::clone(&edge),
            origin,
        };
        Ok(Connector {
            process,
            road: Arc::new(Road::Tunnel(road)),
            first,
            fourth,
            edge,
            folder,
        })
    }

    fn command(
        &self,
        edge: &Edge,
        folder: &Path,
        (transport, origin): (Transport, Ports),
    ) -> Result<Command, Trouble> {
        let authority = folder.join("authority.pem");
        edge.authority().write_pem(&authority)?;
        let config = folder.join("config.yml");
        std::fs::write(&config, rules(origin))?;
        let log = File::create(folder.join(LOG))?;
        let mut command = Command::new(&self.path);
        command
            .current_dir(folder)
            .env_clear()
            .env("HOME", folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        command.args([
            "tunnel",
            "--no-autoupdate",
            "--no-prechecks",
            "--metrics",
            "127.0.0.1:0",
        ]);
        command.arg("--protocol").arg(transport.to_string());
        command
            .arg("--config")
            .arg(&config)
            .arg("--cacert")
            .arg(&authority);
        for address in edge.addresses() {
            command.arg("--edge").arg(address.to_string());
        }
        command.args(["run", "--token"]).arg(edge.credentials().token());
        Ok(command)
    }
}

/// Returns a configuration with a rule for each door.
fn rules(origin: Ports) -> String {
    let rule = |door| {
        let address = origin.address(Carrier::WebSocket, door);
        format!("- hostname: {}\n  service: http://{address}\n", host(door))
    };
    let rules: String = (0..DOORS).map(rule).collect();
    format!("ingress:\n{rules}- service: http_status:404\n")
}

/// How a connector ended.
#[derive(Debug)]
pub(crate) struct Stopped {
    /// From SIGTERM to the end of the process.
    pub(crate) time: Duration,
    /// What was not as it should be.
    pub(crate) remark: Option<String>,
}

impl Connector {
    /// Asks it to stop.
    pub(crate) async fn stop(mut self) -> Result<Stopped, Trouble> {
        let (time, status) = self.process.stop().await?;
        let mut remarks = self.edge.violations();
        remarks.dedup();
        if !status.success() {
            let log = std::fs::read_to_string(self.folder.path().join(LOG))?;
            let last = log.lines().last().unwrap_or_default();
            remarks.push(format!("it ended with {status}: {last}"));
        }
        let remark = (!remarks.is_empty()).then(|| remarks.join("; "));
        Ok(Stopped { time, remark })
    }
}
