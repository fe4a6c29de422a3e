//! Sans-IO. A configuration pushed over HTTP/2, as JSON, and the answer.

use adit_dialect::json::{self, Writer};
use adit_wire::configuration::{Applied, Update};

/// Reads the body of a push. What follows its JSON is ignored.
///
/// # Errors
///
/// Fails when it is no such JSON.
pub(crate) fn read(body: &[u8]) -> Result<Update, String> {
    let (mut version, mut configuration) = (0, Vec::new());
    let names = &["version", "config"];
    json::decode(first_value(body), |decoder, value| {
        decoder.object(
            value,
            "connection.configurationUpdateBody",
            names,
            |decoder, name, value| {
                if name == "config" {
                    // Upstream hands nothing on for `null`, and its reader then misses an end.
                    configuration = if value.is_null() {
                        Vec::new()
                    } else {
                        value.raw().to_vec()
                    };
                    return Ok(());
                }
                let mut wide = i64::from(version);
                decoder.integer(value, "int32", &mut wide);
                match i32::try_from(wide) {
                    Ok(narrow) => version = narrow,
                    Err(_) => decoder.mismatch(value, "int32"),
                }
                Ok(())
            },
        )
    })
    .map_err(|error| error.to_string())?;
    Ok(Update {
        version,
        configuration: configuration.into(),
    })
}

/// Writes the answer. The words of a failure are lost here, as upstream loses them: the edge looks
/// whether there is an object, and an object it is.
pub(crate) fn answer(applied: &Applied) -> String {
    let mut json = Writer::new();
    json.begin_object();
    json.key("lastAppliedVersion").integer(applied.version.into());
    json.key("err");
    if applied.error.is_empty() {
        json.null();
    } else {
        json.begin_object().end_object();
    }
    json.end_object();
    json.finish()
}

/// Returns the first object, if that is what the text begins with, and all of it otherwise.
fn first_value(text: &[u8]) -> &[u8] {
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    for (at, byte) in text.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return &text[..=at];
                }
            }
            _ => {}
        }
    }
    text
}

/// Bytes of a push: far above any configuration.
pub(crate) const MOST: usize = 16 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pushes_are_read() {
        let check = |body: &str, expected: Option<(i32, &str)>| {
            let read = read(body.as_bytes()).ok();
            let read = read.map(|update| (update.version, update.configuration));
            assert_eq!(
                read,
                expected.map(|(version, text)| (version, text.to_owned().into())),
                "{body}"
            );
        };
        check(
            r#"{"version":4,"config":{"ingress":[]}}"#,
            Some((4, r#"{"ingress":[]}"#)),
        );
        check(
            r#" {"VERSION":4,"config":"}","more":1} trailing"#,
            Some((4, r#""}""#)),
        );
        check(r#"{"version":1,"config":null}"#, Some((1, "")));
        check(r"{}", Some((0, "")));
        check(r#"{"version":"#, None);
        check(r#"{"version":"1"}"#, None);
        check(r#"{"version":3000000000}"#, None);
    }

    #[test]
    fn an_error_is_an_object() {
        let answer = |error: &str| {
            answer(&Applied {
                version: 3,
                error: error.to_owned(),
            })
        };
        assert_eq!(answer(""), r#"{"lastAppliedVersion":3,"err":null}"#);
        assert_eq!(answer("no"), r#"{"lastAppliedVersion":3,"err":{}}"#);
    }
}
