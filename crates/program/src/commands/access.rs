//! `access`: reaches applications behind Access as a user.

mod curl;
mod ssh;
mod tcp;

use std::future::Future;
use std::process::ExitCode;

use adit_access::{Address, Application, CacheError, Client, Error, Settings};
use adit_dial::Environment;

use super::Call;
use crate::cli::{self, Options};
use crate::failure::Failure;
use crate::program::{UPSTREAM, print, tell};
use crate::{browser, files, runtime};

pub(super) use curl::perform as curl;
pub(super) use ssh::{certificate as ssh_certificate, config as ssh_config};
pub(super) use tcp::{listen, perform as tcp};

/// `access login`: has a token that the edge takes, and prints it.
pub(super) fn login(call: &Call<'_>) -> Result<ExitCode, Failure> {
    let options = &call.options;
    let address = Address::parse(&named(options)).map_err(|error| {
        tracing::error!("Please provide the url of the Access application");
        refuse(error)
    })?;
    let client = client(call);
    let token = run(call, async {
        let application = client.discover(&address).await?;
        verified(&client, &address, &application, options.switch("auto-close")).await
    })?;
    if options.switch("quiet") {
    } else if options.switch("no-verbose") || options.some_text("app").is_some() {
        print(&token);
    } else {
        print(&format!("Successfully fetched your token:\n\n{token}\n\n"));
    }
    Ok(ExitCode::SUCCESS)
}

/// `access token`: prints the token of the cache.
pub(super) fn token(call: &Call<'_>) -> Result<ExitCode, Failure> {
    let address = Address::parse(&named(&call.options))
        .map_err(|error| Failure::new(format!("Please provide a url.\n{error}")))?;
    let client = client(call);
    let application = run(call, client.discover(&address))?;
    let token = client.cached(&application).map_err(|error| {
        let text =
            "Unable to find token for provided application. Please run login command to generate token.";
        Failure::new(if matches!(error, Error::Cache(CacheError::Expired)) {
            text.to_owned()
        } else {
            format!("{text}\n{error}")
        })
    })?;
    print(&token);
    Ok(ExitCode::SUCCESS)
}

/// Returns the application that is named, with a flag or without.
fn named(options: &Options) -> String {
    options
        .arguments
        .first()
        .cloned()
        .unwrap_or_else(|| options.text("app"))
}

/// Returns a token that the edge takes; logs what stands in the way.
async fn verified(
    client: &Client,
    address: &Address,
    application: &Application,
    auto_close: bool,
) -> Result<String, Error> {
    let token = client.verified_token(address, application, auto_close).await;
    token.inspect_err(|error| tracing::error!(error = %error, "Could not verify token"))
}

/// Returns a client of applications, with the tokens of the user.
fn client(call: &Call<'_>) -> Client {
    client_of(call, call.options.switch("fedramp"))
}

/// Returns a client of applications in one of the two clouds.
pub(super) fn client_of(call: &Call<'_>, fedramp: bool) -> Client {
    let options = &call.options;
    Client::new(Settings {
        folder: files::directories(options).into_iter().next().unwrap_or_default(),
        agent: format!("cloudflared/{UPSTREAM}"),
        program: call.program.name.clone(),
        fedramp,
        proxies: Environment::read(options.environment()),
        tell,
        visit: |link, program| browser::visit(link, program, "token"),
    })
}

/// Waits for what is to be done.
fn run<T>(call: &Call<'_>, task: impl Future<Output = Result<T, Error>>) -> Result<T, Failure> {
    let runtime = runtime::start(&call.options)?;
    let outcome = runtime.block_on(task);
    // A thread may still wait for standard input.
    runtime.shutdown_background();
    outcome.map_err(refuse)
}

/// Prints the help of the command instead of doing anything.
fn help(call: &Call<'_>) -> ExitCode {
    print(&cli::help(&call.program.name, &call.options.path()));
    ExitCode::SUCCESS
}

fn refuse(error: Error) -> Failure {
    Failure::new(error.to_string())
}
