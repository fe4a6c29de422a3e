//! Sans-IO. What a registration must look like, whoever sends it.

use adit_wire::registration::Register;

/// Says which rule a registration breaks.
pub(super) fn check(register: &Register, limit: u8) -> Result<(), String> {
    let options = &register.options;
    let client = &options.client;
    if register.index >= limit {
        return Err(format!(
            "connection index {} is not below {limit}",
            register.index
        ));
    }
    if client.id.is_nil() {
        return Err("the connector has no id".to_owned());
    }
    if client.version.is_empty() {
        return Err("the connector has no version".to_owned());
    }
    if options.replace_existing {
        return Err("a connection must not replace another".to_owned());
    }
    if options.compression_quality != 0 {
        return Err("compression is long gone".to_owned());
    }
    check_platform(&client.platform)?;
    check_features(&client.features)
}

fn check_platform(platform: &str) -> Result<(), String> {
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric());
    match platform.split_once('_') {
        Some((system, processor)) if is_word(system) && is_word(processor) => Ok(()),
        Some(_) | None => Err(format!("`{platform}` names no system and processor")),
    }
}

fn check_features(features: &[String]) -> Result<(), String> {
    for (place, feature) in features.iter().enumerate() {
        if DEPRECATED.contains(&feature.as_str()) {
            return Err(format!("feature `{feature}` must not be announced any more"));
        }
        if features[..place].contains(feature) {
            return Err(format!("feature `{feature}` is announced twice"));
        }
    }
    let is_missing = |wanted: &&&str| !features.iter().any(|feature| feature == **wanted);
    match DEFAULT.iter().find(is_missing) {
        Some(missing) => Err(format!("feature `{missing}` is not announced")),
        None => Ok(()),
    }
}

/// What every connector can do.
const DEFAULT: [&str; 5] = [
    "allow_remote_config",
    "serialized_headers",
    "support_datagram_v2",
    "support_quic_eof",
    "management_logs",
];

/// What connectors announced once.
const DEPRECATED: [&str; 2] = ["support_datagram_v3", "support_datagram_v3_1"];

#[cfg(test)]
mod tests {
    use adit_wire::registration::{Auth, Client, Options};
    use bytes::Bytes;
    use uuid::Uuid;

    use super::*;

    fn register() -> Register {
        Register {
            auth: Auth {
                account: "account".into(),
                secret: Bytes::from_static(b"secret"),
            },
            tunnel: Uuid::nil(),
            index: 3,
            options: Options {
                client: Client {
                    id: Uuid::max(),
                    features: DEFAULT.map(str::to_owned).to_vec(),
                    version: "1".into(),
                    platform: "linux_amd64".into(),
                },
                local_address: None,
                replace_existing: false,
                compression_quality: 0,
                previous_attempts: 0,
            },
        }
    }

    type Break = fn(&mut Register);

    #[test]
    fn each_rule_has_its_reason() {
        assert_eq!(check(&register(), 4), Ok(()));
        let breaks: [(&str, Break); 8] = [
            ("connection index 4", |register| register.index = 4),
            ("no id", |register| register.options.client.id = Uuid::nil()),
            ("no version", |register| register.options.client.version.clear()),
            ("`linux`", |register| {
                register.options.client.platform = "linux".into();
            }),
            ("replace", |register| register.options.replace_existing = true),
            ("compression", |register| register.options.compression_quality = 1),
            ("twice", |register| {
                register.options.client.features.push("support_quic_eof".into());
            }),
            ("not announced", |register| {
                register.options.client.features.pop();
            }),
        ];
        for (reason, break_it) in breaks {
            let mut broken = register();
            break_it(&mut broken);
            let outcome = check(&broken, 4).expect_err(reason);
            assert!(outcome.contains(reason), "{outcome}");
        }
    }
}
