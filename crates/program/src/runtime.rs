//! The runtime that tasks run on.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::runtime::{Builder, Runtime};

use crate::cli::Options;
use crate::failure::Failure;
use adit_dialect::errno;

/// Starts the runtime, with as many threads as the machine has processors for this process.
///
/// On a single processor nothing is gained by a scheduler that threads steal from, and something is
/// lost: it runs the task that was woken last before all others, so that each answer leaves in a
/// packet of its own where a plain queue would have sent many answers at once.
///
/// # Errors
///
/// Fails when the system gives no threads.
pub(crate) fn start(options: &Options) -> Result<Runtime, Failure> {
    open_many_files();
    let mut builder = match threads(options).unwrap_or_else(processors) {
        1 => Builder::new_current_thread(),
        threads => {
            let mut builder = Builder::new_multi_thread();
            builder.worker_threads(threads);
            builder
        }
    };
    builder
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("cannot start: {}", errno::text(&error))))
}

/// Uses all files that the system grants: every stream is one, and the limit at hand is often 1,024.
fn open_many_files() {
    let limit = getrlimit(Resource::Nofile);
    let granted = Rlimit {
        current: limit.maximum,
        ..limit
    };
    if let Err(refused) = setrlimit(Resource::Nofile, granted) {
        tracing::debug!(error = %refused, "the limit on open files stays as it is");
    }
}

fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Returns the number of threads that the environment asks for, in the variable that upstream's
/// runtime looks at.
fn threads(options: &Options) -> Option<usize> {
    let number = options.environment_text("GOMAXPROCS")?.parse().ok()?;
    (1..=1024).contains(&number).then_some(number)
}
