//! Sans-IO. The program as a service of a machine: what each service manager is given.
//!
//! The texts stand beside this file, as data; here their gaps are filled.

/// Where the configuration and the token of the service stand.
pub(crate) const DIRECTORY: &str = "/etc/cloudflared";

/// The token of the service.
pub(crate) const TOKEN: &str = "/etc/cloudflared/token";

/// The configuration of the service.
pub(crate) const CONFIGURATION: &str = "/etc/cloudflared/config.yml";

/// The units that earlier installations may have left behind.
pub(crate) const UNITS: [&str; 3] = [UNIT, "cloudflared-update.service", UPDATE_TIMER];

/// The unit of the service.
pub(crate) const UNIT: &str = "cloudflared.service";

/// The unit that upstream's installations update themselves by.
pub(crate) const UPDATE_TIMER: &str = "cloudflared-update.timer";

/// Where units stand.
pub(crate) const UNIT_DIRECTORY: &str = "/etc/systemd/system";

/// The script of OpenRC and of SysV.
pub(crate) const SCRIPT: &str = "/etc/init.d/cloudflared";

/// The settings of OpenRC's script.
pub(crate) const SETTINGS: &str = "/etc/conf.d/cloudflared";

const SYSTEMD_UNIT: &str = include_str!("service/cloudflared.service");
const HARDENING: &str = include_str!("service/hardening.conf");
const OPENRC_SCRIPT: &str = include_str!("service/openrc.sh");
const OPENRC_SETTINGS: &str = include_str!("service/openrc.conf");
const SYSV_SCRIPT: &str = include_str!("service/sysv.sh");

/// Who starts services on a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manager {
    /// systemd.
    Systemd,
    /// OpenRC.
    OpenRc,
    /// Scripts in `/etc/init.d`.
    SysV,
}

/// What the service does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Job {
    /// The path of the program.
    pub(crate) executable: String,
    /// How it knows its tunnel.
    pub(crate) tunnel: Tunnel,
    /// Whether the user wants to hear nothing of updates.
    pub(crate) no_updates: bool,
}

/// How the service knows its tunnel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Tunnel {
    /// By the token in its file.
    Token,
    /// By the configuration in its file.
    Configuration {
        /// The credentials file that the configuration names.
        credentials: String,
        /// Whether only root can read the configuration.
        private: bool,
    },
}

/// A file of the service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Text {
    /// Where it stands.
    pub(crate) path: String,
    /// Its permissions.
    pub(crate) mode: u32,
    /// What it says.
    pub(crate) text: Vec<u8>,
}

/// A command line of a service manager.
pub(crate) type Words = &'static [&'static str];

impl Manager {
    /// Returns who starts services, by what is there on this machine.
    pub(crate) fn of_machine(exists: impl Fn(&str) -> bool) -> Self {
        const OPENRC: [&str; 3] = ["/sbin/openrc-run", "/usr/sbin/openrc-run", "/usr/bin/openrc-run"];
        if exists("/run/systemd/system") {
            Self::Systemd
        } else if OPENRC.into_iter().any(exists) {
            Self::OpenRc
        } else {
            Self::SysV
        }
    }

