//! The tree of commands, with the flags of each.

use super::flag::{Flag, list, moment, number, switch, text, unsigned};
use super::flags::{RUN, TUNNEL};

/// A command and everything below it.
#[derive(Debug)]
pub(crate) struct Command {
    /// The word on the command line.
    pub(crate) name: &'static str,
    /// Further words for it.
    pub(crate) also: &'static [&'static str],
    /// One line of help.
    pub(crate) about: &'static str,
    /// Its arguments as help shows them.
    pub(crate) arguments: &'static str,
    /// Its flags, in groups.
    pub(crate) flags: &'static [&'static [Flag]],
    /// The commands below it.
    pub(crate) commands: &'static [Self],
    /// What it does.
    pub(crate) action: Action,
    /// How much of its line is flags.
    pub(crate) line: Line,
    /// Whether help leaves it out.
    pub(crate) hidden: bool,
}

/// How much of a command's line is flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// Flags may stand anywhere.
    Free,
    /// What follows the first argument is text.
    Text,
    /// Nothing is a flag.
    Verbatim,
}

/// What a command does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Groups other commands and does nothing by itself.
    Group,
    /// Runs what the flags ask for: a quick tunnel, a tunnel by name, or a service.
    Bare,
    Tunnel,
    Run,
    Ready,
    Diag,
    Validate,
    Rule,
    Version,
    Update,
    Try,
    Edge,
    Completions,
    Man,
    ServiceInstall,
    ServiceUninstall,
    DnsProxy,
    DbConnect,
    Login,
    Create,
    List,
    Info,
    Delete,
    Cleanup,
    Token,
    RouteDns,
    RouteLb,
    RouteIpAdd,
    RouteIpShow,
    RouteIpDelete,
    RouteIpGet,
    VnetAdd,
    VnetList,
    VnetDelete,
    VnetUpdate,
    Tail,
    TailToken,
    ManagementToken,
    AccessLogin,
    AccessCurl,
    AccessToken,
    AccessTcp,
    AccessSshConfig,
    AccessSshGen,
}

impl Command {
    /// Returns whether the command goes by this word.
    pub(crate) fn is(&self, word: &str) -> bool {
        self.name == word || self.also.contains(&word)
    }

    /// Returns the command below this one that goes by this word.
    pub(crate) fn below(&'static self, word: &str) -> Option<&'static Self> {
        self.commands.iter().find(|command| command.is(word))
    }

    /// Returns its own flags.
    pub(crate) fn own(&self) -> impl Iterator<Item = &'static Flag> + use<> {
        self.flags.iter().copied().flatten()
    }

    /// Returns whether commands stand below it.
    pub(crate) const fn is_group(&self) -> bool {
        !self.commands.is_empty()
    }

    const fn new(name: &'static str, action: Action, about: &'static str) -> Self {
        Self {
            name,
            also: &[],
            about,
            arguments: "",
            flags: &[],
            commands: &[],
            action,
            line: Line::Free,
            hidden: false,
        }
    }

    const fn group(name: &'static str, about: &'static str, commands: &'static [Self]) -> Self {
        Self::new(name, Action::Group, about).with(commands)
    }

    const fn also(mut self, words: &'static [&'static str]) -> Self {
        self.also = words;
        self
    }

    const fn takes(mut self, arguments: &'static str) -> Self {
        self.arguments = arguments;
        self
    }

    const fn flags(mut self, flags: &'static [&'static [Flag]]) -> Self {
        self.flags = flags;
        self
    }

    const fn with(mut self, commands: &'static [Self]) -> Self {
        self.commands = commands;
        self
    }

    const fn line(mut self, line: Line) -> Self {
        self.line = line;
        self
    }

    const fn hidden(mut self) -> Self {
        self.hidden = true;
        self
    }
}

