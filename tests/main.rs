//! The whole program against an edge on this machine, and the house rules that no compiler checks.
//!
//! `ADIT_TEST_SUBJECT=PATH` points the end-to-end tests at another connector that takes the same
//! command line.

#![expect(
    clippy::print_stdout,
    reason = "a test says what it measured, and why it was skipped"
)]

mod access_tcp;
mod bad_input;
mod bridge;
mod confinement;
mod discovery;
mod drain;
mod filter;
mod grpc;
mod http;
mod ill_connections;
mod ill_origins;
mod ipv6;
mod lines;
mod load;
mod loss;
mod matrix;
mod metrics;
mod packaging;
mod peers;
mod postgres;
mod push;
mod ready;
mod reconnect;
mod refusals;
mod registration;
mod retries;
mod seeds;
mod shutdown;
mod socks;
mod ssh;
mod subject;
mod tidy;
mod transport;
mod weather;
mod web_servers;
mod websocket;
mod world;