    /// Returns its name as the log has it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Systemd => "Systemd",
            Self::OpenRc => "OpenRC",
            Self::SysV => "SysV",
        }
    }

    /// Returns the files that the service is made of.
    pub(crate) fn files(self, job: &Job) -> Vec<Text> {
        match self {
            Self::Systemd => vec![Text {
                path: format!("{UNIT_DIRECTORY}/{UNIT}"),
                mode: 0o644,
                text: unit(job).into(),
            }],
            Self::OpenRc => vec![
                Text {
                    path: SETTINGS.into(),
                    mode: 0o644,
                    text: OPENRC_SETTINGS.into(),
                },
                script(OPENRC_SCRIPT, job),
            ],
            Self::SysV => vec![script(SYSV_SCRIPT, job)],
        }
    }

    /// Returns the links that make the machine start and stop the service, and what they point to.
    pub(crate) fn links(self) -> Vec<(String, &'static str)> {
        let link = |level: char, name| (format!("/etc/rc{level}.d/{name}"), SCRIPT);
        match self {
            Self::Systemd | Self::OpenRc => Vec::new(),
            Self::SysV => {
                let starts = "2345".chars().map(|level| link(level, "S50et"));
                starts
                    .chain("016".chars().map(|level| link(level, "K02et")))
                    .collect()
            }
        }
    }

    /// Returns the commands that start the service, now and with the machine.
    pub(crate) const fn start(self) -> &'static [Words] {
        match self {
            Self::Systemd => &[
                &["systemctl", "enable", UNIT],
                &["systemctl", "daemon-reload"],
                &["systemctl", "start", UNIT],
            ],
            Self::OpenRc => &[
                &["rc-update", "add", "cloudflared", "default"],
                &["rc-service", "cloudflared", "start"],
            ],
            Self::SysV => &[&["service", "cloudflared", "start"]],
        }
    }
}

/// Returns the unit of systemd.
fn unit(job: &Job) -> String {
    let (arguments, credentials) = credentials(&job.tunnel);
    let command = format!("{} --no-autoupdate {arguments}", word(&job.executable));
    let mut hardening = HARDENING.to_owned();
    if is_hidden(&job.executable) {
        let path = quoted(&job.executable);
        hardening.push_str(&format!("BindReadOnlyPaths={path}\n"));
    }
    SYSTEMD_UNIT
        .replace("@COMMAND@", &command)
        .replace("@CREDENTIALS@", &credentials)
        .replace("@HARDENING@", &hardening)
}

/// Returns the arguments of the service, and the lines by which systemd hands it, in a directory that
/// nobody else can read, the files that only root can read.
fn credentials(tunnel: &Tunnel) -> (String, String) {
    const HANDED: &str = "${CREDENTIALS_DIRECTORY}";
    let (file, private) = match tunnel {
        Tunnel::Token => {
            let arguments = format!("tunnel run --token-file {HANDED}/token");
            return (arguments, format!("LoadCredential=token:{TOKEN}"));
        }
        Tunnel::Configuration { credentials, private } => (specifier_free(credentials), *private),
    };
    let mut lines = format!("LoadCredential=credentials.json:{file}");
    let mut configuration = CONFIGURATION.to_owned();
    if private {
        lines.push_str(&format!("\nLoadCredential=config.yml:{CONFIGURATION}"));
        configuration = format!("{HANDED}/config.yml");
    }
    let arguments =
        format!("--config {configuration} tunnel run --credentials-file {HANDED}/credentials.json");
    (arguments, lines)
}

/// Returns whether the service sees nothing of the place where the program stands.
fn is_hidden(executable: &str) -> bool {
    const HIDDEN: [&str; 5] = ["/home/", "/root/", "/run/user/", "/tmp/", "/var/tmp/"];
    HIDDEN.iter().any(|place| executable.starts_with(place))
}

/// Returns the script of an init system.
fn script(template: &str, job: &Job) -> Text {
    let duty = match job.tunnel {
        Tunnel::Token => format!("tunnel run --token-file {TOKEN}"),
        Tunnel::Configuration { .. } => format!("--config {CONFIGURATION} tunnel run"),
    };
    let updates = if job.no_updates {
        "--no-autoupdate"
    } else {
        "--autoupdate-freq 24h0m0s"
    };
    Text {
        path: SCRIPT.into(),
        mode: 0o755,
        text: template
            .replace("@EXECUTABLE@", &job.executable)
            .replace("@ARGUMENTS@", &format!(" {updates} {duty}"))
            .into(),
    }
}

/// Returns a text as one word of a command line of systemd.
fn word(text: &str) -> String {
    quoted(text).replace('$', "$$")
}

/// Returns a text in the quotes of systemd, if it needs them.
fn quoted(text: &str) -> String {
    let text = specifier_free(text);
    if !text.contains([' ', '\t', '"', '\'', '\\', ';']) {
        return text;
    }
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{escaped}\"")
}

