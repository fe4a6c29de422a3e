//! Orders from standard input, for whoever tests reconnection.

use std::io::BufRead;
use std::time::Duration;

use adit_dialect::duration;
use adit_edge::Orders;
use tokio::sync::mpsc;

/// Lines that may wait.
const WAITING: usize = 8;

/// What may be said.
const HELP: &str = "Commands: reconnect [DURATION] breaks a connection and makes it again after that time, help \
                    shows this text";

/// A line of the input.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Order {
    Nothing,
    Reconnect(Duration),
    Help,
    Unknown(String),
    /// A duration that is none, in the words of its parser.
    Wrong(String),
}

/// Obeys orders until the input ends.
pub(crate) async fn obey(orders: Orders) {
    tracing::info!("Enabling control through stdin");
    let (sender, mut lines) = mpsc::channel(WAITING);
    // Reading blocks, and nothing but the end of the process ends it.
    let reader = std::thread::Builder::new().name("stdin".into()).spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    if let Err(error) = reader {
        tracing::error!(%error, "cannot read standard input");
    }
    while let Some(line) = lines.recv().await {
        match read(&line) {
            Order::Nothing => {}
            Order::Reconnect(pause) => {
                tracing::info!("Sending reconnect signal");
                orders.reconnect(pause).await;
            }
            Order::Help => tracing::info!("{HELP}"),
            Order::Unknown(command) => {
                tracing::info!(command, "Unknown command");
                tracing::info!("{HELP}");
            }
            Order::Wrong(reason) => tracing::error!("{reason}"),
        }
    }
}

fn read(line: &str) -> Order {
    let mut words = line.split_whitespace();
    match (words.next(), words.next()) {
        (None, _) => Order::Nothing,
        (Some("reconnect"), None) => Order::Reconnect(Duration::ZERO),
        (Some("reconnect"), Some(text)) => match duration::parse(text) {
            Ok(nanos) => Order::Reconnect(Duration::from_nanos(u64::try_from(nanos).unwrap_or(0))),
            Err(error) => Order::Wrong(error.to_string()),
        },
        (Some("help"), _) => Order::Help,
        (Some(other), _) => Order::Unknown(other.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_orders() {
        let cases = [
            ("", Order::Nothing),
            ("reconnect", Order::Reconnect(Duration::ZERO)),
            (" reconnect 15s ", Order::Reconnect(Duration::from_secs(15))),
            ("reconnect -1s", Order::Reconnect(Duration::ZERO)),
            ("reconnect x", Order::Wrong("time: invalid duration \"x\"".into())),
            ("help", Order::Help),
            ("quit", Order::Unknown("quit".into())),
        ];
        for (line, expected) in cases {
            assert_eq!(read(line), expected, "{line}");
        }
    }
}
