//! What is packaged is what is tested: the units, the Debian package, the one static file, and the
//! command lines of containers.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use adit_loopback::request::Request;

use crate::subject;
use crate::world::{self, visit};

const HARDENING: &str = include_str!("../crates/program/src/service/hardening.conf");
const TEMPLATE: &str = include_str!("../crates/program/src/service/cloudflared.service");

#[test]
fn the_packaged_unit_is_the_one_that_the_program_installs() {
    let expected = TEMPLATE
        .replace(
            "@COMMAND@",
            "/usr/bin/adit --no-autoupdate tunnel run --token-file ${CREDENTIALS_DIRECTORY}/token",
        )
        .replace("@CREDENTIALS@", "LoadCredential=token:/etc/cloudflared/token")
        .replace("@HARDENING@", HARDENING);
    assert_eq!(include_str!("../packaging/systemd/cloudflared.service"), expected);
}

#[test]
fn every_unit_has_every_restriction() {
    let units = [
        include_str!("../packaging/systemd/cloudflared.service"),
        include_str!("../packaging/systemd/cloudflared@.service"),
    ];
    let module = include_str!("../packaging/nix/module.nix");
    let lines = HARDENING
        .lines()
        .filter(|line| !line.starts_with('#') && !line.starts_with("LogsDirectory"));
    for line in lines {
        assert!(units.iter().all(|unit| unit.contains(line)), "{line}");
        let (key, _) = line.split_once('=').expect("a setting");
        assert!(module.contains(&format!(" {key} = ")), "{key}");
    }
}

/// Runs a command to its end; says that it is missing if it is.
fn run(command: &mut Command) -> Option<Output> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output();
    if output.is_err() {
        println!("packaging: skipped, {program} is missing");
    }
    output.ok()
}

