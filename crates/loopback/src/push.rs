//! Pushes configurations to connectors, over either transport.

use std::time::Duration;

use adit_rpc::far;
use adit_wire::configuration::Update;
use adit_wire::h2::name;
use bytes::Bytes;
use http::HeaderValue;
use serde_json::Value;

use crate::error::StreamError;
use crate::link::{Link, Transport};

/// What a connector says to a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pushed {
    /// The version that is now in force.
    pub version: i32,
    /// Why it is not the pushed one. Over HTTP/2 the reason is not told, so the text is `{}` there.
    pub error: Option<String>,
}

/// How long a connector may take to answer.
const LIMIT: Duration = Duration::from_secs(10);
/// What an answer over HTTP/2 may weigh.
const ANSWER: usize = 64 * 1024;
/// HTTP/2 wants an address even where there is nothing to address.
const ADDRESS: &str = "https://h2.cftunnel.com/";

/// Pushes a configuration on this connection.
pub(crate) async fn push(link: &Link, version: i32, configuration: &str) -> Result<Pushed, StreamError> {
    let pushed = match link.transport() {
        Transport::Quic => over_quic(link, version, configuration).await,
        Transport::Http2 => over_http2(link, version, configuration).await,
    };
    if let Err(StreamError::Forbidden(rule)) = &pushed {
        link.violated(rule);
    }
    pushed
}

async fn over_quic(link: &Link, version: i32, configuration: &str) -> Result<Pushed, StreamError> {
    let (reader, writer) = tokio::io::split(link.open_calls().await?);
    let (connector, conversation) = far::begin(reader, writer);
    let update = Update {
        version,
        configuration: Bytes::copy_from_slice(configuration.as_bytes()),
    };
    let call = async move { connector.update_configuration(update, LIMIT).await };
    let (applied, ended) = tokio::join!(call, conversation);
    tracing::debug!(?ended, "a stream of calls has ended");
    let applied = applied.map_err(|error| StreamError::Forbidden(error.to_string()))?;
    Ok(Pushed {
        version: applied.version,
        error: Some(applied.error).filter(|error| !error.is_empty()),
    })
}

async fn over_http2(link: &Link, version: i32, configuration: &str) -> Result<Pushed, StreamError> {
    // As it is: what is no JSON must reach the connector as such.
    let body = format!(r#"{{"version":{version},"config":{configuration}}}"#);
    let mut head = http::Request::new(());
    *head.method_mut() = http::Method::POST;
    *head.uri_mut() = http::Uri::from_static(ADDRESS);
    *head.version_mut() = http::Version::HTTP_2;
    head.headers_mut()
        .insert(name::UPGRADE, HeaderValue::from_static("update-configuration"));
    let (response, mut outgoing) = link.send_head(head, false).await?;
    outgoing.send(body).await?;
    outgoing.finish()?;
    let mut response = response
        .await
        .map_err(|error| crate::answer::http2_error(&error))?;
    let mut answer = Vec::new();
    while let Some(chunk) = response.body_mut().data().await {
        let chunk = chunk.map_err(|error| crate::answer::http2_error(&error))?;
        answer.extend_from_slice(&chunk);
        if answer.len() > ANSWER {
            return Err(StreamError::Forbidden(
                "the answer to a configuration is huge".to_owned(),
            ));
        }
    }
    read(response.status(), &answer)
}

/// Reads an answer over HTTP/2: `{"lastAppliedVersion":1,"err":null}`.
fn read(status: http::StatusCode, answer: &[u8]) -> Result<Pushed, StreamError> {
    let shown = String::from_utf8_lossy(answer);
    let wrong = || StreamError::Forbidden(format!("a configuration is answered with {status} `{shown}`"));
    if status == http::StatusCode::BAD_GATEWAY {
        return Err(StreamError::Unsendable("the connector cannot read it".to_owned()));
    }
    if status != http::StatusCode::OK {
        return Err(wrong());
    }
    let answer: Value = serde_json::from_slice(answer).map_err(|_no_json| wrong())?;
    let version = answer["lastAppliedVersion"].as_i64();
    let version = version
        .and_then(|version| i32::try_from(version).ok())
        .ok_or_else(wrong)?;
    let error = match answer.get("err") {
        Some(Value::Null) => None,
        Some(error) => Some(error.to_string()),
        None => return Err(wrong()),
    };
    Ok(Pushed { version, error })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_over_http2() {
        let pushed = |answer: &str| read(http::StatusCode::OK, answer.as_bytes());
        let error = |error: Option<&str>| error.map(str::to_owned);
        let good = |version, reason| {
            Ok(Pushed {
                version,
                error: error(reason),
            })
        };
        assert_eq!(pushed(r#"{"lastAppliedVersion":3,"err":null}"#), good(3, None));
        assert_eq!(
            pushed(r#"{"lastAppliedVersion":-1,"err":{}}"#),
            good(-1, Some("{}"))
        );
        for wrong in [
            "",
            "{}",
            r#"{"lastAppliedVersion":3}"#,
            r#"{"lastAppliedVersion":"3","err":null}"#,
        ] {
            assert!(pushed(wrong).is_err(), "{wrong}");
        }
    }
}
