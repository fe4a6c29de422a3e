//! What a visitor sees when there is no answer.

use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode};

use super::{FrontResponse, full};

/// Returns whether a visitor wants pages rather than lines.
pub(super) fn wanted(headers: &HeaderMap) -> bool {
    let accepted = headers.get(ACCEPT).and_then(|value| value.to_str().ok());
    accepted.is_some_and(|accepted| accepted.contains("text/html"))
}

/// Makes the answer to a request that the tunnel did not answer.
pub(super) fn failure(reason: &str, for_browser: bool) -> FrontResponse {
    let reason = if reason.is_empty() {
        "the connector gave no reason"
    } else {
        reason
    };
    let (kind, text) = if for_browser {
        ("text/html; charset=utf-8", html(reason))
    } else {
        (
            "text/plain; charset=utf-8",
            format!("502: the tunnel has no answer: {reason}\n"),
        )
    };
    let mut response = http::Response::new(full(text.into_bytes()));
    *response.status_mut() = StatusCode::BAD_GATEWAY;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn html(reason: &str) -> String {
    let reason = escape(reason);
    format!(
        "<!doctype html><meta charset=\"utf-8\"><title>502</title>\
         <h1>The tunnel has no answer</h1><p>{reason}</p>\
         <p>The edge on this machine received your request and could not get an answer for it.</p>\n"
    )
}

fn escape(text: &str) -> String {
    let escaped = text
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    escaped.replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_no_markup() {
        assert!(html("<script>").contains("&lt;script&gt;"));
    }
}
