//! Compares connectors: the same load through each, on the same machine, in turns.
//!
//! One program plays every part. Started by `cargo bench` it is the edge and the load; it starts
//! itself again as the origin and as the bare relay, and it starts the connectors. Each of these is
//! a process, so that the processor time and the memory of each are its own. Where there are two
//! cores, the connector (or the relay in its place) has one to itself.
//!
//! Reading order: `scenario.rs` (what is compared), `run.rs` (in which order),
//! `load.rs` (how a turn is driven and measured), `lane.rs` (the ways load can take), `distance.rs` (when
//! turns can be compared).

mod arguments;
mod connector;
mod distance;
mod lane;
mod load;
mod metric;
mod origin;
mod pace;
mod process;
mod report;
mod results;
mod run;
mod scenario;

use arguments::{Plan, Task};
use process::{Cores, say, show};
use run::Run;
use scenario::SCENARIOS;

/// What can go wrong in a run: nothing here is handled, all of it is shown.
type Trouble = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Trouble> {
    match arguments::read(std::env::args_os().skip(1))? {
        Task::Origin => runtime(1)?.block_on(origin::run()),
        Task::Relay(edge, certificate) => runtime(1)?.block_on(lane::relay(&edge, &certificate)),
        Task::List => {
            for scenario in SCENARIOS {
                say(&format!("{:<14} {}", scenario.name, scenario.about));
            }
            Ok(())
        }
        Task::Compare(plan) => compare(*plan),
    }
}

fn compare(plan: Plan) -> Result<(), Trouble> {
    process::allow_files()?;
    let cores = Cores::divide()?;
    let out = plan.out.clone();
    let runtime = runtime(cores.count.saturating_sub(1))?;
    let results = runtime.block_on(async { Run::prepare(plan, cores).await?.run().await })?;
    report::write(&results, &out)?;
    show(&format!("\n{}", report::summary(&results)));
    show(&format!("results are in {}", out.display()));
    Ok(())
}

/// Returns a runtime for so many cores; one core needs no threads that steal from each other.
fn runtime(cores: usize) -> Result<tokio::runtime::Runtime, Trouble> {
    let mut builder = if cores > 1 {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(cores);
        builder
    } else {
        tokio::runtime::Builder::new_current_thread()
    };
    Ok(builder.enable_all().build()?)
}
