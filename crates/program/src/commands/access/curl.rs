//! `access curl`: runs curl with a token, which nobody else on the machine gets to see.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::process::{Command, ExitCode, ExitStatus};

use adit_access::Address;

use super::{Call, client, refuse, run, verified};
use crate::failure::Failure;
use crate::program::tell;
use adit_dialect::errno;

/// A token may not be longer; a pipe holds twice as much without a reader.
const LONGEST: usize = 32 << 10;

/// Signs in to the application of the first argument and runs curl.
pub(in crate::commands) fn perform(call: &Call<'_>) -> Result<ExitCode, Failure> {
    let arguments = arguments(&call.options.arguments);
    let Some(first) = arguments.first() else {
        tracing::error!("Please provide the access app and command you wish to run.");
        return Err(Failure::new("incorrect args"));
    };
    let address = Address::parse_absolute(first).map_err(|error| {
        tracing::error!("Please provide a valid URL as the first argument to curl.");
        refuse(error)
    })?;
    let client = client(call);
    let token = run(call, async {
        let application = client.discover(&address).await?;
        verified(&client, &address, &application, false).await
    })?;
    let status = curl(arguments, &token).map_err(|error| refused(&error))?;
    Ok(passed_on(status))
}

/// Returns the arguments of curl. The word that lets requests pass without a token means nothing
/// here, where there is always one.
fn arguments(words: &[String]) -> &[String] {
    match words {
        [first, rest @ ..] if !rest.is_empty() && matches!(first.as_str(), "--allow-request" | "-ar") => rest,
        words => words,
    }
}

/// Runs curl; it reads the token from a pipe, because arguments can be read by everyone.
fn curl(arguments: &[String], token: &str) -> io::Result<ExitStatus> {
    let header = header(token)?;
    Command::new("curl")
        .args(arguments)
        .arg("-H")
        .arg(format!("@/dev/fd/{}", header.as_raw_fd()))
        .status()
}

/// Returns a pipe that children inherit, with the header in it.
fn header(token: &str) -> io::Result<OwnedFd> {
    if token.len() > LONGEST {
        return Err(io::Error::other("the token is too long"));
    }
    let (read, write) = rustix::pipe::pipe()?;
    let header = format!("Cf-Access-Token: {token}\n");
    File::from(write).write_all(header.as_bytes())?;
    Ok(read)
}

/// Tells how curl ended, in the way that scripts see it.
fn passed_on(status: ExitStatus) -> ExitCode {
    if status.success() {
        return ExitCode::SUCCESS;
    }
    let Some(code) = status.code() else {
        tell(&format!("{status}\n"));
        return ExitCode::FAILURE;
    };
    tell(&format!("exit status {code}\n"));
    u8::try_from(code).map_or(ExitCode::FAILURE, ExitCode::from)
}

fn refused(error: &io::Error) -> Failure {
    if error.kind() == io::ErrorKind::NotFound {
        return Failure::new("exec: \"curl\": executable file not found in $PATH");
    }
    Failure::new(errno::text(error))
}
