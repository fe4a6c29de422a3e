//! Keys and tokens that are made for one case.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use crypto_box::aead::Aead;
use crypto_box::{PublicKey, SalsaBox, SecretKey};
use serde_json::{Map, Value, json};

/// The texts that stand for tokens and keys in a case.
pub(crate) struct Tokens {
    keys: BTreeMap<String, KeyPair>,
    texts: Vec<(String, String)>,
}

impl Tokens {
    /// Makes everything that a case speaks of.
    pub(crate) fn of(case: &Value) -> Self {
        let keys = ["k1", "k2"].map(|name| (name.to_owned(), KeyPair::generate(KeySize::Rsa2048).unwrap()));
        let mut tokens = Self {
            keys: keys.into(),
            texts: Vec::new(),
        };
        for (name, token) in case["jwts"].as_object().into_iter().flatten() {
            let (text, sorted) = tokens.mint(token);
            tokens
                .texts
                .push((format!("${{JWT_SORTED_HEADER:{name}}}"), sorted));
            tokens.texts.push((format!("${{JWT:{name}}}"), text));
        }
        for name in ["k1", "k2"] {
            let set = tokens.set(&[json!(name)]);
            tokens.texts.push((format!("<JWKS:{name}>"), set));
        }
        tokens
    }

    /// Puts tokens where they are named.
    pub(crate) fn fill(&self, text: &str) -> String {
        let filled = |text: String, (name, token): &(String, String)| text.replace(name, token);
        self.texts.iter().fold(text.to_owned(), filled)
    }

    /// Returns a set of public keys.
    pub(crate) fn set(&self, names: &[Value]) -> String {
        let key = |name: &Value| {
            // A public key of 2048 bits: the modulus stands behind nine bytes.
            let public = self.keys[name.as_str().unwrap()].public_key().as_ref();
            let modulus = URL_SAFE_NO_PAD.encode(&public[9..265]);
            json!({ "kty": "RSA", "kid": name, "use": "sig", "alg": "RS256", "e": "AQAB", "n": modulus })
        };
        let keys: Vec<Value> = names.iter().map(key).collect();
        json!({ "keys": keys }).to_string()
    }

    /// Makes a token, and the same with its header sorted.
    fn mint(&self, token: &Value) -> (String, String) {
        let key = token["key"].as_str().unwrap();
        let algorithm = token["alg"].as_str().unwrap_or("RS256");
        let mut header = Map::new();
        header.insert("alg".into(), algorithm.into());
        match token.get("kid") {
            Some(Value::Null) => None,
            Some(kid) => header.insert("kid".into(), kid.clone()),
            None => header.insert("kid".into(), key.into()),
        };
        header.insert("typ".into(), "JWT".into());
        let claims = URL_SAFE_NO_PAD.encode(with_times(&token["claims"]).to_string());
        let names = token["header_order"].as_array().cloned();
        let names = names.unwrap_or_else(|| header.keys().map(|name| name.as_str().into()).collect());
        let fields = names
            .iter()
            .filter_map(|name| Some((name, header.get(name.as_str()?)?)));
        let fields: Vec<String> = fields.map(|(name, value)| format!("{name}:{value}")).collect();
        let head = URL_SAFE_NO_PAD.encode(format!("{{{}}}", fields.join(",")));
        let signed = format!("{head}.{claims}");
        let mut signature = vec![7; 64];
        if algorithm == "RS256" {
            let pair = &self.keys[key];
            signature = vec![0; pair.public_modulus_len()];
            let random = SystemRandom::new();
            pair.sign(&RSA_PKCS1_SHA256, &random, signed.as_bytes(), &mut signature)
                .unwrap();
        }
        let signature = URL_SAFE_NO_PAD.encode(signature);
        let sorted = URL_SAFE_NO_PAD.encode(Value::Object(header).to_string());
        (
            format!("{signed}.{signature}"),
            format!("{sorted}.{claims}.{signature}"),
        )
    }
}

/// Seals a text for the holder of a public key; returns the body and the key of the service.
pub(crate) fn seal(text: &str, public: &str, corrupt: bool) -> (String, String) {
    let own = SecretKey::from([9; 32]);
    let theirs: [u8; 32] = URL_SAFE.decode(public).unwrap().try_into().unwrap();
    let nonce = [5; 24];
    let sealed = SalsaBox::new(&PublicKey::from(theirs), &own).encrypt(&nonce.into(), text.as_bytes());
    let mut message = [&nonce[..], &sealed.unwrap()].concat();
    if corrupt && let Some(last) = message.last_mut() {
        *last ^= 1;
    }
    (
        STANDARD.encode(message),
        URL_SAFE.encode(own.public_key().as_bytes()),
    )
}

fn with_times(claims: &Value) -> Value {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
        .cast_signed();
    let fields = claims.as_object().into_iter().flatten().map(|(name, value)| {
        let moment = value["now"].as_i64().map(|offset| json!(now + offset));
        (name.clone(), moment.unwrap_or_else(|| value.clone()))
    });
    Value::Object(fields.collect())
}
