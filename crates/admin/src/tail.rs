//! The live log: who follows it, and what they get to see.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use serde::Serialize;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Entries that wait for a follower; newer ones are dropped then.
const WAITING: usize = 30;

/// How urgent an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Why something is done.
    Debug,
    /// What is done.
    Info,
    /// What is odd.
    Warn,
    /// What is broken.
    Error,
}

/// What an entry is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The connector itself.
    Connector,
    /// A request.
    Http,
    /// A TCP stream.
    Tcp,
    /// A UDP session.
    Udp,
}

/// An entry of the live log.
#[derive(Clone, Debug, Serialize)]
pub struct Entry {
    /// When it was made.
    pub time: String,
    /// How urgent it is.
    #[serde(skip_serializing_if = "Level::is_default")]
    pub level: Level,
    /// What happened.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// What it is about.
    #[serde(rename = "event", skip_serializing_if = "Kind::is_default")]
    pub kind: Kind,
    /// The circumstances.
    #[serde(skip_serializing_if = "serde_json::Map::is_empty")]
    pub fields: serde_json::Map<String, Value>,
}

/// What a follower wants to see.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Filter {
    pub(crate) level: Option<Level>,
    pub(crate) kinds: BTreeSet<Kind>,
    /// The share of entries, between zero and one; nothing for all.
    pub(crate) share: Option<f64>,
}

/// Where entries are offered; at most one follower takes them.
#[derive(Default)]
pub struct Feed {
    listening: AtomicBool,
    follower: Mutex<Option<Follower>>,
    told: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

struct Follower {
    actor: String,
    filter: Filter,
    entries: mpsc::Sender<Entry>,
    /// Ends the session that this one replaces.
    cut: CancellationToken,
    seen: u32,
}

/// A share of the live log; it ends when this is dropped.
pub(crate) struct Following {
    feed: Arc<Feed>,
    pub(crate) entries: mpsc::Receiver<Entry>,
    /// Cancelled when the same actor follows elsewhere.
    pub(crate) cut: CancellationToken,
}

/// Somebody else follows the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Taken;

impl Level {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            "debug" => Some(Self::Debug),
            "info" => Some(Self::Info),
            "warn" => Some(Self::Warn),
            "error" => Some(Self::Error),
            _ => None,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }

    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "serde passes fields by reference"
    )]
    fn is_default(&self) -> bool {
        *self == Self::Debug
    }
}

impl Serialize for Level {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl Kind {
    /// Returns the kind that a number in the field `event` stands for.
    #[must_use]
    pub const fn of_number(number: u64) -> Self {
        match number {
            1 => Self::Http,
            2 => Self::Tcp,
            3 => Self::Udp,
            _ => Self::Connector,
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            "cloudflared" => Some(Self::Connector),
            "http" => Some(Self::Http),
            "tcp" => Some(Self::Tcp),
            "udp" => Some(Self::Udp),
            _ => None,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Connector => "cloudflared",
            Self::Http => "http",
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }

    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "serde passes fields by reference"
    )]
    fn is_default(&self) -> bool {
        *self == Self::Connector
    }
}

impl Serialize for Kind {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl Filter {
    /// Returns whether an entry passes; `turn` counts the entries that could.
    fn passes(&self, entry: &Entry, turn: &mut u32) -> bool {
        let wanted = self.level.is_none_or(|level| entry.level >= level)
            && (self.kinds.is_empty() || self.kinds.contains(&entry.kind));
        let Some(share) = self.share.filter(|_| wanted) else {
            return wanted;
        };
        *turn = turn.wrapping_add(1);
        scatter(*turn) <= share
    }
}

/// Returns a number between zero and one that looks like chance, for each turn another.
fn scatter(turn: u32) -> f64 {
    let mixed = turn.wrapping_mul(0x9e37_79b9);
    f64::from(mixed ^ (mixed >> 16)) / f64::from(u32::MAX)
}

impl Feed {
    /// Names what is to be called whenever somebody begins or ceases to follow.
    pub fn on_change(&self, tell: impl Fn() + Send + Sync + 'static) {
        // There is one log per process, which names itself once.
        drop(self.told.set(Box::new(tell)));
    }

