//! The store that a login leaves things at, for whoever knows the public key.

use std::time::{Duration, Instant};

use adit_dial::{Ask, Way};
use http::Method;

use crate::web::{LARGEST, Reply};

/// The store of the public service.
const PUBLIC: &str = "https://login.cloudflareaccess.org/";

/// The store of the separate cloud of the United States' government.
const FEDRAMP: &str = "https://login.fed.cloudflareaccess.org/";

/// How long it may be asked in all.
const WHOLE: Duration = Duration::from_mins(10);

/// How long it may take for one answer: it answers when there is something.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long to wait after an answer that came at once.
const PAUSE: Duration = Duration::from_secs(1);

/// Returns the address of the store.
#[must_use]
pub const fn address(fedramp: bool) -> &'static str {
    if fedramp { FEDRAMP } else { PUBLIC }
}

/// Asks the store at `url` until something is left there, or the user has had time enough.
///
/// # Errors
///
/// Fails with the reason that nothing will be left.
pub async fn fetch(way: &Way, url: &str, agent: &str) -> Result<Reply, String> {
    let first = Instant::now();
    loop {
        let began = Instant::now();
        if let Some(reply) = left(way, url, agent).await? {
            return Ok(reply);
        }
        let Some(pause) = pause(first.elapsed(), began.elapsed()) else {
            return Err("Failed to fetch resource".into());
        };
        tokio::time::sleep(pause).await;
    }
}

/// Asks the store once; nothing if there is nothing yet.
async fn left(way: &Way, url: &str, agent: &str) -> Result<Option<Reply>, String> {
    let ask = Ask {
        method: Method::GET,
        url,
        headers: vec![("User-Agent", agent)],
        body: None,
        patience: PATIENCE,
        largest: LARGEST,
    };
    let reply = match way.ask(&ask).await {
        Ok(reply) => reply,
        // Late is not yet.
        Err(error) if error.is_late => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    match reply.status().as_u16() {
        200 => Ok((!reply.body().is_empty()).then_some(reply)),
        status @ 500.. => {
            let body = String::from_utf8_lossy(reply.body());
            Err(format!("error on request {status}: {body}"))
        }
        _ => {
            tracing::info!("Waiting for login...");
            Ok(None)
        }
    }
}

/// Returns how long to wait before the next question, if there is one: the first was put so long ago,
/// and the last one took so long.
fn pause(since: Duration, took: Duration) -> Option<Duration> {
    let pause = if took < PAUSE { PAUSE } else { Duration::ZERO };
    (since + pause < WHOLE).then_some(pause)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polling_goes_on_for_ten_minutes_and_in_no_hurry() {
        let seconds = Duration::from_secs_f64;
        let cases = [
            (0.0, 0.0, Some(1.0)),
            (0.9, 0.9, Some(1.0)),
            (1.0, 1.0, Some(0.0)),
            (11.0, 0.1, Some(1.0)),
            (60.0, 60.0, Some(0.0)),
            (598.9, 0.1, Some(1.0)),
            (599.0, 0.1, None),
            (599.9, 60.0, Some(0.0)),
            (600.0, 60.0, None),
        ];
        for (since, took, wanted) in cases {
            let told = pause(seconds(since), seconds(took));
            assert_eq!(told, wanted.map(seconds), "{since} {took}");
        }
    }
}
