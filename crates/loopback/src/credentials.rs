//! The credentials of the one tunnel that the edge knows, in every form a connector takes.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use uuid::Uuid;

/// What a connector must show to be let in.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The account that owns the tunnel.
    pub account_tag: String,
    /// The tunnel.
    pub tunnel_id: Uuid,
    /// The secret of the tunnel.
    pub secret: Vec<u8>,
}

impl Credentials {
    /// Makes up credentials of a tunnel that exists nowhere else.
    #[must_use]
    pub fn random() -> Self {
        let account = Uuid::new_v4();
        let (first, second) = (Uuid::new_v4(), Uuid::new_v4());
        Self {
            account_tag: account.simple().to_string(),
            tunnel_id: Uuid::new_v4(),
            secret: [first.into_bytes(), second.into_bytes()].concat(),
        }
    }

    /// Returns the token form, as it follows `--token`.
    #[must_use]
    pub fn token(&self) -> String {
        let inner = json!({
            "a": self.account_tag,
            "s": STANDARD.encode(&self.secret),
            "t": self.tunnel_id.to_string(),
        });
        STANDARD.encode(inner.to_string())
    }

    /// Returns the content of a credentials file.
    #[must_use]
    pub fn json(&self) -> String {
        let secret = STANDARD.encode(&self.secret);
        let file = json!({
            "AccountTag": self.account_tag,
            "TunnelSecret": secret,
            "TunnelID": self.tunnel_id.to_string(),
            "Endpoint": "",
        });
        file.to_string()
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Credentials");
        shown.field("account_tag", &self.account_tag);
        shown.field("tunnel_id", &self.tunnel_id);
        shown.finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_secret_stays_out_of_debug_output() {
        let credentials = Credentials::random();
        let shown = format!("{credentials:?}");
        assert!(shown.contains(&credentials.account_tag));
        assert!(!shown.contains("secret"), "{shown}");
    }

    #[test]
    fn the_token_holds_all_three_parts() {
        let credentials = Credentials {
            account_tag: "abc".into(),
            tunnel_id: Uuid::nil(),
            secret: b"ok".to_vec(),
        };
        let inner = STANDARD.decode(credentials.token()).expect("a token is base64");
        let inner = String::from_utf8(inner).expect("a token holds JSON");
        let expected = r#"{"a":"abc","s":"b2s=","t":"00000000-0000-0000-0000-000000000000"}"#;
        assert_eq!(inner, expected);
    }
}