    /// Returns whether anybody follows.
    pub fn is_followed(&self) -> bool {
        self.listening.load(Ordering::Relaxed)
    }

    /// Offers an entry to whoever follows.
    pub fn offer(&self, entry: Entry) {
        let mut follower = self.lock();
        if let Some(follower) = &mut *follower
            && follower.filter.passes(&entry, &mut follower.seen)
        {
            // A follower who is too slow misses the newest.
            drop(follower.entries.try_send(entry));
        }
    }

    /// Begins to follow, in place of what the same actor follows already.
    pub(crate) fn follow(self: &Arc<Self>, actor: &str, filter: Filter) -> Result<Following, Taken> {
        let (entries, receiver) = mpsc::channel(WAITING);
        let cut = CancellationToken::new();
        {
            let mut follower = self.lock();
            match &*follower {
                Some(other) if other.actor != actor => return Err(Taken),
                Some(own) => own.cut.cancel(),
                None => {}
            }
            *follower = Some(Follower {
                actor: actor.to_owned(),
                filter,
                entries,
                cut: cut.clone(),
                seen: 0,
            });
        }
        self.change(true);
        Ok(Following {
            feed: Arc::clone(self),
            entries: receiver,
            cut,
        })
    }

    fn change(&self, listening: bool) {
        self.listening.store(listening, Ordering::Relaxed);
        if let Some(tell) = self.told.get() {
            tell();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Follower>> {
        self.follower.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        if self.cut.is_cancelled() {
            return;
        }
        *self.feed.lock() = None;
        self.feed.change(false);
    }
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feed")
            .field("listening", &self.listening)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(level: Level, kind: Kind) -> Entry {
        Entry {
            time: "t".into(),
            level,
            message: String::new(),
            kind,
            fields: serde_json::Map::new(),
        }
    }

    #[test]
    fn what_is_ordinary_is_left_out() {
        let json = |entry: &Entry| serde_json::to_string(entry).unwrap();
        assert_eq!(json(&entry(Level::Debug, Kind::Connector)), r#"{"time":"t"}"#);
        let full = entry(Level::Warn, Kind::Http);
        assert_eq!(json(&full), r#"{"time":"t","level":"warn","event":"http"}"#);
    }

    #[test]
    fn one_actor_follows_at_a_time_and_may_move() {
        let feed = Arc::new(Feed::default());
        let first = feed.follow("u1", Filter::default()).ok().unwrap();
        assert_eq!(feed.follow("u2", Filter::default()).err(), Some(Taken));
        let second = feed.follow("u1", Filter::default()).ok().unwrap();
        assert!(first.cut.is_cancelled());
        drop(first);
        assert!(feed.is_followed());
        drop(second);
        assert!(!feed.is_followed());
    }

    #[test]
    fn filters_choose_and_a_full_queue_drops_the_newest() {
        let feed = Arc::new(Feed::default());
        let filter = Filter {
            level: Some(Level::Info),
            kinds: BTreeSet::from([Kind::Http]),
            share: None,
        };
        let mut following = feed.follow("u1", filter).ok().unwrap();
        feed.offer(entry(Level::Debug, Kind::Http));
        feed.offer(entry(Level::Error, Kind::Tcp));
        for _ in 0..WAITING * 2 {
            feed.offer(entry(Level::Info, Kind::Http));
        }
        let mut got = 0;
        while following.entries.try_recv().is_ok() {
            got += 1;
        }
        assert_eq!(got, WAITING);
    }

    #[test]
    fn a_share_is_about_that_share() {
        let filter = Filter {
            share: Some(0.25),
            ..Filter::default()
        };
        let mut turn = 0;
        let passed = (0..1000).filter(|_| filter.passes(&entry(Level::Info, Kind::Http), &mut turn));
        let passed = passed.count();
        assert!((200..300).contains(&passed), "{passed}");
    }
}
