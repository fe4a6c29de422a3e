//! `service`: makes the program a service of this machine, and undoes it.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, ExitCode, ExitStatus, Stdio};

use adit_config::{Token, Value};

use super::Call;
use crate::failure::Failure;
use crate::files;
use crate::service::{self, Job, Manager, Text, Tunnel};
use adit_dialect::errno;

/// Installs the service and starts it.
pub(super) fn install(call: &Call<'_>) -> Result<ExitCode, Failure> {
    make_directory()?;
    let token = call.options.arguments.first();
    let (tunnel, copy) = match token {
        Some(token) => (by_token(call, token)?, None),
        None => by_configuration(call)?,
    };
    let manager = Manager::of_machine(|path| Path::new(path).exists());
    tracing::info!("Using {}", manager.name());
    let job = Job {
        executable: executable()?,
        tunnel,
        no_updates: call.options.switch("no-update-service"),
    };
    let mut files = manager.files(&job);
    if let Some(file) = files.iter().find(|file| Path::new(&file.path).exists()) {
        return Err(already_there(call, manager, &file.path));
    }
    files.extend(copy);
    let mut made = Made::default();
    let installed = made
        .files(&files)
        .and_then(|()| made.secret(token.map(String::as_str)))
        .and_then(|()| {
            made.links(manager);
            start(manager)
        });
    if let Err(failure) = installed {
        made.undo();
        return Err(failure);
    }
    tracing::info!("Linux service for cloudflared installed successfully");
    Ok(ExitCode::SUCCESS)
}

/// Stops the service and removes it.
pub(super) fn uninstall() -> Result<ExitCode, Failure> {
    let manager = Manager::of_machine(|path| Path::new(path).exists());
    tracing::info!("Using {}", manager.name());
    let removed = match manager {
        Manager::Systemd => remove_units(),
        Manager::OpenRc => remove_openrc(),
        Manager::SysV => remove_sysv(),
    };
    // A service that could not be removed cleanly shall not keep its secret either.
    if let Err(error) = fs::remove_file(service::TOKEN)
        && error.kind() != io::ErrorKind::NotFound
    {
        let (path, error) = (service::TOKEN, errno::text(&error));
        tracing::warn!(error, "Could not remove service token file at {path}");
    }
    removed?;
    tracing::info!("Linux service for cloudflared uninstalled successfully");
    Ok(ExitCode::SUCCESS)
}

fn make_directory() -> Result<(), Failure> {
    let path = service::DIRECTORY;
    let made = fs::DirBuilder::new().recursive(true).mode(0o755).create(path);
    made.map_err(|error| cannot("create", path, &error))
}

fn by_token(call: &Call<'_>, token: &str) -> Result<Tunnel, Failure> {
    call.log.control.hide(token);
    Token::read(token).map_err(|error| {
        Failure::new(format!(
            "could not write token to configuration directory: Provided tunnel token is not valid ({error})."
        ))
    })?;
    Ok(Tunnel::Token)
}

/// Takes over the configuration of the user, whose credentials stay where they are. Returns the copy
/// to be made, if any.
fn by_configuration(call: &Call<'_>) -> Result<(Tunnel, Option<Text>), Failure> {
    let configuration = &call.configuration;
    let path = &configuration.path;
    if path.is_empty() {
        return Err(Failure::new(files::no_configuration()));
    }
    let file = configuration.file();
    let credentials = match file.setting("credentials-file") {
        Some(Value::Text(credentials)) if !credentials.is_empty() => credentials,
        _ => "",
    };
    if file.tunnel.is_empty() || credentials.is_empty() {
        return Err(Failure::new(format!(
            "configuration file {path} must contain entries for the tunnel to run and its associated credentials \
             (tunnel: TUNNEL-UUID, credentials-file: CREDENTIALS-FILE)"
        )));
    }
    let credentials = files::expand(&call.options, credentials);
    let credentials = std::path::absolute(&credentials).unwrap_or(credentials);
    let copy = copy(path)?;
    let tunnel = Tunnel::Configuration {
        credentials: credentials.display().to_string(),
        private: copy.is_none() && is_private(),
    };
    Ok((tunnel, copy))
}

