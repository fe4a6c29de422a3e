//! What holds for every text a user or the edge may send.

use adit_config::{ConfigurationFlags, Credentials, File, Overrides, Reading, Rules, Token, remote, report};

/// A file is read or refused, and what it means can be shown.
pub(crate) fn yaml(data: &[u8]) {
    let reading = File::read("config.yml", data);
    assert_eq!(
        reading,
        File::read("config.yml", data),
        "the same text reads the same"
    );
    match reading {
        Err(error) => assert!(error.problem.starts_with("error parsing YAML"), "{error}"),
        Ok(Reading::Empty) => {}
        Ok(Reading::File { file, .. }) => {
            let flags = ConfigurationFlags::default();
            if let Ok(rules) = adit_config::resolve(&file, &Overrides::default(), &flags) {
                shown(&rules);
            }
        }
    }
}

/// A push is read or refused, and what it means can be shown.
pub(crate) fn push(data: &[u8]) {
    match remote::read(data, &ConfigurationFlags::default()) {
        Ok(rules) => shown(&rules),
        Err(error) => assert!(!error.problem.is_empty()),
    }
}

/// A token or the text of a credentials file is read or refused, and reads the same once written.
pub(crate) fn token(data: &[u8]) {
    if let Ok(credentials) = Credentials::read(data) {
        let written = credentials.write();
        assert_eq!(Credentials::read(written.expose().as_bytes()), Ok(credentials));
    }
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Ok(token) = Token::read(text) {
        assert_eq!(Token::read(token.write().expose()), Ok(token));
    }
}

fn shown(rules: &Rules) {
    assert!(
        rules
            .rules
            .last()
            .is_some_and(|last| last.hostname.is_any() && last.path.is_none())
    );
    let forms = [
        report::in_force(0, rules),
        report::local(rules, &ConfigurationFlags::default()),
    ];
    for form in forms {
        let read: Result<serde_json::Value, _> = serde_json::from_str(&form);
        assert!(read.is_ok(), "{form}");
    }
}