/// The program.
pub(crate) static ROOT: Command = Command::new(
    "adit",
    Action::Bare,
    "Connects services on this machine to Cloudflare's edge",
)
.flags(TUNNEL)
.with(&[
    Command::new(
        "try",
        Action::Try,
        "Show what a configuration does, with no account",
    )
    .flags(&[TRY]),
    Command::new("edge", Action::Edge, "Play Cloudflare's edge on this machine").flags(&[EDGE]),
    Command::new("update", Action::Update, "Say how this program is updated").flags(&[UPDATE]),
    Command::new("version", Action::Version, "Print the version").flags(&[VERSION]),
    Command::new(
        "completions",
        Action::Completions,
        "Print completions for a shell",
    )
    .takes("SHELL"),
    Command::new("man", Action::Man, "Print the manual page"),
    Command::new("proxy-dns", Action::DnsProxy, "Gone: the DNS proxy").line(Line::Verbatim),
    TUNNEL_COMMAND,
    Command::new("login", Action::Login, "Log in to an account")
        .flags(&[LOGIN])
        .hidden(),
    DB_CONNECT,
    Command::group("access", "Reach applications behind Access", ACCESS_COMMANDS)
        .also(&["forward"])
        .flags(&[ACCESS]),
    Command::new("tail", Action::Tail, "Follow the log of a running connector")
        .takes("[TUNNEL-ID]")
        .flags(&[TAIL])
        .with(&[
            Command::new("token", Action::TailToken, "Print a token for the log")
                .takes("TUNNEL-ID")
                .hidden(),
        ]),
    Command::group(
        "management",
        "Look into running connectors",
        &[
            Command::new("token", Action::ManagementToken, "Print a management token")
                .takes("TUNNEL-ID")
                .flags(&[MANAGEMENT_TOKEN])
                .hidden(),
        ],
    )
    .hidden(),
    Command::group(
        "service",
        "Run as a service of this machine",
        &[
            Command::new("install", Action::ServiceInstall, "Install and start the service")
                .takes("[TOKEN]")
                .flags(&[SERVICE_INSTALL]),
            Command::new(
                "uninstall",
                Action::ServiceUninstall,
                "Stop and remove the service",
            ),
        ],
    ),
]);

const TUNNEL_COMMAND: Command = Command::new("tunnel", Action::Tunnel, "Run and look after tunnels")
    .flags(TUNNEL)
    .with(&[
        Command::new("login", Action::Login, "Log in to an account").flags(&[LOGIN]),
        Command::new("create", Action::Create, "Create a tunnel")
            .takes("NAME")
            .flags(&[CREATE]),
        Command::group("route", "Choose what reaches a tunnel", ROUTE_COMMANDS),
        Command::group("vnet", "Keep virtual networks apart", VNET_COMMANDS),
        Command::new("run", Action::Run, "Run a tunnel")
            .takes("[TUNNEL]")
            .flags(RUN),
        Command::new("list", Action::List, "List tunnels").flags(&[LIST]),
        Command::new(
            "ready",
            Action::Ready,
            "Ask a running connector whether it is ready",
        ),
        Command::new("info", Action::Info, "List the connectors of a tunnel")
            .takes("TUNNEL")
            .flags(&[INFO]),
        Command::group(
            "ingress",
            "Check the rules of a configuration file",
            &[
                Command::new("validate", Action::Validate, "Check every rule").flags(&[INGRESS_VALIDATE]),
                Command::new("rule", Action::Rule, "Show which rule answers a URL").takes("URL"),
            ],
        )
        .hidden(),
        Command::new("delete", Action::Delete, "Delete tunnels")
            .takes("TUNNEL...")
            .flags(&[DELETE]),
        Command::new("cleanup", Action::Cleanup, "Remove the connections of a tunnel")
            .takes("TUNNEL...")
            .flags(&[CLEANUP]),
        Command::new("token", Action::Token, "Print the token of a tunnel")
            .takes("TUNNEL")
            .flags(&[TOKEN]),
        Command::new("diag", Action::Diag, "Collect what support needs to know").flags(&[DIAG]),
        DB_CONNECT,
        Command::new("proxy-dns", Action::DnsProxy, "Gone: the DNS proxy").line(Line::Verbatim),
    ]);

const DB_CONNECT: Command = Command::new("db-connect", Action::DbConnect, "Gone").hidden();

