//! Decides which events are logged and hands them to the sinks.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, RwLock};

use adit_admin::{Entry, Feed, Kind};
use serde_json::Value;
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id};
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::record::{Fields, HIDDEN, Record};
use super::render::{self, Format};
use super::writer::Lines;

/// What may be changed while the program runs.
#[derive(Debug)]
pub(crate) struct Control {
    application: AtomicUsize,
    transport: AtomicUsize,
    secrets: RwLock<Vec<String>>,
    feed: Arc<Feed>,
}

/// Where finished lines go.
#[derive(Debug)]
pub(super) struct Sink {
    pub(super) lines: Lines,
    pub(super) format: Format,
}

/// The one layer of the program's log.
#[derive(Debug)]
pub(super) struct Layer {
    pub(super) control: Arc<Control>,
    pub(super) sinks: Vec<Sink>,
}

impl Control {
    pub(super) fn new(application: LevelFilter, transport: LevelFilter) -> Arc<Self> {
        Arc::new(Self {
            application: AtomicUsize::new(rank(application)),
            transport: AtomicUsize::new(rank(transport)),
            secrets: RwLock::new(Vec::new()),
            feed: feed(),
        })
    }

    /// Returns the live log, to which everything is offered whatever the level.
    pub(crate) fn feed(&self) -> Arc<Feed> {
        Arc::clone(&self.feed)
    }

    /// Sets the level from which on events are logged.
    pub(crate) fn set_level(&self, application: LevelFilter, transport: LevelFilter) {
        self.application.store(rank(application), Ordering::Relaxed);
        self.transport.store(rank(transport), Ordering::Relaxed);
        tracing::callsite::rebuild_interest_cache();
    }

    /// Names a text that no line may contain.
    pub(crate) fn hide(&self, secret: &str) {
        if secret.len() < SHORTEST_SECRET {
            return;
        }
        let mut secrets = self
            .secrets
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        secrets.push(secret.to_owned());
    }

    fn wants(&self, metadata: &Metadata<'_>) -> bool {
        self.shows(metadata) || self.streams(metadata)
    }

    /// Returns whether somebody follows the live log and gets to see such events.
    fn streams(&self, metadata: &Metadata<'_>) -> bool {
        let is_ours = !matches!(origin(metadata.target()), Origin::Library);
        self.feed.is_followed() && is_ours && *metadata.level() <= Level::DEBUG
    }

    fn stream(&self, record: &Record) {
        let fields = record.fields.0.iter().filter(|(name, _)| *name != "event");
        let fields = fields.map(|(name, value)| ((*name).to_owned(), self.cleaned(value)));
        let number = record.fields.0.iter().find(|(name, _)| *name == "event");
        let failed = record.fields.0.iter().any(|(name, _)| *name == "error");
        self.feed.offer(Entry {
            time: super::time::stamp(record.time),
            level: match record.level {
                _ if failed => adit_admin::Level::Error,
                Level::ERROR => adit_admin::Level::Error,
                Level::WARN => adit_admin::Level::Warn,
                Level::INFO => adit_admin::Level::Info,
                Level::DEBUG | Level::TRACE => adit_admin::Level::Debug,
            },
            message: self.redact(record.message.clone()),
            kind: Kind::of_number(number.and_then(|(_, value)| value.as_u64()).unwrap_or(0)),
            fields: fields.collect(),
        });
    }

    /// Returns a value without secrets.
    fn cleaned(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => self.redact(text.clone()).into(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                value.clone()
            }
        }
    }

    fn shows(&self, metadata: &Metadata<'_>) -> bool {
        let level = rank(LevelFilter::from_level(*metadata.level()));
        let transport = self.transport.load(Ordering::Relaxed);
        let limit = match origin(metadata.target()) {
            Origin::Application => self.application.load(Ordering::Relaxed),
            Origin::Transport => transport,
            Origin::Library if transport >= rank(LevelFilter::DEBUG) => transport,
            Origin::Library => rank(LevelFilter::OFF),
        };
        level <= limit
    }

    pub(crate) fn redact(&self, line: String) -> String {
        let secrets = self
            .secrets
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut line = hide_token(line);
        for secret in secrets.iter() {
            if line.contains(secret.as_str()) {
                line = line.replace(secret.as_str(), HIDDEN);
            }
        }
        line
    }
}

