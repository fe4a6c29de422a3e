//! Sans-IO. What is thought of QUIC, and what changes it: one table.

use Belief::{Blocked, Open, Proven, Trying};
use Evidence::{AllLost, FallbackWon, Registered, ReturnBegun, ReturnFailed};

/// What is thought of QUIC, where HTTP/2 can take its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Belief {
    /// Nothing speaks against it: dial it first, HTTP/2 beside it if it stays silent.
    Open,
    /// A connection is served over it: a failure is the fault of an address.
    Proven,
    /// HTTP/2 registered where QUIC was silent or refused: dial HTTP/2 first.
    Blocked,
    /// One connection tries it beside its HTTP/2 connection.
    Trying,
}

/// What speaks for or against QUIC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Evidence {
    /// A connection registered over it.
    Registered,
    /// A connection registered over HTTP/2 after QUIC was silent, was rejected or failed to register.
    FallbackWon,
    /// The last connection over it is gone.
    AllLost,
    /// A connection over HTTP/2 tries it again.
    ReturnBegun,
    /// That try failed.
    ReturnFailed,
}

impl Belief {
    /// Returns what is thought after `evidence`; what is not in the table changes nothing.
    pub(super) fn after(self, evidence: Evidence) -> Self {
        let row = TABLE
            .iter()
            .find(|(before, seen, _)| *before == self && *seen == evidence);
        row.map_or(self, |(_, _, after)| *after)
    }
}

const TABLE: &[(Belief, Evidence, Belief)] = &[
    (Open, Registered, Proven),
    (Open, FallbackWon, Blocked),
    (Open, ReturnBegun, Trying),
    (Proven, AllLost, Open),
    (Blocked, Registered, Proven),
    (Blocked, ReturnBegun, Trying),
    (Trying, Registered, Proven),
    (Trying, ReturnFailed, Blocked),
    (Trying, FallbackWon, Blocked),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// The diagram beside this file is this table. It is not written by hand: after a change, copy
    /// what the test prints.
    #[test]
    fn the_diagram_shows_the_table() {
        let mut diagram = String::from("stateDiagram-v2\n    [*] --> Open\n");
        for (before, evidence, after) in TABLE {
            diagram.push_str(&format!("    {before:?} --> {after:?}: {evidence:?}\n"));
        }
        assert_eq!(diagram, include_str!("belief.mmd"), "\n{diagram}");
    }

    #[test]
    fn no_situation_has_two_rows() {
        for (position, (before, evidence, _)) in TABLE.iter().enumerate() {
            let twins = TABLE.iter().filter(|row| row.0 == *before && row.1 == *evidence);
            assert_eq!(twins.count(), 1, "row {position}");
        }
    }
}
