//! Unix sockets, by path or abstract name.

use adit_exchange::Io;
use tokio::net::UnixStream;

use adit_dial::Failure;

/// Connects to the socket at `path`; `@name` is an abstract one where the system has such.
///
/// # Errors
///
/// Fails with the text that names what was dialed and why that did not work.
pub(crate) async fn connect(path: &str) -> Result<Box<dyn Io>, Failure> {
    let failed = |error: std::io::Error| Failure::dialing(&format!("dial unix {path}"), &error);
    let stream = match path.strip_prefix('@') {
        Some(name) if cfg!(target_os = "linux") => UnixStream::connect(format!("\0{name}")).await,
        Some(_) | None => UnixStream::connect(path).await,
    };
    Ok(Box::new(stream.map_err(failed)?))
}