const ROUTE_COMMANDS: &[Command] = &[
    Command::new("dns", Action::RouteDns, "Point a DNS name at a tunnel")
        .takes("TUNNEL HOSTNAME")
        .flags(&[ROUTE_DNS]),
    Command::new("lb", Action::RouteLb, "Add a tunnel to a load balancer pool").takes("TUNNEL HOSTNAME POOL"),
    Command::group(
        "ip",
        "Route private networks",
        &[
            Command::new("add", Action::RouteIpAdd, "Route a network through a tunnel")
                .takes("CIDR TUNNEL [COMMENT...]")
                .flags(&[ROUTE_IP_ADD])
                .line(Line::Text),
            Command::new("show", Action::RouteIpShow, "List the routes")
                .also(&["list"])
                .flags(&[ROUTE_IP_SHOW]),
            Command::new("delete", Action::RouteIpDelete, "Delete a route")
                .takes("ROUTE-ID|CIDR")
                .flags(&[ROUTE_IP_DELETE]),
            Command::new("get", Action::RouteIpGet, "Show the route of an address")
                .takes("IP")
                .flags(&[ROUTE_IP_GET]),
        ],
    ),
];

const VNET_COMMANDS: &[Command] = &[
    Command::new("add", Action::VnetAdd, "Create a virtual network")
        .takes("NAME [COMMENT...]")
        .flags(&[VNET_ADD])
        .line(Line::Text),
    Command::new("list", Action::VnetList, "List virtual networks").flags(&[VNET_LIST]),
    Command::new("delete", Action::VnetDelete, "Delete a virtual network")
        .takes("VNET")
        .flags(&[VNET_DELETE]),
    Command::new("update", Action::VnetUpdate, "Change a virtual network")
        .takes("VNET")
        .flags(&[VNET_UPDATE]),
];

const ACCESS_COMMANDS: &[Command] = &[
    Command::new("login", Action::AccessLogin, "Sign in to an application")
        .takes("URL")
        .flags(&[ACCESS_LOGIN]),
    Command::new(
        "curl",
        Action::AccessCurl,
        "Run curl with a token of the application",
    )
    .takes("URL [CURL-ARGUMENT...]")
    .line(Line::Verbatim),
    Command::new("token", Action::AccessToken, "Print a token of the application").flags(&[ACCESS_TOKEN]),
    Command::new(
        "tcp",
        Action::AccessTcp,
        "Carry a TCP connection to an application",
    )
    .also(&["rdp", "ssh", "smb"])
    .flags(&[ACCESS_TCP]),
    Command::new(
        "ssh-config",
        Action::AccessSshConfig,
        "Print configuration for ssh",
    )
    .flags(&[ACCESS_SSH_CONFIG]),
    Command::new(
        "ssh-gen",
        Action::AccessSshGen,
        "Fetch a short-lived ssh certificate",
    )
    .flags(&[ACCESS_SSH_GEN]),
];

const VERSION: &[Flag] = &[switch("short", "Print the number only").also(&["s"])];

const UPDATE: &[Flag] = &[
    switch("beta", "No effect; this program never replaces itself"),
    switch("force", "No effect; this program never replaces itself").hidden(),
    switch("staging", "No effect; this program never replaces itself").hidden(),
    text("version", "No effect; this program never replaces itself"),
];

const SERVICE_INSTALL: &[Flag] = &[switch(
    "no-update-service",
    "No effect; no update service is installed",
)];

const TRY: &[Flag] = &[
    list(
        "request",
        "Send a request for this URL, print the answer and stop",
    ),
    text("listen", "Take visitors at this address").default("127.0.0.1:0"),
];

const EDGE: &[Flag] = &[text("listen", "Take visitors at this address").default("127.0.0.1:0")];

const LOGIN: &[Flag] = &[
    text("loginURL", "Log in at this address").default("https://dash.cloudflare.com/argotunnel"),
    text("callbackURL", "Receive the certificate from this address")
        .default("https://login.cloudflareaccess.org/"),
    switch("fedramp", "Log in to the FedRAMP environment").also(&["f"]),
];

const CREATE: &[Flag] = &[
    text("output", "Print the result as json or yaml").also(&["o"]),
    text("credentials-file", "Write the tunnel's credentials to this file")
        .also(&["cred-file"])
        .env(&["TUNNEL_CRED_FILE"]),
    text("secret", "Base64 of the tunnel's secret, at least 32 bytes")
        .also(&["s"])
        .env(&["TUNNEL_CREATE_SECRET"])
        .secret(),
];

const ROUTE_DNS: &[Flag] = &[switch("overwrite-dns", "Replace an existing DNS record")
    .also(&["f"])
    .env(&["TUNNEL_FORCE_PROVISIONING_DNS"])];

