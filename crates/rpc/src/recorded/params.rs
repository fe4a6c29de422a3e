//! Recorded parameters and frames, as this crate says them.

use adit_wire::configuration::Update;
use adit_wire::registration::{Auth, Client, LocalConfiguration, Nothing, Options, Register};
use adit_wire::rpc::Envelope;
use adit_wire::session::{Close, Open};
use adit_wire::{Content, configuration, registration, session};
use serde_json::Value;
use uuid::Uuid;

use super::{hex_or_none, id, id_or_none, message, shown, string};

/// Returns recorded parameters as they are sent, when this side can say them.
pub(super) fn content(params: &Value) -> Option<Box<dyn Content>> {
    Some(match params["method"].as_str() {
        Some("registerConnection") => Box::new(register(params)),
        Some("updateLocalConfiguration") => Box::new(local_configuration(params)),
        Some("updateConfiguration") => Box::new(update(params)),
        Some("registerUdpSession") => Box::new(open(params)?),
        Some("unregisterUdpSession") => Box::new(close(params)?),
        Some("unknown") => return None,
        _ => Box::new(Nothing),
    })
}

/// Returns recorded parameters as text.
pub(super) fn debug(params: &Value) -> Option<String> {
    Some(match params["method"].as_str() {
        Some("registerConnection") => format!("{:?}", register(params)),
        Some("updateLocalConfiguration") => format!("{:?}", local_configuration(params)),
        Some("updateConfiguration") => format!("{:?}", update(params)),
        Some("registerUdpSession") => format!("{:?}", open(params)?),
        Some("unregisterUdpSession") => format!("{:?}", close(params)?),
        _ => format!("{Nothing:?}"),
    })
}

/// Returns whether this side can say what was said.
pub(super) fn is_sayable(decoded: &Value) -> bool {
    decoded["message"] != "call" || content(&decoded["params"]).is_some()
}

/// Returns whether two frames are the same, or the same call to the same interface by another way.
pub(super) fn alike(sent: &[u8], recorded: &[u8]) -> bool {
    sent == recorded
        || matches!((spoken(sent), spoken(recorded)), (Some(sent), Some(recorded)) if sent == recorded)
}

/// Returns a call as text, without the way to its target.
fn spoken(frame: &[u8]) -> Option<String> {
    if frame.is_empty() {
        return None;
    }
    let Ok(Envelope::Call(call)) = Envelope::read(&message(frame)) else {
        return None;
    };
    let params = match (call.interface, call.method) {
        (registration::INTERFACE, registration::method::REGISTER) => {
            format!("{:?}", Register::read(&call.params))
        }
        (registration::INTERFACE, _) => format!("{:?}", LocalConfiguration::read(&call.params)),
        (configuration::INTERFACE, _) => format!("{:?}", Update::read(&call.params)),
        (_, session::method::OPEN) => format!("{:?}", Open::read(&call.params)),
        _ => format!("{:?}", Close::read(&call.params)),
    };
    Some(format!(
        "{} {:x}.{} {params}",
        call.question, call.interface, call.method
    ))
}

/// Splits a stream of messages of one segment.
pub(super) fn frames(stream: &[u8]) -> Vec<String> {
    let mut rest = stream;
    let mut frames = Vec::new();
    while let Some(words) = rest.get(4..8).and_then(<[u8]>::first_chunk) {
        let (frame, next) = rest.split_at(8 + 8 * u32::from_le_bytes(*words) as usize);
        frames.push(shown(frame));
        rest = next;
    }
    frames
}

pub(super) fn register(params: &Value) -> Register {
    let options = &params["options"];
    let client = &options["client"];
    let address = hex_or_none(&options["origin_local_ip_hex"]);
    let address = address.and_then(|bytes| <[u8; 16]>::try_from(bytes).ok());
    Register {
        auth: Auth {
            account: string(&params["auth"]["account_tag"]),
            secret: hex_or_none(&params["auth"]["tunnel_secret_hex"])
                .unwrap_or_default()
                .into(),
        },
        tunnel: id(&params["tunnel_id_hex"]),
        index: params["conn_index"].as_u64().expect("a number") as u8,
        options: Options {
            client: Client {
                id: hex_or_none(&client["client_id_hex"])
                    .map_or(Uuid::nil(), |_| id(&client["client_id_hex"])),
                features: serde_json::from_value(client["features"].clone()).expect("a list of texts"),
                version: string(&client["version"]),
                platform: string(&client["arch"]),
            },
            local_address: address.map(|address| std::net::IpAddr::from(address).to_canonical()),
            replace_existing: options["replace_existing"] == true,
            compression_quality: options["compression_quality"].as_u64().expect("a number") as u8,
            previous_attempts: options["num_previous_attempts"].as_u64().expect("a number") as u8,
        },
    }
}

pub(super) fn local_configuration(params: &Value) -> LocalConfiguration {
    LocalConfiguration(string(&params["config_utf8"]).into())
}

pub(super) fn update(params: &Value) -> Update {
    Update {
        version: params["version"].as_i64().expect("a number") as i32,
        configuration: string(&params["config_utf8"]).into(),
    }
}

pub(super) fn open(params: &Value) -> Option<Open> {
    Some(Open {
        session: id_or_none(&params["session_id_hex"])?,
        address: hex_or_none(&params["dst_ip_hex"])?.into(),
        port: params["dst_port"].as_u64()? as u16,
        idle: params["close_after_idle_hint_ns"].as_i64()?,
        trace: string(&params["trace_context"]),
    })
}

pub(super) fn close(params: &Value) -> Option<Close> {
    Some(Close {
        session: id_or_none(&params["session_id_hex"])?,
        message: string(&params["message"]),
    })
}
