//! A user of applications: asks what stands where, and has tokens for it.

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use adit_dial::{Environment, Way};
use http::Method;
use tokio::sync::Mutex;

use crate::address::Address;
use crate::error::Error;
use crate::folder::{self, Folder};
use crate::web::header;

/// How long the edge may take to say whether it takes a token.
const CHECK_LIMIT: Duration = Duration::from_secs(5);

/// The path that the edge sends those to who are not signed in.
const LOGIN: &str = "/cdn-cgi/access/login";

/// An application behind Access, as its team has signed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Application {
    /// The domain of the team.
    pub team: String,
    /// Which application it is.
    pub audience: String,
    /// The host name that its token is kept under.
    pub hostname: String,
}

/// How a client works.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where tokens are kept.
    pub folder: PathBuf,
    /// What the edge is told of the program.
    pub agent: String,
    /// The name of the program, as users are told it.
    pub program: String,
    /// Whether logins are those of the separate cloud of the United States' government.
    pub fedramp: bool,
    /// The proxies on the way.
    pub proxies: Environment,
    /// Tells the user something.
    pub tell: fn(&str),
    /// Sends the user of a program, which is named, to a page.
    pub visit: fn(&str, &str),
}

/// A user of applications.
#[derive(Debug)]
pub struct Client {
    pub(crate) settings: Settings,
    pub(crate) way: Way,
    pub(crate) folder: Folder,
    /// One login at a time; whoever waited finds the token of the first in the cache.
    pub(crate) turn: Mutex<()>,
}

impl Client {
    /// Makes a client.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            way: Way::new(settings.proxies.clone()),
            folder: Folder::at(settings.folder.clone()),
            turn: Mutex::new(()),
            settings,
        }
    }

    /// Returns the token for an application, if it is in the cache.
    ///
    /// # Errors
    ///
    /// Fails when there is none that could be used.
    pub fn cached(&self, application: &Application) -> Result<String, Error> {
        let path = self.folder.application_token(application);
        Ok(folder::token(&path, Some(&application.audience), now())?)
    }

    /// Returns a token that the edge takes, from the cache or from a login.
    ///
    /// # Errors
    ///
    /// Fails when no login leads to a token that the edge takes.
    pub async fn verified_token(
        &self,
        address: &Address,
        application: &Application,
        auto_close: bool,
    ) -> Result<String, Error> {
        for _ in 0..2 {
            let token = self.token(address, application, auto_close).await?;
            if self.takes(address, &token).await? {
                return Ok(token);
            }
            self.forget(application);
        }
        Err(Error::Unverified)
    }

    /// Removes the token for an application from the cache.
    pub(crate) fn forget(&self, application: &Application) {
        folder::remove(&self.folder.application_token(application));
    }

    /// Asks the edge whether it takes a token.
    async fn takes(&self, address: &Address, token: &str) -> Result<bool, Error> {
        let address = address.with_query(|query| query.set("cloudflared_token_check", "true"));
        let url = address.to_string();
        let mut ask = self.question(Method::GET, &url, CHECK_LIMIT);
        ask.headers.push(("Cf-Access-Token", token));
        let reply = self.way.ask(&ask).await?;
        let location = header(&reply, "location");
        Ok(!asks_for_login(&address, reply.status().as_u16(), location))
    }
}

/// Returns whether an answer sends the user to a login.
pub(crate) fn asks_for_login(from: &Address, status: u16, location: Option<&str>) -> bool {
    let target = location.and_then(|location| from.follow(location).ok());
    status == 302 && target.is_some_and(|target| target.path().starts_with(LOGIN))
}

/// Returns the time in seconds since 1970.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
