//! `edge`: plays Cloudflare's edge on this machine, for any connector.

use std::path::PathBuf;
use std::process::ExitCode;

use super::Call;
use super::r#try::front;
use crate::failure::Failure;
use crate::program::print;
use crate::runtime;
use crate::signals::Signals;
use adit_dialect::errno;

/// Plays the edge until it is told to stop.
pub(super) fn perform(call: &Call<'_>) -> Result<ExitCode, Failure> {
    runtime::start(&call.options)?.block_on(async {
        let mut signals = Signals::listen().map_err(|error| Failure::new(errno::text(&error)))?;
        let front = front(&call.options.text("listen"))?;
        let edge = adit_loopback::edge::new()
            .front(front)
            .run()
            .await
            .map_err(Failure::of_error)?;
        let authority = Authority::write(edge.authority().pem())?;
        let arguments = edge.arguments(&authority.file);
        let command: Vec<String> = arguments.iter().map(|word| quote(word)).collect();
        let name = &call.program.name;
        print(&format!(
            "An edge on this machine, until Ctrl-C. A connector joins it with:\n\n  {name} {}\n\n\
             Visitors are taken at http://{}/ and go where their Host header says.\n",
            command.join(" "),
            edge.front()
        ));
        signals.end().await;
        Ok(ExitCode::SUCCESS)
    })
}

/// The file that connectors read the edge's authority from; gone when this is dropped.
struct Authority {
    directory: PathBuf,
    file: PathBuf,
}

impl Authority {
    fn write(pem: &str) -> Result<Self, Failure> {
        let directory = std::env::temp_dir().join(format!("adit-edge-{}", std::process::id()));
        let file = directory.join("authority.pem");
        let written = std::fs::create_dir(&directory).and_then(|()| std::fs::write(&file, pem));
        match written {
            Ok(()) => Ok(Self { directory, file }),
            Err(error) => {
                let reason = errno::text(&error);
                Err(Failure::new(format!("cannot write {}: {reason}", file.display())))
            }
        }
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.directory) {
            tracing::debug!(error = errno::text(&error), "cannot remove the authority's file");
        }
    }
}

/// Quotes a word for a shell where that is needed.
fn quote(word: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./:=+,@".contains(letter);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}