/// Returns a text in which systemd sees no specifiers.
fn specifier_free(text: &str) -> String {
    text.replace('%', "%%")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(executable: &str, tunnel: Tunnel) -> Job {
        Job {
            executable: executable.into(),
            tunnel,
            no_updates: false,
        }
    }

    fn by_configuration() -> Tunnel {
        Tunnel::Configuration {
            credentials: "/root/.cloudflared/100%.json".into(),
            private: false,
        }
    }

    #[test]
    fn the_manager_is_known_by_what_it_leaves_on_the_machine() {
        let cases: [(&[&str], Manager); 5] = [
            (&["/run/systemd/system"], Manager::Systemd),
            (&["/run/systemd/system", "/sbin/openrc-run"], Manager::Systemd),
            (&["/sbin/openrc-run"], Manager::OpenRc),
            (&["/usr/bin/openrc-run"], Manager::OpenRc),
            (&[], Manager::SysV),
        ];
        for (there, expected) in cases {
            assert_eq!(Manager::of_machine(|path| there.contains(&path)), expected);
        }
    }

    #[test]
    fn the_unit_hands_the_secret_over_in_a_file() {
        let cases = [
            (
                job("/usr/bin/adit", Tunnel::Token),
                "ExecStart=/usr/bin/adit --no-autoupdate tunnel run --token-file ${CREDENTIALS_DIRECTORY}/token\n",
                "LoadCredential=token:/etc/cloudflared/token\n",
            ),
            (
                job("/opt/a b/50%$", by_configuration()),
                "ExecStart=\"/opt/a b/50%%$$\" --no-autoupdate --config /etc/cloudflared/config.yml tunnel run \
                 --credentials-file ${CREDENTIALS_DIRECTORY}/credentials.json\n",
                "LoadCredential=credentials.json:/root/.cloudflared/100%%.json\n",
            ),
        ];
        for (job, command, credential) in cases {
            let unit = unit(&job);
            assert!(unit.contains(command), "{unit}");
            assert!(unit.contains(credential), "{unit}");
            assert!(unit.contains("\nDynamicUser=yes\n"), "{unit}");
            assert!(!unit.contains("@C") && !unit.contains("@H"), "{unit}");
        }
    }

    #[test]
    fn a_configuration_that_only_root_can_read_is_handed_over_too() {
        let tunnel = Tunnel::Configuration {
            credentials: "/c.json".into(),
            private: true,
        };
        let unit = unit(&job("/usr/bin/adit", tunnel));
        assert!(
            unit.contains(" --config ${CREDENTIALS_DIRECTORY}/config.yml "),
            "{unit}"
        );
        assert!(
            unit.contains("\nLoadCredential=config.yml:/etc/cloudflared/config.yml\n"),
            "{unit}"
        );
    }

    #[test]
    fn a_program_in_a_home_stays_visible_to_its_service() {
        let cases = [
            ("/usr/local/bin/adit", None),
            ("/root/adit", Some("BindReadOnlyPaths=/root/adit\n")),
            (
                "/home/me/my adit",
                Some("BindReadOnlyPaths=\"/home/me/my adit\"\n"),
            ),
        ];
        for (executable, line) in cases {
            let unit = unit(&job(executable, Tunnel::Token));
            match line {
                Some(line) => assert!(unit.contains(line), "{unit}"),
                None => assert!(!unit.contains("BindReadOnlyPaths"), "{unit}"),
            }
        }
    }

    #[test]
    fn scripts_have_no_gap_left() {
        for manager in [Manager::OpenRc, Manager::SysV] {
            for tunnel in [Tunnel::Token, by_configuration()] {
                for text in manager.files(&job("/usr/bin/adit", tunnel.clone())) {
                    let text = String::from_utf8(text.text).unwrap();
                    assert!(!text.contains("@A") && !text.contains("@E"), "{text}");
                }
            }
        }
    }
}
