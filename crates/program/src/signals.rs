//! Signals: the first asks for an orderly end, the second gets the end at once.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals that end the program.
#[derive(Debug)]
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    /// Signals that would kill the program by default and mean nothing to it.
    _ignored: [Signal; 3],
}

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// To end.
    End(End),
    /// To read the configuration again.
    Reload,
}

/// A signal that ends the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// SIGTERM.
    Terminate,
    /// SIGINT.
    Interrupt,
}

impl Signals {
    /// Takes the signals over from the operating system's defaults.
    ///
    /// # Errors
    ///
    /// Fails when the system refuses.
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            _ignored: [
                signal(SignalKind::user_defined1())?,
                signal(SignalKind::user_defined2())?,
                signal(SignalKind::alarm())?,
            ],
        })
    }

    /// Waits for something to do.
    pub(crate) async fn next(&mut self) -> Wish {
        tokio::select! {
            _ = self.terminate.recv() => Wish::End(End::Terminate),
            _ = self.interrupt.recv() => Wish::End(End::Interrupt),
            _ = self.hangup.recv() => Wish::Reload,
        }
    }

    /// Waits for a signal that ends the program.
    pub(crate) async fn end(&mut self) -> End {
        tokio::select! {
            _ = self.terminate.recv() => End::Terminate,
            _ = self.interrupt.recv() => End::Interrupt,
        }
    }
}

impl End {
    /// Returns the name that log lines show.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Terminate => "terminated",
            Self::Interrupt => "interrupt",
        }
    }

    /// Does what the operating system would have done: ends the process by this signal.
    pub(crate) fn die(self) {
        let number = match self {
            Self::Terminate => signal_hook::consts::SIGTERM,
            Self::Interrupt => signal_hook::consts::SIGINT,
        };
        if let Err(error) = signal_hook::low_level::emulate_default_handler(number) {
            tracing::error!(%error, "cannot end by the signal");
        }
    }
}
