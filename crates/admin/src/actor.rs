//! Sans-IO. Who asks the management service: the token in the query says so.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::page::Page;

/// Returns the id of whoever a query's token names.
///
/// The edge has checked the signature; without it no such request would arrive.
pub(crate) fn of_query(query: &str) -> Option<String> {
    let token = query
        .split('&')
        .find_map(|member| member.strip_prefix("access_token="))?;
    let mut parts = token.split('.');
    let (head, claims, _signature) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || part(head)?["alg"] != "ES256" {
        return None;
    }
    let claims = part(claims)?;
    let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    text(&claims["tun"]["id"])?;
    text(&claims["tun"]["account_tag"])?;
    text(&claims["actor"]["id"])
}

/// Returns what a request without a token gets.
pub(crate) fn refusal() -> Page {
    let text = "{\"errors\":[{\"code\":1001,\"message\":\"missing access_token query parameter\"}]}\n";
    Page::new(400, "application/json", text)
}

fn part(text: &str) -> Option<Value> {
    let json = URL_SAFE_NO_PAD.decode(text).ok()?;
    serde_json::from_slice(&json).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_name_their_actor() {
        let token = |head: &str, claims: &str| {
            let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
            format!("a=b&access_token={}.{}.c2ln", part(head), part(claims))
        };
        let full = r#"{"tun":{"id":"t","account_tag":"a"},"actor":{"id":"u1"}}"#;
        let cases = [
            (token(r#"{"alg":"ES256"}"#, full), Some("u1")),
            (token(r#"{"alg":"HS256"}"#, full), None),
            (
                token(
                    r#"{"alg":"ES256"}"#,
                    r#"{"tun":{"id":"","account_tag":"a"},"actor":{"id":"u1"}}"#,
                ),
                None,
            ),
            ("access_token=x".to_owned(), None),
            (String::new(), None),
        ];
        for (query, actor) in cases {
            assert_eq!(of_query(&query).as_deref(), actor, "{query}");
        }
    }
}