impl<S> tracing_subscriber::Layer<S> for Layer
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if is_own_span(metadata) || self.control.wants(metadata) {
            Interest::always()
        } else {
            Interest::never()
        }
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        is_own_span(metadata) || self.control.wants(metadata)
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        span.extensions_mut().insert(fields);
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut circumstances = Fields::default();
        for span in context
            .event_scope(event)
            .into_iter()
            .flat_map(|scope| scope.from_root())
        {
            if let Some(fields) = span.extensions().get::<Fields>() {
                for (name, value) in &fields.0 {
                    circumstances.set(name, value.clone());
                }
            }
        }
        let record = Record::of(event, circumstances);
        if self.control.streams(event.metadata()) {
            self.control.stream(&record);
        }
        if !self.control.shows(event.metadata()) {
            return;
        }
        for sink in &self.sinks {
            let line = render::line(&record, sink.format);
            sink.lines.write(self.control.redact(line));
        }
    }
}

/// Returns a live log. Who follows it changes which events are built at all.
fn feed() -> Arc<Feed> {
    let feed = Arc::new(Feed::default());
    feed.on_change(tracing::callsite::rebuild_interest_cache);
    feed
}

/// Shorter texts are no secrets and would garble ordinary words.
const SHORTEST_SECRET: usize = 8;

/// Tells the spans that give a line its circumstances from those that libraries open for each packet
/// and frame, which cost more than the packet and say nothing unless the library is listened to.
fn is_own_span(metadata: &Metadata<'_>) -> bool {
    metadata.is_span() && !matches!(origin(metadata.target()), Origin::Library)
}

/// Where events come from.
enum Origin {
    Application,
    Transport,
    Library,
}

fn origin(target: &str) -> Origin {
    if target.starts_with("adit_rpc") || target.starts_with("transport") {
        Origin::Transport
    } else if target.starts_with("adit") {
        Origin::Application
    } else {
        Origin::Library
    }
}

/// Returns a number that grows with the events that pass.
fn rank(filter: LevelFilter) -> usize {
    const ORDER: [LevelFilter; 6] = [
        LevelFilter::OFF,
        LevelFilter::ERROR,
        LevelFilter::WARN,
        LevelFilter::INFO,
        LevelFilter::DEBUG,
        LevelFilter::TRACE,
    ];
    ORDER.iter().position(|known| *known == filter).unwrap_or(0)
}

/// Hides the token that requests to the management service carry in their URL.
fn hide_token(line: String) -> String {
    const NAME: &str = "access_token=";
    if !line.contains(NAME) {
        return line;
    }
    let mut parts = line.split(NAME);
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let is_token = |letter: char| letter.is_ascii_alphanumeric() || "._-%=+".contains(letter);
        text.push_str(NAME);
        text.push_str(HIDDEN);
        text.push_str(part.trim_start_matches(is_token));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_in_urls_are_hidden() {
        let cases = [
            ("plain", "plain"),
            ("/logs?access_token=abc.DEF-1_2 x", "/logs?access_token=***** x"),
            (
                "a access_token=x&b=1 access_token=y",
                "a access_token=*****&b=1 access_token=*****",
            ),
        ];
        for (line, shown) in cases {
            assert_eq!(hide_token(line.into()), shown);
        }
    }

    #[test]
    fn known_secrets_are_hidden_anywhere() {
        let control = Control::new(LevelFilter::INFO, LevelFilter::INFO);
        control.hide("supersecret");
        control.hide("ab");
        assert_eq!(control.redact("about supersecret=".into()), "about *****=");
    }
}
