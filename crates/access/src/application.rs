//! Asks the edge which application stands at an address, and verifies the answer.

use std::time::Duration;

use adit_dial::TOO_LARGE;
use http::Method;

use crate::address::Address;
use crate::client::{Application, Client, now};
use crate::error::{Error, MetadataError};
use crate::folder;
use crate::jwt::{Jwt, RS256};
use crate::keys::Keys;
use crate::metadata;
use crate::web::{LARGEST, header};

/// How long the edge may take to say what stands there.
const QUESTION_LIMIT: Duration = Duration::from_secs(7);

/// How long a team may take to send its keys.
const KEYS_LIMIT: Duration = Duration::from_secs(10);

/// For how long the keys of a team are kept.
const KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// Keys that were fetched so recently are not fetched again for a signature they do not fit.
const FRESH: Duration = Duration::from_secs(60);

impl Client {
    /// Returns the application that stands at an address.
    ///
    /// # Errors
    ///
    /// Fails when none does, and when the edge's word for it is not signed by the team.
    pub async fn discover(&self, address: &Address) -> Result<Application, Error> {
        let url = address.to_string();
        let mut question = self.question(Method::HEAD, &url, QUESTION_LIMIT);
        question.headers.push(("Cf-Access-Metadata-Request", "true"));
        let reply = self.way.ask(&question).await.map_err(Error::AppInfo)?;
        let statement = header(&reply, "cf-access-metadata").filter(|text| !text.is_empty());
        let statement = statement.ok_or_else(|| Error::NoApplication(address.to_string()))?;
        let statement = Jwt::parse(statement, RS256).map_err(MetadataError::from)?;
        let team = metadata::team(&statement)?;
        self.verify(&team, &statement).await?;
        Ok(metadata::application(
            &statement,
            &team,
            address.hostname(),
            now(),
        )?)
    }

    /// Looks whether the team signed a statement. Keys from the cache get a second chance.
    async fn verify(&self, team: &str, statement: &Jwt) -> Result<(), Error> {
        let cached = self.cached_keys(team);
        let from_cache = cached.is_some();
        let (keys, age) = match cached {
            Some(cached) => cached,
            None => (self.fetch_keys(team).await?, Duration::ZERO),
        };
        let Err(error) = keys.verify(statement) else {
            return Ok(());
        };
        if !from_cache || age <= FRESH {
            return Err(MetadataError::Signature(error).into());
        }
        let fetched = self.fetch_keys(team).await?;
        Ok(fetched.verify(statement).map_err(MetadataError::Signature)?)
    }

    /// Returns the keys of a team from the cache, and how old they are.
    fn cached_keys(&self, team: &str) -> Option<(Keys, Duration)> {
        let path = self.folder.team_keys(team);
        let age = folder::age(&path).filter(|age| *age <= KEPT)?;
        let keys = Keys::parse(&folder::read(&path).ok()?).ok()?;
        (!keys.is_empty()).then_some((keys, age))
    }

    async fn fetch_keys(&self, team: &str) -> Result<Keys, Error> {
        let url = format!("https://{team}/cdn-cgi/access/certs");
        let told = |reason: String| Error::Keys(reason);
        self.folder.make()?;
        let question = self.question(Method::GET, &url, KEYS_LIMIT);
        let reply = self.way.ask(&question).await.map_err(|error| {
            if error.reason == TOO_LARGE {
                told(format!("JWKS response body exceeds {LARGEST} bytes"))
            } else {
                told(format!("failed to fetch JWKS from {url}: {error}"))
            }
        })?;
        if reply.status() != 200 {
            let status = reply.status().as_u16();
            return Err(told(format!("JWKS endpoint {url} returned status {status}")));
        }
        let keys =
            Keys::parse(reply.body()).map_err(|error| told(format!("failed to parse JWKS: {error}")))?;
        if let Err(error) = folder::write(&self.folder.team_keys(team), reply.body()) {
            tracing::debug!(%error, "the team's keys are not kept");
        }
        Ok(keys)
    }
}
