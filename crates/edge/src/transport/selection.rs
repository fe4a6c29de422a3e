//! Sans-IO. The transport that the user or the edge's record chooses.

use std::time::{Duration, Instant};

use adit_dialect::JsonError;
use adit_dialect::json;
use adit_exchange::Transport;

use crate::settings::Protocol;

/// The transport in force and what takes its place.
#[derive(Clone, Debug)]
pub struct Selection {
    mode: Mode,
    threshold: u8,
    /// The record's choice, once it has been looked up.
    current: Option<Transport>,
    learned_at: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// One transport, whatever happens.
    Fixed(Transport),
    /// QUIC, with HTTP/2 if that does not work.
    QuicFirst,
    /// What the record says.
    Record,
}

/// The shares of the transports, as the TXT record of `protocol-v2.argotunnel.com` states them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Percentages(pub Vec<Share>);

/// The share of one transport.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// The name of the transport, in any case.
    pub protocol: String,
    /// Accounts with a smaller hash use it.
    pub percentage: i32,
}

/// A transport that does not exist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown protocol {0}, Available protocols: 'auto' - automatically chooses the best protocol over time \
     (the default; and also the recommended one); 'quic' - based on QUIC, relying on UDP egress to Cloudflare \
     edge; 'http2' - using Go's HTTP2 library, relying on TCP egress to Cloudflare edge"
)]
pub struct UnknownProtocol(pub String);

/// What a user hears who still asks for the transport of old.
pub const H2MUX_WARNING: &str = "h2mux is no longer a supported protocol: upgrading edge connection to http2. \
                                 Please remove '--protocol h2mux' from runtime arguments to remove this warning.";

/// Reads the flag `--protocol`, and says which warning it deserves.
///
/// `token` tells whether the tunnel was named by a token.
///
/// # Errors
///
/// Fails when there is no such transport.
pub fn read_flag(flag: &str, token: bool) -> Result<(Protocol, Option<&'static str>), UnknownProtocol> {
    match flag {
        "auto" => Ok((Protocol::Auto { token }, None)),
        "quic" => Ok((Protocol::Quic, None)),
        "http2" => Ok((Protocol::Http2, None)),
        "h2mux" => Ok((Protocol::Http2, Some(H2MUX_WARNING))),
        unknown => Err(UnknownProtocol(unknown.to_owned())),
    }
}

/// Returns the place of an account between 0 and 99, with which the edge opens things bit by bit.
#[must_use]
pub fn account_hash(account: &str) -> u8 {
    // FNV-1a of 32 bits.
    let hash = account.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    u8::try_from(hash % 100).expect("a remainder of 100 is below 100")
}

impl Selection {
    /// Returns the choice for this flag and account, before any record has been looked up.
    #[must_use]
    pub fn new(protocol: Protocol, account: &str) -> Self {
        let mode = match protocol {
            Protocol::Quic => Mode::Fixed(Transport::Quic),
            Protocol::Http2 => Mode::Fixed(Transport::Http2),
            Protocol::Auto { token: true } => Mode::QuicFirst,
            Protocol::Auto { token: false } => Mode::Record,
        };
        Self {
            mode,
            threshold: account_hash(account),
            current: None,
            learned_at: None,
        }
    }

    /// Returns whether nothing is known without the record.
    pub(crate) fn waits_for_record(&self) -> bool {
        self.mode == Mode::Record && self.current.is_none()
    }

    /// Returns whether the record is old enough to be looked up again.
    pub(crate) fn is_stale(&self, now: Instant) -> bool {
        self.mode == Mode::Record && self.learned_at.is_none_or(|at| at + VALID <= now)
    }

    /// Takes note of the record, or of its absence.
    ///
    /// Without a record HTTP/2 is the choice for the next hour, as upstream has it: it works where
    /// names do not resolve because UDP is blocked. A choice once made outlives a failed refresh.
    pub fn learn(&mut self, now: Instant, record: &Result<Percentages, String>) {
        match record {
            Ok(percentages) => self.current = Some(percentages.choose(self.threshold)),
            Err(_) if self.current.is_some() => return,
            Err(_) => self.current = Some(Transport::Http2),
        }
        self.learned_at = Some(now);
    }

    /// Returns the transport to begin with.
    #[must_use]
    pub fn preferred(&self) -> Transport {
        match self.mode {
            Mode::Fixed(transport) => transport,
            Mode::QuicFirst => Transport::Quic,
            Mode::Record => self.current.unwrap_or(Transport::Http2),
        }
    }

    /// Returns the transport that takes over where the first does not work.
    #[must_use]
    pub fn fallback(&self) -> Option<Transport> {
        let free = !matches!(self.mode, Mode::Fixed(_));
        (free && self.preferred() == Transport::Quic).then_some(Transport::Http2)
    }

