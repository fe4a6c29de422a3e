//! Locks between processes of one user, so that only one of them asks for a login.
//!
//! The files are those of upstream, whose processes may share the folder: the number of the owner
//! and when it began. A lock of a process that is gone, or of one that took too long, is nobody's.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use adit_dialect::json::{Document, Writer};
use rustix::process::{Pid, test_kill_process};

use crate::error::Error;
use crate::folder;

/// How often a lock is looked at.
pub(crate) const ROUND: Duration = Duration::from_secs(2);

/// For how long a lock counts, and for how long one is waited for.
const LONGEST: Duration = Duration::from_secs(10 * 60);

/// Two statements of when a process began may differ by so many milliseconds.
const SLACK: i64 = 1000;

/// A lock that this process owns, until it is dropped.
#[derive(Debug)]
pub(crate) struct Lock(PathBuf);

/// What came of trying for a lock.
#[derive(Debug)]
pub(crate) enum Attempt {
    /// It is ours.
    Taken(Lock),
    /// It belongs to this process; zero for one that is not known.
    Held(i64),
}

/// Waiting for a lock.
#[derive(Debug)]
pub(crate) struct Wait {
    path: PathBuf,
    waited: Duration,
}

impl Wait {
    /// Begins to wait for the lock of a token.
    pub(crate) fn of(token: &Path) -> Self {
        Self {
            path: with_suffix(token, ".lock"),
            waited: Duration::ZERO,
        }
    }

    /// Tries for the lock.
    ///
    /// # Errors
    ///
    /// Fails when the file cannot be made, and when it was waited for too long.
    pub(crate) fn attempt(&mut self) -> Result<Attempt, Error> {
        for _ in 0..2 {
            match folder::private(&self.path, true) {
                Ok(mut file) => {
                    let written = file.write_all(statement().as_bytes());
                    written.map_err(|error| folder::refused("write", &self.path, &error))?;
                    return Ok(Attempt::Taken(Lock(self.path.clone())));
                }
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(folder::refused("open", &self.path, &error)),
            }
            if let Some(owner) = owner(&self.path) {
                return self.held(owner);
            }
            folder::remove(&self.path);
        }
        self.held(0)
    }

    fn held(&mut self, owner: i64) -> Result<Attempt, Error> {
        if self.waited > LONGEST {
            return Err(Error::LockTimeout(self.path.display().to_string()));
        }
        self.waited += ROUND;
        Ok(Attempt::Held(owner))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        folder::remove(&self.0);
    }
}

/// Returns the path of what belongs to a token.
pub(crate) fn with_suffix(token: &Path, suffix: &str) -> PathBuf {
    let mut name = token.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Returns who owns the lock, unless nobody does any more.
fn owner(path: &Path) -> Option<i64> {
    let Ok(text) = folder::read(path) else {
        return Some(0);
    };
    let document = Document::parse(&text).ok()?;
    let number = |name| document.root().get(name)?.as_number()?.parse::<i64>().ok();
    let (pid, began) = (number("pid")?, number("start_time")?);
    let alive = i32::try_from(pid)
        .ok()
        .and_then(Pid::from_raw)
        .is_some_and(is_alive);
    let same = beginning(&pid.to_string()).is_none_or(|now| (now - began).abs() <= SLACK);
    let young = folder::age(path).is_none_or(|age| age <= LONGEST);
    (alive && same && young).then_some(pid)
}

fn is_alive(pid: Pid) -> bool {
    !matches!(test_kill_process(pid), Err(rustix::io::Errno::SRCH))
}

/// Returns what the lock file of this process says.
fn statement() -> String {
    let mut writer = Writer::new();
    writer
        .begin_object()
        .key("pid")
        .integer(i64::from(std::process::id()));
    let began = beginning("self").unwrap_or_else(now);
    writer.key("start_time").integer(began).end_object();
    format!("{}\n", writer.finish())
}

/// Returns when a process began, in milliseconds since 1970.
fn beginning(process: &str) -> Option<i64> {
    let status = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name of the program, in parentheses, may hold anything.
    let (_, fields) = status.rsplit_once(") ")?;
    let ticks: i64 = fields.split(' ').nth(19)?.parse().ok()?;
    let per_second = i64::try_from(rustix::param::clock_ticks_per_second()).ok()?;
    let kernel = fs::read_to_string("/proc/stat").ok()?;
    let boot = kernel.lines().find_map(|line| line.strip_prefix("btime "))?;
    let boot: i64 = boot.trim().parse().ok()?;
    Some(boot * 1000 + ticks * 1000 / per_second.max(1))
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
