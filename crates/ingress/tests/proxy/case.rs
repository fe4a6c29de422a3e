//! Plays one case: its origins, its configuration, its requests one after another.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use adit_config::file::Reading;
use adit_config::{File, Rules};
use adit_dial::{Environment, Names, Roots};
use adit_exchange::Transport;
use adit_ingress::{Flows, Ingress, Metrics, Settings, Tag};
use prometheus::Registry;
use serde_json::Value;
use tokio::sync::watch;

use crate::authority;
use crate::judge;
use crate::listen::Lines;
use crate::origins::Origins;
use crate::script::{AtMark, Seen};
use crate::visit::{self, Getting, Got};

/// How long after the last answer things may still arrive.
const SETTLING: Duration = Duration::from_millis(700);

/// Everything that happened in a case.
#[derive(Clone, Debug, Default)]
pub(crate) struct Happened {
    pub(crate) seen: Vec<Vec<Seen>>,
    pub(crate) got: Vec<Result<Got, String>>,
    pub(crate) lines: Vec<Value>,
    pub(crate) counters: BTreeMap<String, u64>,
    /// Where the origins are.
    pub(crate) addresses: Vec<String>,
}

/// Plays `case` on a runtime of its own.
pub(crate) fn play(case: &Value) -> Happened {
    let lines = Lines::up_to(tracing::Level::WARN);
    let _logging = tracing::subscriber::set_default(lines.clone());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(played(case, &lines))
}

async fn played(case: &Value, lines: &Lines) -> Happened {
    let folder = tempfile::tempdir_in("/tmp").expect("a folder");
    authority::write(folder.path());
    let current: Arc<Mutex<Option<Getting>>> = Arc::default();
    let marking = Arc::clone(&current);
    let at_mark: AtMark = Arc::new(move |name| visit::at_mark(&marking, name));
    let wanted = case["origins"].as_array().map_or(&[][..], Vec::as_slice);
    let origins = Origins::start(wanted, folder.path(), &at_mark).await;
    let mut happened = Happened {
        addresses: origins
            .origins
            .iter()
            .map(|origin| origin.address.clone())
            .collect(),
        ..Happened::default()
    };
    let registry = Registry::new();
    let ingress = Arc::new(ingress(
        case,
        &happened.addresses,
        &folder.path().display().to_string(),
        &registry,
    ));
    let transport = if case["transport"] == "h2" {
        Transport::Http2
    } else {
        Transport::Quic
    };
    let mut calls = Vec::new();
    for request in case["requests"].as_array().into_iter().flatten() {
        let request = filled(request, &happened.addresses, "");
        let translated = match visit::translate(&request, transport) {
            Ok(translated) => translated,
            Err(text) => {
                happened.got.push(Err(text));
                continue;
            }
        };
        let getting: Getting = Arc::new(watch::Sender::new(Got::default()));
        *current.lock().expect("no visitor panicked") = Some(Arc::clone(&getting));
        calls.push(visit::play(Arc::clone(&ingress), translated, &request, &getting).await);
        happened.got.push(Ok(getting.borrow().clone()));
    }
    let until = Instant::now() + SETTLING;
    loop {
        happened.seen = origins.origins.iter().map(|origin| origin.seen()).collect();
        happened.lines = lines.so_far();
        happened.counters = counters(&registry);
        if judge::is_recorded(case, &happened) || Instant::now() > until {
            return happened;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn ingress(case: &Value, addresses: &[String], folder: &str, registry: &Registry) -> Ingress {
    let config = filled(&case["config"], addresses, folder);
    let environment = filled(&case["env"], addresses, folder);
    let environment = environment.as_object().into_iter().flatten();
    let environment =
        environment.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())));
    let environment = environment.collect();
    let tags = case["tags"].as_array().into_iter().flatten();
    let tags = tags.filter_map(|tag| tag.as_str()?.split_once('='));
    let settings = Settings {
        names: Names::default(),
        roots: || Roots::only([]),
        tags: tags.filter_map(|(name, value)| Tag::new(name, value)).collect(),
        flows: Flows::default(),
        environment: Environment::read(&environment),
        explain_failures: false,
    };
    let ingress = Ingress::new(settings, Metrics::new(registry).expect("an empty registry"));
    ingress
        .start(rules(config.as_str().expect("a text")))
        .expect("services that start");
    ingress
}

fn rules(text: &str) -> Rules {
    let Reading::File { file, .. } = File::read("c.yml", text.as_bytes()).expect("a configuration") else {
        panic!("an empty configuration");
    };
    adit_config::resolve::rules_of_file(&file).expect("rules")
}

/// Puts what is known in the place of what the recording left open.
fn filled(value: &Value, addresses: &[String], folder: &str) -> Value {
    let mut text = value.to_string().replace("{{TMP}}", folder);
    for (index, address) in addresses.iter().enumerate() {
        let port = address.rsplit(':').next().unwrap_or_default();
        text = text.replace(&format!("{{{{O{index}}}}}"), address);
        text = text.replace(&format!("{{{{P{index}}}}}"), port);
    }
    serde_json::from_str(&text).expect("still JSON")
}

/// Returns the counters that are not zero, and how often histograms were used.
fn counters(registry: &Registry) -> BTreeMap<String, u64> {
    let mut counters = BTreeMap::new();
    for family in registry.gather() {
        for metric in family.get_metric() {
            let labels: Vec<String> = metric
                .get_label()
                .iter()
                .map(|label| format!("{}=\"{}\"", label.name(), label.value()))
                .collect();
            let labels = if labels.is_empty() {
                String::new()
            } else {
                format!("{{{}}}", labels.join(","))
            };
            let histogram = metric.get_histogram().get_sample_count();
            let (suffix, value) = if histogram > 0 {
                ("_count", histogram)
            } else {
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "counters of a test are small"
                )]
                ("", metric.get_counter().get_value() as u64)
            };
            if value > 0 {
                counters.insert(format!("{}{suffix}{labels}", family.name()), value);
            }
        }
    }
    counters
}