/// Returns the copy of a configuration that stands elsewhere.
fn copy(path: &str) -> Result<Option<Text>, Failure> {
    let ours = service::CONFIGURATION;
    if path == ours {
        return Ok(None);
    }
    if Path::new(ours).exists() {
        return Err(Failure::new(format!(
            "possible conflicting configuration in {path} and {ours}. Either remove {ours} or run \
             `cloudflared --config {ours} service install`"
        )));
    }
    let text = fs::read(path).map_err(|error| cannot("read", path, &error))?;
    Ok(Some(Text {
        path: ours.into(),
        mode: 0o644,
        text,
    }))
}

/// Returns whether only root can read the configuration of the service.
fn is_private() -> bool {
    let lets_all =
        |path, mode| fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & mode == mode);
    !(lets_all(service::DIRECTORY, 0o001) && lets_all(service::CONFIGURATION, 0o004))
}

fn executable() -> Result<String, Failure> {
    let path = std::env::current_exe();
    let path =
        path.map_err(|error| Failure::new(format!("this program is not found: {}", errno::text(&error))))?;
    Ok(path.display().to_string())
}

fn already_there(call: &Call<'_>, manager: Manager, path: &str) -> Failure {
    let name = &call.program.name;
    let text = format!("cloudflared service is already installed at {path}");
    if manager == Manager::Systemd {
        tracing::error!(error = text, "error generating service template");
    }
    Failure::new(text).hint(format!(
        "`{name} service uninstall` removes it; nothing was changed"
    ))
}

fn start(manager: Manager) -> Result<(), Failure> {
    let [first @ .., last] = manager.start() else {
        return Ok(());
    };
    for words in first {
        must(words)?;
    }
    // What goes wrong here is what the user is told last.
    run(last)
}

/// What an installation has changed so far, in order to change it back.
#[derive(Debug, Default)]
struct Made {
    paths: Vec<String>,
    /// The token that stood there before.
    before: Option<Vec<u8>>,
}

impl Made {
    fn files(&mut self, files: &[Text]) -> Result<(), Failure> {
        for file in files {
            write(&file.path, file.mode, &file.text).map_err(|error| cannot("write", &file.path, &error))?;
            self.paths.push(file.path.clone());
        }
        Ok(())
    }

    fn secret(&mut self, token: Option<&str>) -> Result<(), Failure> {
        let Some(token) = token else {
            return Ok(());
        };
        self.before = fs::read(service::TOKEN).ok();
        write(service::TOKEN, 0o600, token.as_bytes())
            .map_err(|error| cannot("write", service::TOKEN, &error))?;
        self.paths.push(service::TOKEN.to_owned());
        Ok(())
    }

    fn links(&mut self, manager: Manager) {
        for (path, target) in manager.links() {
            // A machine without this level of operation does without its link.
            if symlink(target, &path).is_ok() {
                self.paths.push(path);
            }
        }
    }

    fn undo(self) {
        for path in &self.paths {
            let undone = match &self.before {
                Some(before) if path == service::TOKEN => write(path, 0o600, before),
                _ => fs::remove_file(path),
            };
            if let Err(error) = undone {
                tracing::warn!(error = errno::text(&error), "{path} is left behind");
            }
        }
    }
}

/// Writes a file so that it is there whole or not at all, its directory too.
fn write(path: &str, mode: u32, text: &[u8]) -> io::Result<()> {
    if let Some(directory) = Path::new(path).parent() {
        fs::create_dir_all(directory)?;
    }
    let fresh = format!("{path}.new");
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
        .open(&fresh)?;
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    file.write_all(text)?;
    file.sync_all()?;
    fs::rename(&fresh, path)
}