const ROUTE_IP_ADD: &[Flag] = &[text("vnet", "Virtual network by name or id").also(&["vn"])];

const ROUTE_IP_SHOW: &[Flag] = &[
    switch("filter-is-deleted", "Show deleted routes"),
    text("filter-tunnel-id", "Show routes of this tunnel"),
    text("filter-network-is-subset-of", "Show routes inside this network").also(&["nsub"]),
    text("filter-network-is-superset-of", "Show routes around this network").also(&["nsup"]),
    text("filter-comment-is", "Show routes with this comment"),
    text("filter-vnet-id", "Show routes of this virtual network"),
    text("output", "Print the list as json or yaml").also(&["o"]),
];

const ROUTE_IP_DELETE: &[Flag] = &[text("vnet", "Virtual network by name or id").also(&["vn"])];

const ROUTE_IP_GET: &[Flag] = &[text("vnet", "Virtual network by name or id").also(&["vn"])];

const VNET_ADD: &[Flag] = &[switch("default", "Make it the default virtual network").also(&["d"])];

const VNET_LIST: &[Flag] = &[
    text("id", "Show the virtual network with this id"),
    text("name", "Show the virtual network with this name"),
    switch("is-default", "Show the default virtual network only"),
    switch("show-deleted", "Show deleted virtual networks"),
    text("output", "Print the list as json or yaml").also(&["o"]),
];

const VNET_DELETE: &[Flag] = &[switch("force", "Delete it even if it has routes").also(&["f"])];

const VNET_UPDATE: &[Flag] = &[
    text("name", "Rename it").also(&["n"]),
    text("comment", "Replace its comment").also(&["c"]),
    switch("default", "Make it the default virtual network").also(&["d"]),
];

const LIST: &[Flag] = &[
    text("output", "Print the list as json or yaml").also(&["o"]),
    switch("show-deleted", "Show deleted tunnels").also(&["d"]),
    text("name", "Show tunnels with this name").also(&["n"]),
    text("name-prefix", "Show tunnels whose name starts so").also(&["np"]),
    text("exclude-name-prefix", "Hide tunnels whose name starts so").also(&["enp"]),
    moment("when", "Show tunnels that were there at this time").also(&["w"]),
    text("id", "Show the tunnel with this id").also(&["i"]),
    switch(
        "show-recently-disconnected",
        "Show connections that just ended, too",
    )
    .also(&["rd"]),
    text("sort-by", "Sort by this column")
        .default("name")
        .env(&["TUNNEL_LIST_SORT_BY"]),
    switch("invert-sort", "Turn the order round").env(&["TUNNEL_LIST_INVERT_SORT"]),
];

const INFO: &[Flag] = &[
    text("output", "Print the answer as json or yaml").also(&["o"]),
    switch(
        "show-recently-disconnected",
        "Show connections that just ended, too",
    )
    .also(&["rd"]),
    text("sort-by", "Sort by this column")
        .default("createdAt")
        .env(&["TUNNEL_INFO_SORT_BY"]),
    switch("invert-sort", "Turn the order round").env(&["TUNNEL_INFO_INVERT_SORT"]),
];

const INGRESS_VALIDATE: &[Flag] = &[text("json", "Validate these rules instead of a file's")
    .also(&["j"])
    .env(&["TUNNEL_INGRESS_VALIDATE_JSON"])];

const DELETE: &[Flag] = &[
    text("credentials-file", "Read the tunnel's credentials from this file")
        .also(&["cred-file"])
        .env(&["TUNNEL_CRED_FILE"]),
    switch("force", "Delete it even if it has connections")
        .also(&["f"])
        .env(&["TUNNEL_RUN_FORCE_OVERWRITE"]),
];

const CLEANUP: &[Flag] = &[text("connector-id", "Clean up this connector only")
    .also(&["c"])
    .env(&["TUNNEL_CLEANUP_CONNECTOR"])];

const TOKEN: &[Flag] = &[
    text("credentials-file", "Write the credentials to this file instead")
        .also(&["cred-file"])
        .env(&["TUNNEL_CRED_FILE"]),
];

