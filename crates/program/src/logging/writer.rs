//! Carries finished lines to their file without holding anybody up.
//!
//! Whoever logs hands the line to a bounded queue and goes on; one thread empties it. When the
//! queue is full the line is dropped and counted, and the count is told once there is room again.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// Lines that may wait. At 200 bytes a line this holds less than a megabyte.
const WAITING: usize = 4096;

/// How long the end of the program waits for lines to be written.
const LAST_LINES: Duration = Duration::from_secs(2);

/// Turns the number of lines lost into the line that tells of it.
pub(super) type Lost = fn(u64) -> String;

/// The end of the queue that lines are handed to.
#[derive(Clone, Debug)]
pub(super) struct Lines {
    queue: SyncSender<Message>,
    lost: Arc<AtomicU64>,
}

/// The thread that writes; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Writer {
    lines: Lines,
    thread: Option<JoinHandle<()>>,
}

enum Message {
    Line(String),
    /// Whoever waits for the lines before this one.
    Mark(SyncSender<()>),
    End,
}

impl Lines {
    /// Hands a line over, or counts it as lost.
    pub(super) fn write(&self, line: String) {
        match self.queue.try_send(Message::Line(line)) {
            Ok(()) | Err(TrySendError::Disconnected(_)) => {}
            Err(TrySendError::Full(_)) => {
                self.lost.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

impl Writer {
    /// Starts the thread that writes to `sink`.
    ///
    /// # Errors
    ///
    /// Fails when the system gives no further thread.
    pub(super) fn start(sink: impl Write + Send + 'static, tell: Lost) -> std::io::Result<Self> {
        let (queue, waiting) = sync_channel(WAITING);
        let lost = Arc::new(AtomicU64::new(0));
        let lines = Lines {
            queue,
            lost: Arc::clone(&lost),
        };
        let thread = std::thread::Builder::new()
            .name("log".into())
            .spawn(move || drain(&waiting, sink, &lost, tell))?;
        Ok(Self {
            lines,
            thread: Some(thread),
        })
    }

    /// Waits until what was handed over so far is written, but not for ever.
    pub(super) fn flush(&self) {
        let (done, written) = sync_channel(1);
        if self.lines.queue.try_send(Message::Mark(done)).is_ok() {
            // A sink that takes nothing must not stop the program.
            written.recv_timeout(LAST_LINES).unwrap_or_default();
        }
    }

    /// Returns where lines are handed over.
    pub(super) fn lines(&self) -> Lines {
        self.lines.clone()
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let deadline = std::time::Instant::now() + LAST_LINES;
        while let Err(TrySendError::Full(_)) = self.lines.queue.try_send(Message::End) {
            if std::time::Instant::now() > deadline {
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        let Some(thread) = self.thread.take() else {
            return;
        };
        while !thread.is_finished() && std::time::Instant::now() < deadline {
            std::thread::sleep(Duration::from_micros(200));
        }
    }
}

/// Writes lines until the end, each with one call.
///
/// A line that cannot be written is lost; there is nowhere left to say so.
fn drain(waiting: &Receiver<Message>, mut sink: impl Write, lost: &AtomicU64, tell: Lost) {
    loop {
        match waiting.recv() {
            Ok(Message::Line(line)) => write(&mut sink, &line),
            // Whoever waited may have given up.
            Ok(Message::Mark(done)) => {
                done.try_send(()).unwrap_or_default();
            }
            Ok(Message::End) | Err(_) => return,
        }
        let missing = lost.swap(0, Ordering::Relaxed);
        if missing > 0 {
            write(&mut sink, &tell(missing));
        }
    }
}

fn write(sink: &mut impl Write, line: &str) {
    match sink.write_all(line.as_bytes()).and_then(|()| sink.flush()) {
        // A full disk or a closed pipe must not stop the tunnel.
        Ok(()) | Err(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Mutex;
    use std::sync::mpsc::{Sender, channel};

    use super::*;

    /// A sink that takes its first line only when it is told to.
    struct Slow(Receiver<()>, Arc<Mutex<Vec<u8>>>, bool);

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if !std::mem::replace(&mut self.2, true) {
                self.0.recv().map_err(io::Error::other)?;
            }
            self.1
                .lock()
                .map_err(|_| io::ErrorKind::Other)?
                .extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_that_find_no_room_are_counted_and_told() {
        let (go, gate): (Sender<()>, _) = channel();
        let text = Arc::new(Mutex::new(Vec::new()));
        let sink = Slow(gate, Arc::clone(&text), false);
        let writer = Writer::start(sink, |lost| format!("{lost} lost\n")).unwrap();
        let lines = writer.lines();
        for _ in 0..WAITING * 2 {
            lines.write("x\n".into());
        }
        go.send(()).unwrap();
        drop(writer);

        let text = String::from_utf8(text.lock().unwrap().clone()).unwrap();
        let written = text.matches("x\n").count();
        let lost: usize = text
            .lines()
            .find_map(|line| line.strip_suffix(" lost")?.parse().ok())
            .unwrap();
        assert_eq!(written + lost, WAITING * 2);
    }
}
