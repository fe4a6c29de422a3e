//! Gets a token: from the cache, from the team's token, or from a login in the browser.

use std::path::Path;

use adit_dialect::json::{Document, Value};

use crate::address::Address;
use crate::client::{Application, Client, now};
use crate::error::{CacheError, Error};
use crate::folder;
use crate::link;
use crate::lock::{self, Attempt, Lock, Wait};
use crate::sealed::Pair;
use crate::store;
use crate::web::header;

/// What a login gives.
struct Tokens {
    application: String,
    team: String,
}

/// What waiting for a lock gives.
enum Turn {
    /// The lock.
    Mine(Lock),
    /// Meanwhile another process has got what it was for.
    Done(String),
}

impl Client {
    /// Returns a token for an application, which the edge may refuse none the less.
    ///
    /// # Errors
    ///
    /// Fails when no login leads to a token.
    pub async fn token(
        &self,
        address: &Address,
        application: &Application,
        auto_close: bool,
    ) -> Result<String, Error> {
        let _turn = self.turn.lock().await;
        let path = self.folder.application_token(application);
        let cached = || folder::token(&path, Some(&application.audience), now());
        if let Ok(token) = cached() {
            return Ok(token);
        }
        self.folder.make()?;
        let _lock = match self.wait(&path, &path, &cached).await? {
            Turn::Mine(lock) => lock,
            Turn::Done(token) => return Ok(token),
        };
        let token = match cached() {
            Ok(token) => return Ok(token),
            Err(_) => self.obtain(address, application, &path, auto_close).await?,
        };
        folder::write(&path, token.as_bytes())?;
        Ok(token)
    }

    /// Gets a fresh token, by that of the team or by a login.
    async fn obtain(
        &self,
        address: &Address,
        application: &Application,
        path: &Path,
        auto_close: bool,
    ) -> Result<String, Error> {
        let team = self.folder.team_token(&application.team);
        let cached = || folder::token(&team, None, now());
        let mut team_token = cached();
        let _lock = match &team_token {
            Ok(_) | Err(CacheError::Expired) => None,
            Err(_) => match self.wait(&team, path, &cached).await? {
                Turn::Mine(lock) => {
                    team_token = cached();
                    Some(lock)
                }
                Turn::Done(token) => {
                    team_token = Ok(token);
                    None
                }
            },
        };
        let known = match &team_token {
            Ok(token) => Some(token.as_str()),
            Err(CacheError::Expired) => Some(""),
            Err(_) => None,
        };
        if let Some(known) = known {
            match self.exchange(address, known).await {
                Ok(token) => return Ok(token),
                Err(error) => tracing::debug!(%error, "the team's token does not open the application"),
            }
        }
        let link_file = lock::with_suffix(path, ".url");
        let tokens = self.sign_in(address, application, &link_file, auto_close).await;
        folder::remove(&link_file);
        let tokens = tokens?;
        if !tokens.team.is_empty() {
            folder::write(&team, tokens.team.as_bytes())?;
        }
        Ok(tokens.application)
    }

    /// Waits for the lock of a token, or for the token.
    async fn wait(
        &self,
        token: &Path,
        shown: &Path,
        cached: &(impl Fn() -> Result<String, CacheError> + Sync),
    ) -> Result<Turn, Error> {
        let mut wait = Wait::of(token);
        let mut told = Vec::new();
        loop {
            let owner = match wait.attempt()? {
                Attempt::Taken(lock) => return Ok(Turn::Mine(lock)),
                Attempt::Held(owner) => owner,
            };
            let link = folder::read(&lock::with_suffix(shown, ".url")).unwrap_or_default();
            if !link.is_empty() && link != told {
                let (program, text) = (&self.settings.program, String::from_utf8_lossy(&link));
                (self.settings.tell)(&format!(
                    "\nAnother {program} process (pid {owner}) is already waiting for authentication.\n\n\
                     If a browser window did not open, please visit the following URL:\n\n{text}\n\n"
                ));
                told = link;
            }
            tokio::time::sleep(lock::ROUND).await;
            if let Ok(token) = cached() {
                return Ok(Turn::Done(token));
            }
        }
    }

    /// Sends the user to a login and waits for its outcome.
    async fn sign_in(
        &self,
        address: &Address,
        application: &Application,
        link_file: &Path,
        auto_close: bool,
    ) -> Result<Tokens, Error> {
        let mut random = [0; 32];
        aws_lc_rs::rand::fill(&mut random).map_err(|_| Error::Key)?;
        let pair = Pair::of(random);
        let public = pair.public();
        let link = link::sign_in(address, &public, &application.audience, auto_close);
        folder::write(link_file, link.as_bytes())?;
        (self.settings.visit)(&link, &self.settings.program);
        let url = format!("{}transfer/{public}", store::address(self.settings.fedramp));
        let reply = store::fetch(&self.way, &url, &self.settings.agent).await;
        let reply = reply.map_err(Error::Transfer)?;
        let sender = header(&reply, "service-public-key").unwrap_or_default();
        let opened = pair.open(sender, reply.body()).map_err(Error::Transfer)?;
        let document = Document::parse(&opened).map_err(|error| Error::Transferred(error.to_string()))?;
        let text = |name| document.root().get(name).and_then(Value::as_str);
        Ok(Tokens {
            application: text("app_token").unwrap_or_default().into_owned(),
            team: text("org_token").unwrap_or_default().into_owned(),
        })
    }
}