    /// Returns the place of the account between 0 and 99.
    #[must_use]
    pub const fn threshold(&self) -> u8 {
        self.threshold
    }
}

impl Percentages {
    /// Reads the record.
    ///
    /// # Errors
    ///
    /// Fails when it is not the JSON it should be.
    pub fn read(text: impl AsRef<[u8]>) -> Result<Self, JsonError> {
        let mut shares = Vec::new();
        json::decode(text, |decoder, value| {
            decoder.list(value, "edgediscovery.ProtocolPercents", &mut shares, read_share)
        })?;
        Ok(Self(shares))
    }

    /// Returns the first transport whose share the account falls into, QUIC if none.
    fn choose(&self, threshold: u8) -> Transport {
        let open = |transport: &Transport| self.of(*transport) > i32::from(threshold);
        let order = [Transport::Quic, Transport::Http2];
        order.into_iter().find(open).unwrap_or(Transport::Quic)
    }

    fn of(&self, transport: Transport) -> i32 {
        let named = |share: &&Share| share.protocol.eq_ignore_ascii_case(transport.name());
        self.0.iter().find(named).map_or(0, |share| share.percentage)
    }
}

fn read_share(
    decoder: &mut json::Decoder,
    value: json::Value<'_>,
    share: &mut Share,
) -> Result<(), JsonError> {
    let names = &["protocol", "percentage"];
    decoder.object(
        value,
        "edgediscovery.ProtocolPercent",
        names,
        |decoder, name, value| {
            if name == "protocol" {
                decoder.string(value, &mut share.protocol);
                return Ok(());
            }
            let mut percentage = i64::from(share.percentage);
            decoder.integer(value, "int32", &mut percentage);
            match i32::try_from(percentage) {
                Ok(percentage) => share.percentage = percentage,
                Err(_) => decoder.mismatch(value, "int32"),
            }
            Ok(())
        },
    )
}

/// How long a record is believed. Upstream's number.
const VALID: Duration = Duration::from_secs(60 * 60);

#[cfg(test)]
mod tests {
    use adit_vectors::Verdict;
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn recorded_cases() {
        let Some(file) = adit_vectors::File::open("edge-protocol-selection") else {
            return;
        };
        let mut report = file.report();
        for case in file.cases("vectors") {
            report.give(&case["name"], judge(case));
        }
        report.finish();
    }

    fn judge(case: &Value) -> Verdict {
        let flag = case["protocol_flag"].as_str().expect("a flag");
        let account = case["account_tag"].as_str().expect("an account");
        let (protocol, warning) = match read_flag(flag, case["token_provided"] == true) {
            Ok(read) => read,
            Err(error) => return adit_vectors::same(&case["error"], &Value::String(error.to_string())),
        };
        let record = record(case);
        let mut selection = Selection::new(protocol, account);
        selection.learn(Instant::now(), &record);
        let mut warnings: Vec<&str> = record.is_err().then_some(UNKNOWN).into_iter().collect();
        warnings.extend(warning);
        let mut outcome = json!({
            "threshold": selection.threshold(),
            "current": selection.preferred().name(),
            "has_fallback": selection.fallback().is_some(),
            "fallback": selection.fallback().map(Transport::name),
            "warnings": warnings,
        });
        if let Ok(Percentages(shares)) = &record {
            let row = |share: &Share| json!({"percentage": share.percentage, "protocol": share.protocol});
            outcome["parsed"] = shares.iter().map(row).collect();
        } else if let (Err(error), true) = (&record, has_record(case)) {
            outcome["fetch_error"] = Value::String(error.clone());
        }
        for (key, value) in outcome.as_object().expect("an object") {
            if case[key] != *value {
                return Verdict::Wrong(format!("{key}: {value} instead of {}", case[key]));
            }
        }
        Verdict::Same
    }

    fn has_record(case: &Value) -> bool {
        case["txt_records"]
            .as_array()
            .is_some_and(|records| !records.is_empty())
    }

    /// Joins the strings of the first record.
    fn record(case: &Value) -> Result<Percentages, String> {
        if !has_record(case) {
            return Err("no such host".to_owned());
        }
        let strings = case["txt_records"][0].as_array().expect("strings").iter();
        let text: String = strings.map(|string| string.as_str().expect("text")).collect();
        Percentages::read(text).map_err(|error| error.to_string())
    }

    /// What the supervisor says when the record cannot be had.
    const UNKNOWN: &str = "Unable to lookup protocol percentage.";

    #[test]
    fn recorded_hashes() {
        let Some(file) = adit_vectors::File::open("edge-account-hash") else {
            return;
        };
        let mut report = file.report();
        for case in file.cases("vectors") {
            let hash = account_hash(case["account_tag"].as_str().expect("an account"));
            report.give(
                &case["account_tag"],
                adit_vectors::same(&case["threshold"], &Value::from(hash)),
            );
        }
        report.finish();
    }
}