const DIAG: &[Flag] = &[
    text("metrics", "Diagnose the instance at this metrics address"),
    text("diag-container-id", "Take the log of this container"),
    text("diag-pod-id", "Take the log of this Kubernetes pod"),
    switch("no-diag-logs", "Leave the log out"),
    switch("no-diag-metrics", "Leave metrics out"),
    switch("no-diag-system", "Leave system information out"),
    switch("no-diag-runtime", "Leave profiles out"),
    switch("no-diag-network", "Leave network checks out"),
];

const ACCESS: &[Flag] = &[switch("fedramp", "Use the FedRAMP environment")];

const ACCESS_LOGIN: &[Flag] = &[
    switch("quiet", "Print the token only").also(&["q"]),
    switch("no-verbose", "Print the token only"),
    switch("auto-close", "Close the browser window afterwards"),
    text("app", "The application to sign in to"),
];

const ACCESS_TOKEN: &[Flag] = &[text("app", "The application to sign in to")];

const ACCESS_TCP: &[Flag] = &[
    text("hostname", "The application's host name")
        .also(&["tunnel-host", "T"])
        .env(&["TUNNEL_SERVICE_HOSTNAME"]),
    text("destination", "The host and port behind a bastion").env(&["TUNNEL_SERVICE_DESTINATION"]),
    text("url", "Listen here instead of using standard input and output")
        .also(&["listener", "L"])
        .env(&["TUNNEL_SERVICE_URL"]),
    list("header", "Send this header along").also(&["H"]),
    text("service-token-id", "Id of a service token")
        .also(&["id"])
        .env(&["TUNNEL_SERVICE_TOKEN_ID"]),
    text("service-token-secret", "Secret of a service token")
        .also(&["secret"])
        .env(&["TUNNEL_SERVICE_TOKEN_SECRET"])
        .secret(),
    text("logfile", "Append log lines to this file"),
    text("log-directory", "Keep rotated log files in this directory"),
    text("log-level", "Log from this level on").also(&["loglevel"]),
    text(
        "connect-to",
        "Connect to this address instead of the application's",
    )
    .hidden(),
    unsigned("debug-stream", "Print this many messages")
        .default("0")
        .hidden(),
];

const ACCESS_SSH_CONFIG: &[Flag] = &[
    text("hostname", "The application's host name"),
    switch("short-lived-cert", "Use short-lived certificates"),
];

const ACCESS_SSH_GEN: &[Flag] = &[text("hostname", "The application's host name")];

const TAIL: &[Flag] = &[
    text("connector-id", "Follow this connector").env(&["TUNNEL_MANAGEMENT_CONNECTOR"]),
    list("event", "Show only events of this kind").env(&["TUNNEL_MANAGEMENT_FILTER_EVENTS"]),
    text("level", "Show events from this level on")
        .default("debug")
        .env(&["TUNNEL_MANAGEMENT_FILTER_LEVEL"]),
    number("sample", "Show this share of the events")
        .default("1")
        .env(&["TUNNEL_MANAGEMENT_FILTER_SAMPLE"]),
    text("token", "Use this management token")
        .env(&["TUNNEL_MANAGEMENT_TOKEN"])
        .secret(),
    text("management-hostname", "Name of the management service")
        .default("management.argotunnel.com")
        .env(&["TUNNEL_MANAGEMENT_HOSTNAME"])
        .hidden(),
    text("trace", "Ask for a trace with this id").hidden(),
    text("loglevel", "Level of this command's own messages")
        .default("info")
        .env(&["TUNNEL_LOGLEVEL"]),
    text(
        "origincert",
        "Use this account certificate for commands that speak to the API",
    )
    .env(&["TUNNEL_ORIGIN_CERT"]),
    text("output", "Print events as default or json")
        .default("default")
        .env(&["TUNNEL_MANAGEMENT_OUTPUT", "TUNNEL_LOG_OUTPUT"]),
];

const MANAGEMENT_TOKEN: &[Flag] = &[
    text("resource", "What the token shall open"),
    text(
        "origincert",
        "Use this account certificate for commands that speak to the API",
    )
    .env(&["TUNNEL_ORIGIN_CERT"]),
    text("loglevel", "Level of this command's own messages")
        .default("info")
        .env(&["TUNNEL_LOGLEVEL"]),
    text("output", "Print as default or json")
        .default("default")
        .env(&["TUNNEL_MANAGEMENT_OUTPUT", "TUNNEL_LOG_OUTPUT"]),
];
