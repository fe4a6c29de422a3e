//! Compares connectors: the same load through each, on the same machine, in turns.

fn main() {}
