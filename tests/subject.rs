//! The connector under test, as a process: started, listened to, signalled, waited for.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::Notify;

/// How long a test waits for an event that must come. Nothing waits this long when all is well.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A running connector.
pub(crate) struct Subject {
    child: Child,
    pub(crate) err: Lines,
    /// Where it runs; the folder goes with it.
    _folder: tempfile::TempDir,
}

/// The lines that a process has written so far.
#[derive(Clone, Default)]
pub(crate) struct Lines(Arc<Written>);

#[derive(Default)]
struct Written {
    lines: Mutex<Vec<String>>,
    news: Notify,
}

/// What a process that ended left behind.
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Returns the path of the connector under test: `ADIT_TEST_SUBJECT`, by default this project's.
#[expect(
    clippy::disallowed_methods,
    reason = "the subject is a parameter of the tests"
)]
pub(crate) fn path() -> PathBuf {
    let given = std::env::var_os("ADIT_TEST_SUBJECT").map(PathBuf::from);
    given.unwrap_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_adit")))
}

/// Returns whether the subject is this project's own program, which has more to show.
#[expect(
    clippy::disallowed_methods,
    reason = "the subject is a parameter of the tests"
)]
pub(crate) fn is_ours() -> bool {
    std::env::var_os("ADIT_TEST_SUBJECT").is_none()
}

/// Prepares a command that runs the subject in `folder` with an environment of its own.
pub(crate) fn command(folder: &Path) -> Command {
    let mut command = Command::new(path());
    command
        .current_dir(folder)
        .env_clear()
        .env("HOME", folder)
        .env("PATH", "/usr/bin:/bin")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// Runs the subject to its end.
pub(crate) async fn run<A: Into<OsString>>(folder: &Path, arguments: impl IntoIterator<Item = A>) -> Ended {
    let arguments = arguments.into_iter().map(Into::into);
    let output = command(folder).args(arguments).output();
    let output = tokio::time::timeout(PATIENCE, output)
        .await
        .expect("the program ends");
    let output = output.expect("the program starts");
    Ended {
        status: output.status,
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

impl Subject {
    /// Starts a prepared command that runs in `folder`, which it keeps.
    pub(crate) fn spawn(folder: tempfile::TempDir, mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::null());
        let mut child = command.spawn().expect("the subject starts");
        let err = Lines::of(child.stderr.take().expect("standard error is piped"));
        Self {
            child,
            err,
            _folder: folder,
        }
    }

    /// Writes lines to its standard input.
    pub(crate) async fn tell(&mut self, lines: &str) {
        let input = self.child.stdin.as_mut().expect("its input is open");
        input.write_all(lines.as_bytes()).await.expect("the subject runs");
    }

    /// Ends its standard input.
    pub(crate) fn tell_no_more(&mut self) {
        drop(self.child.stdin.take());
    }

    /// Returns its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id().expect("the subject runs")
    }

    /// Asks it to stop, as a service manager does.
    pub(crate) fn terminate(&self) {
        self.signal(rustix::process::Signal::TERM);
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = i32::try_from(self.pid())
            .ok()
            .and_then(rustix::process::Pid::from_raw);
        let pid = pid.expect("a process id is positive");
        rustix::process::kill_process(pid, signal).expect("the subject takes signals");
    }

    /// Waits until it has ended.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        let ended = ended.unwrap_or_else(|_| panic!("the subject does not end:\n{}", self.err.all()));
        ended.expect("the subject can be waited for")
    }

    /// Returns whether it is still running.
    pub(crate) fn runs(&mut self) -> bool {
        self.child
            .try_wait()
            .expect("the subject can be waited for")
            .is_none()
    }
}

impl Lines {
    /// Listens to a pipe of a process.
    #[expect(clippy::disallowed_methods, reason = "the reader ends with the pipe it reads")]
    pub(crate) fn of(pipe: impl AsyncRead + Unpin + Send + 'static) -> Self {
        let lines = Self::default();
        let written = lines.clone();
        tokio::spawn(async move {
            let mut pipe = BufReader::new(pipe).lines();
            while let Ok(Some(line)) = pipe.next_line().await {
                written.0.lines.lock().expect("no reader panics").push(line);
                written.0.news.notify_waiters();
            }
        });
        lines
    }

    /// Waits for a line that contains `text` and returns it.
    pub(crate) async fn with(&self, text: &str) -> String {
        self.nth_with(0, text).await
    }

    /// Waits for the line number `n`, from 0, of those that contain `text` and returns it.
    pub(crate) async fn nth_with(&self, n: usize, text: &str) -> String {
        let found = async {
            loop {
                let news = self.0.news.notified();
                let mut news = std::pin::pin!(news);
                news.as_mut().enable();
                if let Some(line) = self.seen(text).into_iter().nth(n) {
                    return line;
                }
                news.await;
            }
        };
        let found = tokio::time::timeout(PATIENCE, found).await;
        found.unwrap_or_else(|_| panic!("no line {n} with {text:?} in:\n{}", self.all()))
    }

    /// Returns the lines so far that contain `text`.
    pub(crate) fn seen(&self, text: &str) -> Vec<String> {
        let lines = self.0.lines.lock().expect("no reader panics");
        lines.iter().filter(|line| line.contains(text)).cloned().collect()
    }

    /// Returns all lines so far.
    pub(crate) fn all(&self) -> String {
        self.0.lines.lock().expect("no reader panics").join("\n")
    }
}
