//! The program's log: where it goes, from which level on, and in which form.

mod file;
mod layer;
mod record;
#[cfg(test)]
mod recorded;
mod render;
mod time;
mod writer;

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;

pub(crate) use layer::Control;
pub(crate) use record::{HIDDEN, chain};
pub(crate) use time::stamp;

use layer::{Layer, Sink};
use render::Format;
use writer::Writer;

use adit_dialect::errno;

/// What the user wants of the log.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wishes {
    /// From which level on.
    pub(crate) level: String,
    /// From which level on for the inner workings of the transports.
    pub(crate) transport_level: String,
    /// Whether the terminal gets JSON.
    pub(crate) json: bool,
    /// Whether JSON on the terminal has the order of log files, as from commands about connectors
    /// elsewhere.
    pub(crate) ordered: bool,
    /// Whether the terminal gets nothing.
    pub(crate) silent: bool,
    /// Whether colours are unwelcome.
    pub(crate) plain: bool,
    /// A file to append to.
    pub(crate) file: Option<PathBuf>,
    /// A directory to keep rotated files in.
    pub(crate) directory: Option<PathBuf>,
}

/// The running log. What waits is written when it is dropped.
#[derive(Debug)]
pub(crate) struct Log {
    /// What may be changed later.
    pub(crate) control: Arc<Control>,
    writers: Vec<Writer>,
}

/// Starts the log. What is wrong with the wishes is logged.
pub(crate) fn start(wishes: &Wishes) -> Log {
    let mut complaints = Vec::new();
    let application = level(&wishes.level, &mut complaints);
    let transport = level(&wishes.transport_level, &mut complaints);
    let control = Control::new(application, transport);
    let mut log = Log {
        control: Arc::clone(&control),
        writers: Vec::new(),
    };
    let mut sinks = Vec::new();
    if !wishes.silent {
        let format = terminal(wishes);
        log.add(std::io::stderr(), format, &mut sinks);
    }
    match sink_file(wishes, &mut complaints) {
        Ok(Some(file)) => log.add(file, Format::Ordered, &mut sinks),
        Ok(None) => {}
        Err(complaint) => complaints.push(complaint),
    }
    let subscriber = tracing_subscriber::registry().with(Layer { control, sinks });
    // Only tests start a second log; theirs goes nowhere.
    let first = tracing::subscriber::set_global_default(subscriber).is_ok();
    for complaint in complaints.iter().filter(|_| first) {
        tracing::error!("{complaint}");
    }
    log
}

/// Returns the level that a word means, and complains about words that mean none.
fn level(word: &str, complaints: &mut Vec<String>) -> LevelFilter {
    parse_level(word).unwrap_or_else(|| {
        let complaint = format!("Failed to parse log level {word:?}, using \"info\" instead");
        if !complaints.contains(&complaint) {
            complaints.push(complaint);
        }
        LevelFilter::INFO
    })
}

/// Returns the level that a word means.
pub(crate) fn parse_level(word: &str) -> Option<LevelFilter> {
    match word {
        "trace" => Some(LevelFilter::TRACE),
        "debug" => Some(LevelFilter::DEBUG),
        "info" | "" => Some(LevelFilter::INFO),
        "warn" => Some(LevelFilter::WARN),
        "error" => Some(LevelFilter::ERROR),
        // Nothing in this program is logged above error.
        "fatal" | "panic" => Some(LevelFilter::OFF),
        _ => None,
    }
}

fn terminal(wishes: &Wishes) -> Format {
    if wishes.json {
        return if wishes.ordered {
            Format::Ordered
        } else {
            Format::Sorted
        };
    }
    Format::Console {
        colour: !wishes.plain && std::io::stderr().is_terminal(),
    }
}

fn sink_file(wishes: &Wishes, complaints: &mut Vec<String>) -> Result<Option<Box<dyn Write + Send>>, String> {
    if let (Some(file), Some(directory)) = (&wishes.file, &wishes.directory) {
        complaints.push(format!(
            "Your config includes values for both logfile ({}) and log-directory ({}), but they are incompatible. \
             logfile takes precedence.",
            file.display(),
            directory.display()
        ));
    }
    if let Some(path) = &wishes.file {
        return match file::append(path) {
            Ok(file) => Ok(Some(Box::new(file))),
            Err(error) => {
                let (path, reason) = (path.display(), errno::text(&error));
                Err(unusable(&format!(
                    "unable to create a new logfile: open {path}: {reason}"
                )))
            }
        };
    }
    let Some(path) = &wishes.directory else {
        return Ok(None);
    };
    match file::Rotating::open(path) {
        Ok(files) => Ok(Some(Box::new(files))),
        Err(reason) => Err(unusable(&reason)),
    }
}

fn unusable(reason: &str) -> String {
    format!("Falling back to a default logger due to logger setup failure: {reason}")
}

impl Log {
    /// Waits until what was logged so far is written.
    pub(crate) fn flush(&self) {
        for writer in &self.writers {
            writer.flush();
        }
    }

    fn add(&mut self, to: impl Write + Send + 'static, format: Format, sinks: &mut Vec<Sink>) {
        let tell = match format {
            Format::Console { .. } => |lost| lost_line(lost, Format::Console { colour: false }),
            Format::Sorted => |lost| lost_line(lost, Format::Sorted),
            Format::Ordered => |lost| lost_line(lost, Format::Ordered),
        };
        // Without a thread for it there is no log, which is better than no tunnel.
        if let Ok(writer) = Writer::start(to, tell) {
            sinks.push(Sink {
                lines: writer.lines(),
                format,
            });
            self.writers.push(writer);
        }
    }
}

/// Returns the line that tells of lines that found no room.
fn lost_line(lost: u64, format: Format) -> String {
    let mut fields = record::Fields::default();
    fields.set("lines", lost.into());
    let record = record::Record {
        time: SystemTime::now(),
        level: tracing::Level::WARN,
        message: "Log lines were dropped".into(),
        fields,
    };
    render::line(&record, format)
}