fn succeeded(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn the_debian_package_installs_and_goes_again() {
    if !subject::is_ours() || run(Command::new("dpkg-deb").arg("--version")).is_none() {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let script = root().join("packaging/debian/build");
    let mut build = Command::new(script);
    build.arg(subject::path()).arg(folder.path()).arg("-Znone");
    let Some(built) = run(&mut build) else { return };
    let package = succeeded(&built).trim().to_owned();

    let machine = folder.path().join("machine");
    std::fs::create_dir_all(machine.join("var/lib/dpkg/info")).expect("folders");
    std::fs::create_dir_all(machine.join("var/lib/dpkg/updates")).expect("folders");
    std::fs::write(machine.join("var/lib/dpkg/status"), "").expect("a file");
    let dpkg = |action: &str, what: &str| {
        let mut dpkg = Command::new("dpkg");
        dpkg.arg(format!("--root={}", machine.display()))
            .args(["--force-script-chrootless", "--force-not-root", "--force-depends"])
            .args(["--log=/dev/null", action, what]);
        run(&mut dpkg).map(|output| succeeded(&output))
    };
    if dpkg("-i", &package).is_none() {
        return;
    }
    let link = machine.join("usr/local/bin/cloudflared");
    assert!(link.is_symlink());
    let version = run(Command::new(machine.join("usr/bin/cloudflared")).arg("--version"));
    assert!(succeeded(&version.expect("it is installed")).starts_with("cloudflared version "));
    assert!(dpkg("-r", "adit").is_some());
    assert!(!link.is_symlink() && !machine.join("usr/bin/adit").exists());
}

fn root() -> &'static Path {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    crate_folder
        .parent()
        .and_then(Path::parent)
        .expect("crates stand two levels down")
}

/// Returns the static program that `tests/run` builds beside the other one, if it is there.
fn static_program() -> Option<PathBuf> {
    let target = Path::new(env!("CARGO_BIN_EXE_adit")).parent()?.parent()?;
    let program = target.join("static/x86_64-unknown-linux-gnu/debug/adit");
    if program.exists() {
        return Some(program);
    }
    println!("packaging: skipped, there is no static program: tests/run builds it");
    None
}

#[test]
fn the_static_program_asks_for_no_interpreter() {
    let Some(program) = static_program() else { return };
    let bytes = std::fs::read(program).expect("it can be read");
    let number = |at: usize, length: usize| {
        let bytes = bytes[at..at + length].iter().rev();
        bytes.fold(0_usize, |number, byte| number << 8 | usize::from(*byte))
    };
    /// The type of a file that may be loaded anywhere.
    const ANYWHERE: usize = 3;
    /// The part of a file that names its interpreter.
    const INTERPRETER: usize = 3;
    assert_eq!(number(16, 2), ANYWHERE);
    let (first, size, count) = (number(32, 8), number(54, 2), number(56, 2));
    let parts = (0..count).map(|index| number(first + index * size, 4));
    assert!(!parts.into_iter().any(|part| part == INTERPRETER));
}

#[test]
fn the_static_program_needs_nothing_but_itself() {
    let networks = [
        ("both families", "ip link set lo up"),
        ("IPv6 alone", "ip link set lo up; ip addr del 127.0.0.1/8 dev lo"),
    ];
    let Some(program) = static_program() else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::copy(program, folder.path().join("adit")).expect("it can be copied");
    let isolated = |network: &str, rest: &str| {
        let script = format!("{network} && exec {rest}");
        let mut command = Command::new("unshare");
        command.args(["-n", "sh", "-c", &script, "sh"]).arg(folder.path());
        run(&mut command)
    };
    for (name, network) in networks {
        let possible = isolated(network, "true").is_some_and(|output| output.status.success());
        if !possible {
            println!("packaging: skipped, this machine gives no network with {name}");
            continue;
        }
        let tried = r#"chroot "$1" /adit try --request http://app.example.com/"#;
        let told = succeeded(&isolated(network, tried).expect("it could be started before"));
        assert!(
            told.starts_with("GET http://app.example.com/\n200\n"),
            "{name}: {told}"
        );
    }
}

/// Returns the words of a JSON list behind a text in a file.
fn words(text: &str, before: &str) -> Vec<String> {
    let line = text.lines().find_map(|line| line.split_once(before));
    let (_, list) = line.unwrap_or_else(|| panic!("no {before}"));
    serde_json::from_str(list).unwrap_or_else(|error| panic!("{before}{list}: {error}"))
}

#[tokio::test]
async fn containers_run_and_check_their_health_with_words_that_work() {
    let pod = include_str!("../packaging/kubernetes/adit.yaml");
    let image = include_str!("../packaging/container/Containerfile");
    let edge = world::edge().await;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("the file is written");
        path.display().to_string()
    };
    let token = file("token", &edge.credentials().token());
    let authority = file("authority.pem", edge.authority().pem());
    let addresses: Vec<String> = edge.addresses().iter().map(ToString::to_string).collect();
    let mut command = subject::command(folder.path());
    command
        .args(words(pod, "args: ").into_iter().map(|word| match word.as_str() {
            "0.0.0.0:2000" => "127.0.0.1:0".to_owned(),
            "/etc/cloudflared/token" => token.clone(),
            _ => word,
        }))
        .env("TUNNEL_EDGE", addresses.join(","))
        .env("TUNNEL_CACERT", authority)
        .env("TUNNEL_NO_PRECHECKS", "true")
        .env("ADIT_RESOLVER", edge.dns().address().to_string());
    let connector = subject::Subject::spawn(folder, command);
    world::registered(&edge, &connector).await;
    // There are no rules yet, which is an answer.
    assert_eq!(
        visit(&edge, Request::get("https://app.example.com/"))
            .await
            .status(),
        503
    );

    let line = connector.err.with("Starting metrics server on ").await;
    let (_, rest) = line.split_once("server on ").expect("just found");
    let (address, _) = rest.split_once("/metrics").expect("an address");
    let check = words(image, "--retries=3 CMD ").into_iter().skip(1);
    let check = check.map(|word| word.replace("localhost:20241", address));
    let checked = subject::run(&std::env::temp_dir(), check).await;
    assert_eq!(checked.status.code(), Some(0), "{}", checked.err);
}
