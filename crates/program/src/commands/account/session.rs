//! A conversation with the account's API.

use std::path::{Path, PathBuf};

use adit_account::{Account, Client, Error, Pages, Request, Response, TransportError};
use adit_config::TunnelId;
use adit_dial::Environment;
use tokio::runtime::{Builder, Runtime};

use super::certificate;
use crate::commands::Call;
use crate::failure::Failure;
use crate::program::UPSTREAM;
use adit_dialect::errno;

/// A conversation with the account's API.
#[derive(Debug)]
pub(crate) struct Session {
    /// The account.
    pub(crate) account: Account,
    /// The region of the account: empty, or `fed`.
    pub(crate) endpoint: String,
    /// Where the certificate was found.
    pub(crate) path: PathBuf,
    wire: Wire,
}

/// Sends requests and waits for the answers.
#[derive(Debug)]
pub(crate) struct Wire {
    client: Client,
    runtime: Runtime,
}

impl Session {
    /// Opens the API with the certificate of the user.
    ///
    /// # Errors
    ///
    /// Fails without a certificate, or without an address of the API.
    pub(crate) fn open(call: &Call<'_>) -> Result<Self, String> {
        let session = Self::open_quietly(call)?;
        if !session.endpoint.is_empty() {
            tracing::info!(
                "api-url" = adit_account::account::FED_API,
                "using fedramp base api"
            );
        }
        Ok(session)
    }

    /// Opens the API without a line about its region.
    ///
    /// # Errors
    ///
    /// Fails as [`Session::open`] does.
    pub(crate) fn open_quietly(call: &Call<'_>) -> Result<Self, String> {
        let found = certificate::find(call)?;
        let account = Account::new(&found.certificate, &call.options.text("api-url"), &agent(call))
            .map_err(|error| error.to_string())?;
        let is_fed = found.certificate.is_fed();
        Ok(Self {
            account,
            endpoint: if is_fed {
                adit_account::certificate::FED.into()
            } else {
                String::new()
            },
            path: found.path,
            wire: Wire::new(client(call))?,
        })
    }

    /// Returns the directory of the certificate, where credentials are kept.
    pub(crate) fn directory(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new(""))
    }

    /// Performs a call.
    pub(crate) fn call<T: Default>(&self, call: adit_account::Call<T>) -> Result<T, Error> {
        self.wire.runtime.block_on(self.wire.client.call(call))
    }

    /// Sends the request of a call whose answer is read elsewhere.
    pub(crate) fn send(&self, request: &Request) -> Result<Response, Error> {
        self.wire.send(request).map_err(Error::Transport)
    }

    /// Fetches a list.
    pub(crate) fn collect<T>(&self, pages: Pages<T>) -> Result<Vec<T>, Error> {
        self.wire.runtime.block_on(self.wire.client.collect(pages))
    }
}

impl Wire {
    /// Makes a wire of a client.
    ///
    /// # Errors
    ///
    /// Fails when the system gives no events.
    pub(crate) fn new(client: Client) -> Result<Self, String> {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| format!("cannot start: {}", errno::text(&error)))?;
        Ok(Self { client, runtime })
    }

    /// Sends a request.
    pub(crate) fn send(&self, request: &Request) -> Result<Response, TransportError> {
        self.runtime.block_on(self.client.send(request))
    }
}

/// Opens the API, with a plain failure.
pub(super) fn open(call: &Call<'_>) -> Result<Session, Failure> {
    Session::open(call).map_err(Failure::new)
}

/// Opens the API, with the failure of commands about networks.
pub(super) fn open_backend(call: &Call<'_>) -> Result<Session, Failure> {
    Session::open(call)
        .map_err(|reason| Failure::new(format!("error while creating backend client: {reason}")))
}

/// Returns a client that goes through the proxies of the environment.
pub(super) fn client(call: &Call<'_>) -> Client {
    Client::new(Environment::read(call.options.environment()))
}

/// Returns what the program calls itself to services.
pub(crate) fn agent(call: &Call<'_>) -> String {
    let name = &call.program.name;
    if call.program.is_upstream() {
        return format!("{name}/{UPSTREAM}");
    }
    format!("adit/{}", crate::program::VERSION)
}

/// Opens the API, with the failure of commands about networks behind what was tried.
pub(super) fn open_behind(call: &Call<'_>, what: &str) -> Result<Session, Failure> {
    open_backend(call).map_err(|failure| Failure::new(format!("{what}: {}", failure.text())))
}

/// Opens the API for a tunnel; one that goes by its name cannot be found without.
pub(super) fn open_for(call: &Call<'_>, reference: &str) -> Result<Session, Failure> {
    open(call).map_err(|failure| match TunnelId::parse(reference) {
        Ok(_) => failure,
        Err(_) => Failure::new(format!("error parsing tunnel ID: {}", failure.text())),
    })
}
