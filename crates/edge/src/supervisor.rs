//! Sans-IO. Decides which of the connections dials when, where and how, and what the end of one means.

mod line;
mod messages;

pub use line::{Level, Line};
pub use messages::{Action, Attempt, Dial, Discovered, Event, Outcome, Routes};
