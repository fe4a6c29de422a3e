//! Sans-IO. Header fields as a log shows them: an object of lists, without what nobody may know.

use adit_exchange::Headers;
use serde_json::{Map, Value};

/// Header fields whose values no log may hold.
const SECRET: [&[u8]; 7] = [
    b"Authorization",
    b"Cookie",
    b"Proxy-Authorization",
    b"Cf-Access-Jwt-Assertion",
    b"Cf-Access-Client-Id",
    b"Cf-Access-Client-Secret",
    b"Cf-Access-Token",
];

/// What stands in place of a secret.
const HIDDEN: &str = "*****";

/// Returns the fields as JSON: each name with the list of its values.
pub(crate) fn shown(headers: &Headers) -> String {
    let mut shown = Map::new();
    for field in headers {
        let secret = SECRET.iter().any(|name| field.is(name));
        let value = if secret {
            HIDDEN.into()
        } else {
            String::from_utf8_lossy(&field.value)
        };
        let name = String::from_utf8_lossy(&field.name).into_owned();
        let values = shown.entry(name).or_insert_with(|| Value::Array(Vec::new()));
        if let Value::Array(values) = values {
            values.push(Value::from(value));
        }
    }
    Value::Object(shown).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_has_a_list_and_secrets_have_none() {
        let mut headers = Headers::new();
        for (name, value) in [
            ("Accept", "a"),
            ("Cookie", "session=1"),
            ("X-A", "1"),
            ("authorization", "Bearer x"),
            ("X-A", "2\"\u{e9}"),
        ] {
            headers.append(name, value);
        }
        let expect = r#"{"Accept":["a"],"Cookie":["*****"],"X-A":["1","2\"é"],"authorization":["*****"]}"#;
        assert_eq!(shown(&headers), expect);
        assert_eq!(shown(&Headers::new()), "{}");
    }
}