fn remove_units() -> Result<(), Failure> {
    let there = |unit: &str| Path::new(service::UNIT_DIRECTORY).join(unit).exists();
    for unit in service::UNITS.into_iter().filter(|unit| !there(unit)) {
        tracing::info!("Service '{unit}' not installed, skipping its uninstall");
    }
    if there(service::UNIT) {
        must(&["systemctl", "disable", service::UNIT])?;
        must(&["systemctl", "stop", service::UNIT])?;
    }
    if there(service::UPDATE_TIMER) {
        must(&["systemctl", "stop", service::UPDATE_TIMER])?;
    }
    for unit in service::UNITS.into_iter().filter(|unit| there(unit)) {
        remove(&format!("{}/{unit}", service::UNIT_DIRECTORY))?;
    }
    must(&["systemctl", "daemon-reload"])
}

fn remove_openrc() -> Result<(), Failure> {
    if let Err(failure) = run(&["rc-service", "cloudflared", "stop"]) {
        tracing::warn!(
            error = failure.text(),
            "could not stop cloudflared OpenRC service, continuing uninstall"
        );
    }
    if let Err(failure) = run(&["rc-update", "del", "cloudflared", "default"]) {
        tracing::warn!(
            error = failure.text(),
            "could not remove cloudflared from the default runlevel, continuing uninstall"
        );
    }
    for path in [service::SCRIPT, service::SETTINGS] {
        if Path::new(path).exists() {
            remove(path)?;
        }
    }
    Ok(())
}

fn remove_sysv() -> Result<(), Failure> {
    must(&["service", "cloudflared", "stop"])?;
    remove(service::SCRIPT)?;
    for (path, _) in Manager::SysV.links() {
        remove_link(&path);
    }
    Ok(())
}

/// Removes a link that may never have been made.
fn remove_link(path: &str) {
    match fs::remove_file(path) {
        Ok(()) | Err(_) => {}
    }
}

fn remove(path: &str) -> Result<(), Failure> {
    fs::remove_file(path).map_err(|error| {
        let reason = errno::text(&error);
        let text = format!("error deleting {path}: remove {path}: {reason}");
        tracing::error!(error = text, "error removing service template");
        Failure::new(text)
    })
}

/// Runs a command without which there is no point in going on.
fn must(words: &[&str]) -> Result<(), Failure> {
    run(words).map_err(logged(words))
}

fn logged(words: &[&str]) -> impl Fn(Failure) -> Failure {
    let line = words.join(" ");
    move |failure| {
        tracing::error!(error = failure.text(), "{line} error");
        failure
    }
}

/// Returns why a program did not start.
fn reason(program: &str, error: &io::Error) -> String {
    if error.kind() == io::ErrorKind::NotFound {
        return format!("exec: \"{program}\": executable file not found in $PATH");
    }
    errno::text(error)
}

fn run(words: &[&str]) -> Result<(), Failure> {
    let Some((program, arguments)) = words.split_first() else {
        return Ok(());
    };
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null());
    let output = command
        .output()
        .map_err(|error| Failure::new(format!("error starting {program}: {}", reason(program, &error))))?;
    if output.status.success() {
        return Ok(());
    }
    let (arguments, end) = (arguments.join(" "), end(output.status));
    let said = String::from_utf8_lossy(&output.stderr);
    Err(Failure::new(format!(
        "{program} [{arguments}] returned with error code {end} due to: {said}"
    )))
}

fn end(status: ExitStatus) -> String {
    match status.code() {
        Some(code) => format!("exit status {code}"),
        None => status.to_string(),
    }
}

fn cannot(verb: &str, path: &str, error: &io::Error) -> Failure {
    let failure = Failure::new(format!("cannot {verb} {path}: {}", errno::text(error)));
    if error.kind() == io::ErrorKind::PermissionDenied {
        return failure.hint("services are installed by root");
    }
    failure
}
