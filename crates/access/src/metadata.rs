//! Sans-IO. What the edge says of an application, and what of it is believed.
//!
//! A token of a user is sent only where a signed statement of the user's team says that the
//! application stands. Nothing that is not signed chooses who gets a token.

use adit_dialect::quote::quote;
use adit_dialect::url::Url;

use crate::client::Application;
use crate::error::MetadataError;
use crate::jwt::Jwt;

/// The domain under which teams are.
const TEAMS: &str = ".cloudflareaccess.com";

/// For how long a statement holds, in seconds.
const LONGEST: i64 = 24 * 60 * 60;

/// How far a clock may be ahead, in seconds.
const AHEAD: i64 = 5 * 60;

/// Returns the domain of the team that a statement names.
pub(crate) fn team(statement: &Jwt) -> Result<String, MetadataError> {
    let claimed = statement.text("auth_domain").unwrap_or_default();
    let text = format!("https://{claimed}");
    let url = Url::parse(&text).map_err(|error| MetadataError::Domain(error.to_string()))?;
    let host = String::from_utf8_lossy(url.hostname()).to_lowercase();
    if !host.ends_with(TEAMS) || host.len() == TEAMS.len() {
        let problem = format!("auth_domain {} does not end with \"{TEAMS}\"", quote(&host));
        return Err(MetadataError::Domain(problem));
    }
    Ok(host)
}

/// Returns the application that a verified statement of `team` is about.
pub(crate) fn application(
    statement: &Jwt,
    team: &str,
    asked: &str,
    now: i64,
) -> Result<Application, MetadataError> {
    let text = |name| statement.text(name).unwrap_or_default();
    let hostname = text("hostname");
    if !hostname.eq_ignore_ascii_case(asked) {
        let asked = asked.to_owned();
        return Err(MetadataError::Hostname {
            claimed: hostname,
            asked,
        });
    }
    if text("type") != "match" {
        return Err(MetadataError::Type(text("type")));
    }
    let audience = text("aud");
    if audience.is_empty() {
        return Err(MetadataError::Audience);
    }
    let issued = statement.moment("iat").ok().flatten().unwrap_or_default();
    if issued <= 0 {
        return Err(MetadataError::Issued);
    }
    if now.saturating_sub(issued) > LONGEST {
        return Err(MetadataError::Old);
    }
    if issued.saturating_sub(now) > AHEAD {
        return Err(MetadataError::Future);
    }
    let name = Some(text("app_hostname")).filter(|name| !name.is_empty());
    Ok(Application {
        team: team.to_owned(),
        audience,
        hostname: name.unwrap_or(hostname),
    })
}
