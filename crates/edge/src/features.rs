//! Sans-IO. What the connector says it can do: always, by request, and where the edge's record opens it.

use adit_dialect::JsonError;
use adit_dialect::json;

use crate::transport::account_hash;

/// The edge's record of features, TXT `cfd-features.argotunnel.com`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// Accounts with a smaller hash use version 3 of the datagram protocol.
    pub datagram_v3: u32,
    /// Whether the checks at start are to be left out.
    pub skip_prechecks: bool,
}

/// What the user asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wishes {
    /// Features given by name.
    pub named: Vec<String>,
    /// Whether key exchange without a post-quantum part is refused.
    pub post_quantum: bool,
}

/// The features of a connection, fixed when it is dialled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Features {
    /// What the edge is told, each once, in no particular order.
    pub announced: Vec<String>,
    /// How datagrams are written.
    pub datagrams: Datagrams,
}

/// The version of the datagram protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Datagrams {
    /// Version 2.
    #[default]
    V2,
    /// Version 3.
    V3,
}

impl Record {
    /// Reads the record.
    ///
    /// # Errors
    ///
    /// Fails when it is not the JSON it should be.
    pub fn read(text: impl AsRef<[u8]>) -> Result<Self, JsonError> {
        let mut record = Self::default();
        let names = &["dv3_2", "skip_prechecks"];
        json::decode(text, |decoder, value| {
            decoder.object(value, "features.featuresRecord", names, |decoder, name, value| {
                if name == "skip_prechecks" {
                    decoder.boolean(value, &mut record.skip_prechecks);
                    return Ok(());
                }
                let mut percent = u64::from(record.datagram_v3);
                decoder.unsigned(value, "uint32", &mut percent);
                match u32::try_from(percent) {
                    Ok(percent) => record.datagram_v3 = percent,
                    Err(_) => decoder.mismatch(value, "uint32"),
                }
                Ok(())
            })
        })?;
        Ok(record)
    }
}

impl Features {
    /// Puts together what is always announced, what the user named and what the record opens.
    #[must_use]
    pub fn new(wishes: &Wishes, record: Record, account: &str) -> Self {
        let datagrams = datagrams(&wishes.named, record, account);
        let mut announced: Vec<String> = ALWAYS.iter().map(|name| (*name).to_owned()).collect();
        announced.extend(wishes.named.iter().cloned());
        if wishes.post_quantum {
            announced.push(POST_QUANTUM.to_owned());
        }
        if datagrams == Datagrams::V3 {
            announced.push(DATAGRAM_V3.to_owned());
        }
        announced.retain(|name| !RETIRED.contains(&name.as_str()));
        announced.sort_unstable();
        announced.dedup();
        Self { announced, datagrams }
    }
}

/// A version that the user named beats the record, and the newer one the older.
fn datagrams(named: &[String], record: Record, account: &str) -> Datagrams {
    let is_named = |wanted: &str| named.iter().any(|name| name == wanted);
    let opened = record.datagram_v3 > u32::from(account_hash(account));
    if is_named(DATAGRAM_V3) || (opened && !is_named(DATAGRAM_V2)) {
        Datagrams::V3
    } else {
        Datagrams::V2
    }
}

/// Where the edge's record stands.
pub(crate) const RECORD: &str = "cfd-features.argotunnel.com";

const DATAGRAM_V2: &str = "support_datagram_v2";
const DATAGRAM_V3: &str = "support_datagram_v3_2";
const POST_QUANTUM: &str = "postquantum";

const ALWAYS: [&str; 5] = [
    "allow_remote_config",
    "serialized_headers",
    DATAGRAM_V2,
    "support_quic_eof",
    "management_logs",
];

/// Names of earlier versions of the datagram protocol, which nobody speaks any more.
const RETIRED: [&str; 2] = ["support_datagram_v3", "support_datagram_v3_1"];

#[cfg(test)]
mod tests {
    use adit_vectors::Verdict;
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn recorded_cases() {
        let Some(file) = adit_vectors::File::open("edge-features") else {
            return;
        };
        let mut report = file.report();
        for case in file.cases("vectors") {
            report.give(&case["name"], judge(case));
        }
        report.finish();
    }

    fn judge(case: &Value) -> Verdict {
        let text = |value: &Value| value.as_str().expect("text").to_owned();
        let named = case["cli_features"].as_array();
        let wishes = Wishes {
            named: named.into_iter().flatten().map(text).collect(),
            post_quantum: case["post_quantum_flag"] == true,
        };
        let account = text(&case["account_tag"]);
        let first = case["txt_records"].as_array().and_then(|records| records.first());
        let record = first.map(|strings| {
            let strings = strings.as_array().expect("strings").iter();
            Record::read(strings.map(text).collect::<String>())
        });
        let problem = match &record {
            Some(Err(error)) => Some(error.to_string()),
            Some(Ok(_)) | None => None,
        };
        let record = record.and_then(Result::ok).unwrap_or_default();
        let features = Features::new(&wishes, record, &account);
        let version = match features.datagrams {
            Datagrams::V2 => DATAGRAM_V2,
            Datagrams::V3 => DATAGRAM_V3,
        };
        let outcome = json!({
            "account_hash": account_hash(&account),
            "datagram_version": version,
            "features_sorted": features.announced,
            "post_quantum": if wishes.post_quantum { "strict" } else { "prefer" },
            "skip_prechecks": record.skip_prechecks,
        });
        for (key, value) in outcome.as_object().expect("an object") {
            if case[key] != *value {
                return Verdict::Wrong(format!("{key}: {value} instead of {}", case[key]));
            }
        }
        // A look-up that fails is not part of the record.
        match problem {
            Some(problem) => adit_vectors::same(&case["log"]["error"], &Value::String(problem)),
            None => Verdict::Same,
        }
    }
}
