//! The flags of the root, of `tunnel` and of `tunnel run`.
//!
//! The root and `tunnel` accept the same flags, so each may stand before or after the word `tunnel`.

use super::flag::{Flag, duration, integer, list, path, switch, text, unsigned};

/// The flags of the root and of `tunnel`.
pub(crate) const TUNNEL: &[&[Flag]] = &[PROCESS, ORIGIN, LOG, EDGE, OWN];

/// The flags of `tunnel run`.
pub(crate) const RUN: &[&[Flag]] = &[&[CREDENTIALS_FILE], IDENTITY, ORIGIN];

const CREDENTIALS_FILE: Flag = text("credentials-file", "Read the tunnel's credentials from this file")
    .also(&["cred-file"])
    .env(&["TUNNEL_CRED_FILE"])
    .file();
const POST_QUANTUM: Flag = switch(
    "post-quantum",
    "Insist on post-quantum key agreement with the edge",
)
.also(&["pq"])
.env(&["TUNNEL_POST_QUANTUM"])
.file();
const PROTOCOL: Flag = text("protocol", "Reach the edge over auto, quic or http2")
    .also(&["p"])
    .default("auto")
    .env(&["TUNNEL_TRANSPORT_PROTOCOL"])
    .file()
    .hidden();

/// Configuration, updates and the process itself.
const PROCESS: &[Flag] = &[
    text("config", "Read this configuration file"),
    text(
        "origincert",
        "Use this account certificate for commands that speak to the API",
    )
    .env(&["TUNNEL_ORIGIN_CERT"])
    .file(),
    duration(
        "autoupdate-freq",
        "Accepted for compatibility: this program never replaces itself",
    )
    .default("24h0m0s")
    .file(),
    switch(
        "no-autoupdate",
        "Accepted for compatibility: this program never replaces itself",
    )
    .env(&["NO_AUTOUPDATE"])
    .file(),
    switch("no-prechecks", "Skip the connectivity checks at start")
        .env(&["TUNNEL_NO_PRECHECKS"])
        .file(),
    text(
        "metrics",
        "Serve metrics, readiness and diagnostics at this address",
    )
    .default("localhost:0")
    .env(&["TUNNEL_METRICS"])
    .file(),
    text(
        "pidfile",
        "Write the process id to this file after the first connection",
    )
    .env(&["TUNNEL_PIDFILE"])
    .file(),
];

/// One origin instead of rules.
const ORIGIN: &[Flag] = &[
    text(
        "url",
        "Send every request to this origin instead of following rules",
    )
    .default("http://localhost:8080")
    .env(&["TUNNEL_URL"])
    .file(),
    switch("hello-world", "Answer every request with the built-in page")
        .env(&["TUNNEL_HELLO_WORLD"])
        .file(),
    switch("socks5", "Treat the origin of --url as a SOCKS5 server")
        .env(&["TUNNEL_SOCKS"])
        .file(),
    duration(
        "proxy-connect-timeout",
        "Give up connecting to the origin after this time",
    )
    .default("30s")
    .file(),
    duration(
        "proxy-tls-timeout",
        "Give up the TLS handshake with the origin after this time",
    )
    .default("10s")
    .file(),
    duration("proxy-tcp-keepalive", "Probe idle origin connections this often")
        .default("30s")
        .file(),
    switch(
        "proxy-no-happy-eyeballs",
        "Do not race IPv4 and IPv6 when connecting to the origin",
    )
    .file(),
    integer(
        "proxy-keepalive-connections",
        "Keep at most this many idle origin connections",
    )
    .default("100")
    .file(),
    duration(
        "proxy-keepalive-timeout",
        "Close idle origin connections after this time",
    )
    .default("1m30s")
    .file(),
    duration(
        "proxy-connection-timeout",
        "No effect; kept for old command lines",
    )
    .default("1m30s")
    .file(),
    duration(
        "proxy-expect-continue-timeout",
        "No effect; kept for old command lines",
    )
    .default("1m30s")
    .file(),
    text(
        "http-host-header",
        "Replace the Host header on requests to the origin",
    )
    .env(&["TUNNEL_HTTP_HOST_HEADER"])
    .file(),
    text(
        "origin-server-name",
        "Expect this name in the origin's certificate",
    )
    .env(&["TUNNEL_ORIGIN_SERVER_NAME"])
    .file(),
    text(
        "unix-socket",
        "Send every request to the origin behind this Unix socket",
    )
    .env(&["TUNNEL_UNIX_SOCKET"])
    .file(),
    text(
        "origin-ca-pool",
        "Trust the authorities in this PEM file for the origin",
    )
    .env(&["TUNNEL_ORIGIN_CA_POOL"])
    .file(),
    switch("no-tls-verify", "Accept any certificate from the origin")
        .env(&["NO_TLS_VERIFY"])
        .file(),
    switch(
        "no-chunked-encoding",
        "Send the origin a Content-Length instead of chunks",
    )
    .env(&["TUNNEL_NO_CHUNKED_ENCODING"])
    .file(),
    switch("http2-origin", "Speak HTTP/2 with the origin")
        .env(&["TUNNEL_ORIGIN_ENABLE_HTTP2"])
        .file(),
    switch(
        "http2-prior-knowledge",
        "Speak HTTP/2 with the origin, without TLS and without asking first",
    )
    .env(&["ADIT_HTTP2_PRIOR_KNOWLEDGE"])
    .file(),
    text(
        "management-hostname",
        "Answer management requests under this name",
    )
    .default("management.argotunnel.com")
    .env(&["TUNNEL_MANAGEMENT_HOSTNAME"])
    .file()
    .hidden(),
    text("service-op-ip", "Find the local address by connecting here")
        .default("198.41.200.113:80")
        .env(&["TUNNEL_SERVICE_OP_IP"])
        .file()
        .hidden(),
    text("local-ssh-port", "No effect; kept for old command lines")
        .default("2222")
        .env(&["LOCAL_SSH_PORT"])
        .file()
        .hidden(),
    duration("ssh-idle-timeout", "No effect; kept for old command lines")
        .default("0s")
        .env(&["SSH_IDLE_TIMEOUT"])
        .file()
        .hidden(),
    duration("ssh-max-timeout", "No effect; kept for old command lines")
        .default("0s")
        .env(&["SSH_MAX_TIMEOUT"])
        .file()
        .hidden(),
    text("bucket-name", "No effect; kept for old command lines")
        .env(&["BUCKET_ID"])
        .file()
        .hidden(),
    text("region-name", "No effect; kept for old command lines")
        .env(&["REGION_ID"])
        .file()
        .hidden(),
    text("secret-id", "No effect; kept for old command lines")
        .env(&["SECRET_ID"])
        .file()
        .hidden()
        .secret(),
    text("access-key-id", "No effect; kept for old command lines")
        .env(&["ACCESS_CLIENT_ID"])
        .file()
        .hidden()
        .secret(),
    text("session-token", "No effect; kept for old command lines")
        .env(&["SESSION_TOKEN_ID"])
        .file()
        .hidden()
        .secret(),
    text("s3-url-host", "No effect; kept for old command lines")
        .env(&["S3_URL"])
        .file()
        .hidden(),
    path("host-key-path", "No effect; kept for old command lines")
        .env(&["HOST_KEY_PATH"])
        .file()
        .hidden(),
    switch("ssh-server", "No effect; kept for old command lines")
        .env(&["TUNNEL_SSH_SERVER"])
        .file()
        .hidden(),
    switch("bastion", "Let each request name its own destination")
        .env(&["TUNNEL_BASTION"])
        .file(),
    text("proxy-address", "Listen address of the bastion or SOCKS proxy")
        .default("127.0.0.1")
        .env(&["TUNNEL_PROXY_ADDRESS"])
        .file(),
    integer("proxy-port", "Listen port of the bastion or SOCKS proxy")
        .env(&["TUNNEL_PROXY_PORT"])
        .file(),
];

/// Logging, and what is left of the DNS proxy.
const LOG: &[Flag] = &[
    text(
        "loglevel",
        "Log from this level on: trace, debug, info, warn, error, fatal, panic",
    )
    .default("info")
    .env(&["TUNNEL_LOGLEVEL"])
    .file(),
    text(
        "transport-loglevel",
        "The same for the inner workings of the edge transports",
    )
    .also(&["proto-loglevel"])
    .default("info")
    .env(&["TUNNEL_PROTO_LOGLEVEL", "TUNNEL_TRANSPORT_LOGLEVEL"])
    .file(),
    text("logfile", "Append JSON log lines to this file")
        .env(&["TUNNEL_LOGFILE"])
        .file(),
    text("log-directory", "Keep rotated JSON log files in this directory")
        .env(&["TUNNEL_LOGDIRECTORY"])
        .file(),
    text("trace-output", "No effect; kept for old command lines")
        .env(&["TUNNEL_TRACE_OUTPUT"])
        .file(),
    text("output", "Write the terminal log as default or json")
        .default("default")
        .env(&["TUNNEL_MANAGEMENT_OUTPUT", "TUNNEL_LOG_OUTPUT"]),
    switch("proxy-dns", "No effect; the DNS proxy is gone").file(),
    integer("proxy-dns-port", "No effect; the DNS proxy is gone").file(),
    text("proxy-dns-address", "No effect; the DNS proxy is gone").file(),
    list("proxy-dns-upstream", "No effect; the DNS proxy is gone").file(),
    integer("proxy-dns-max-upstream-conns", "No effect; the DNS proxy is gone").file(),
    list("proxy-dns-bootstrap", "No effect; the DNS proxy is gone").file(),
];

/// The tunnel and the way to the edge.
const EDGE: &[Flag] = &[
    CREDENTIALS_FILE,
    switch(
        "is-autoupdated",
        "Tell the edge that the last start was an update",
    )
    .file()
    .hidden(),
    list(
        "edge",
        "Connect to these edge addresses, host:port, without discovery",
    )
    .env(&["TUNNEL_EDGE"])
    .file()
    .hidden(),
    text("region", "Connect to this region only")
        .env(&["TUNNEL_REGION"])
        .file(),
    text("edge-ip-version", "Reach the edge over IPv 4, 6 or auto")
        .default("auto")
        .env(&["TUNNEL_EDGE_IP_VERSION"])
        .file(),
    text("edge-bind-address", "Reach the edge from this local address")
        .env(&["TUNNEL_EDGE_BIND_ADDRESS"])
        .file(),
    text(
        "cacert",
        "Trust the authorities in this PEM file for the edge, too",
    )
    .env(&["TUNNEL_CACERT"])
    .file()
    .hidden(),
    text("hostname", "Route this DNS name to the tunnel of --name")
        .env(&["TUNNEL_HOSTNAME"])
        .file(),
    text("id", "No effect; kept for old command lines")
        .env(&["TUNNEL_ID"])
        .file()
        .hidden(),
    text(
        "lb-pool",
        "Route to the tunnel of --name through this load balancer pool",
    )
    .env(&["TUNNEL_LB_POOL"])
    .file(),
    text("api-key", "No effect; kept for old command lines")
        .env(&["TUNNEL_API_KEY"])
        .file()
        .hidden()
        .secret(),
    text("api-email", "No effect; kept for old command lines")
        .env(&["TUNNEL_API_EMAIL"])
        .file()
        .hidden(),
    text("api-ca-key", "No effect; kept for old command lines")
        .env(&["TUNNEL_API_CA_KEY"])
        .file()
        .hidden()
        .secret(),
    text("api-url", "Base address of the account API")
        .default("https://api.cloudflare.com/client/v4")
        .env(&["TUNNEL_API_URL"])
        .file()
        .hidden(),
    duration("metrics-update-freq", "No effect; kept for old command lines")
        .default("5s")
        .env(&["TUNNEL_METRICS_UPDATE_FREQ"])
        .file(),
    list("tag", "Send name=value along to origins")
        .env(&["TUNNEL_TAG"])
        .file()
        .hidden(),
    duration("heartbeat-interval", "No effect; kept for old command lines")
        .default("5s")
        .file()
        .hidden(),
    integer("heartbeat-count", "No effect; kept for old command lines")
        .default("5")
        .file()
        .hidden(),
    integer(
        "max-edge-addr-retries",
        "Failures of an edge address before the protocol changes",
    )
    .default("8")
    .file()
    .hidden(),
    integer("retries", "Cap of the growing pause between connection attempts")
        .default("5")
        .env(&["TUNNEL_RETRIES"])
        .file(),
    integer("ha-connections", "Connections to keep to the edge")
        .default("4")
        .file()
        .hidden(),
    duration("rpc-timeout", "Limit of one call on the control stream")
        .default("5s")
        .file()
        .hidden(),
    duration(
        "write-stream-timeout",
        "Limit of one write towards the edge; 0 for none",
    )
    .default("0s")
    .env(&["TUNNEL_STREAM_WRITE_TIMEOUT"])
    .file()
    .hidden(),
    switch(
        "quic-disable-pmtu-discovery",
        "Stay with the smallest QUIC packets",
    )
    .env(&["TUNNEL_DISABLE_QUIC_PMTU"])
    .file()
    .hidden(),
    integer(
        "quic-connection-level-flow-control-limit",
        "Receive window of a QUIC connection in bytes",
    )
    .default("31457280")
    .env(&["TUNNEL_QUIC_CONN_LEVEL_FLOW_CONTROL_LIMIT"])
    .file()
    .hidden(),
    integer(
        "quic-stream-level-flow-control-limit",
        "Receive window of a QUIC stream in bytes",
    )
    .default("6291456")
    .env(&["TUNNEL_QUIC_STREAM_LEVEL_FLOW_CONTROL_LIMIT"])
    .file()
    .hidden(),
    text("label", "Name this connector in the dashboard").file(),
    duration(
        "grace-period",
        "Let requests in flight finish for this long at shutdown, at most 3m",
    )
    .default("30s")
    .env(&["TUNNEL_GRACE_PERIOD"])
    .file(),
    integer("compression-quality", "No effect; kept for old command lines")
        .env(&["TUNNEL_COMPRESSION_LEVEL"])
        .file(),
    switch("use-reconnect-token", "No effect; kept for old command lines")
        .default("true")
        .env(&["TUNNEL_USE_RECONNECT_TOKEN"])
        .file()
        .hidden(),
    duration("dial-edge-timeout", "No effect; kept for old command lines")
        .default("15s")
        .env(&["DIAL_EDGE_TIMEOUT"])
        .file()
        .hidden(),
    switch("stdin-control", "Take commands from standard input")
        .env(&["STDIN_CONTROL"])
        .file()
        .hidden(),
    text("name", "Create, route and run a tunnel of this name")
        .also(&["n"])
        .env(&["TUNNEL_NAME"])
        .file(),
    switch("ui", "No effect; kept for old command lines")
        .file()
        .hidden(),
    text("quick-service", "Base address of the quick tunnel service")
        .default("https://api.trycloudflare.com")
        .file()
        .hidden(),
    integer("max-fetch-size", "Tunnels per page of a list")
        .env(&["TUNNEL_MAX_FETCH_SIZE"])
        .file()
        .hidden(),
    POST_QUANTUM,
    switch(
        "management-diagnostics",
        "Offer metrics and profiles to the management service",
    )
    .default("true")
    .env(&["TUNNEL_MANAGEMENT_DIAGNOSTICS"])
    .file(),
    PROTOCOL,
    switch("overwrite-dns", "Replace an existing DNS record")
        .also(&["f"])
        .env(&["TUNNEL_FORCE_PROVISIONING_DNS"]),
];

/// Which tunnel to run, and its private network.
const IDENTITY: &[Flag] = &[
    text("credentials-contents", "The tunnel's credentials, as JSON text")
        .env(&["TUNNEL_CRED_CONTENTS"])
        .file()
        .secret(),
    POST_QUANTUM,
    PROTOCOL,
    list("features", "Opt in to a feature").also(&["F"]).file(),
    text("token", "Run the tunnel of this token")
        .env(&["TUNNEL_TOKEN"])
        .file()
        .secret(),
    text("token-file", "Run the tunnel of the token in this file")
        .env(&["TUNNEL_TOKEN_FILE"])
        .file(),
    text("icmpv4-src", "Send ICMP from this IPv4 address").env(&["TUNNEL_ICMPV4_SRC"]),
    text(
        "icmpv6-src",
        "Send ICMP from this IPv6 address, optionally with a zone",
    )
    .env(&["TUNNEL_ICMPV6_SRC"]),
    unsigned(
        "max-active-flows",
        "Limit concurrent private flows; overrides the dashboard",
    )
    .default("0")
    .env(&["TUNNEL_MAX_ACTIVE_FLOWS"]),
    list(
        "dns-resolver-addrs",
        "Resolve private names at these ip:port, at most 10",
    )
    .env(&["TUNNEL_DNS_RESOLVER_ADDRS"]),
];

/// What upstream does not have.
const OWN: &[Flag] = &[
    switch("watch-config", "Reload the configuration file when it changes")
        .env(&["ADIT_WATCH_CONFIG"])
        .file(),
    switch(
        "explain-failures",
        "Tell visitors in a header what class of failure kept them from an answer",
    )
    .env(&["ADIT_EXPLAIN_FAILURES"])
    .file(),
    list("resolver", "Resolve the names of the edge at this ip:port only")
        .env(&["ADIT_RESOLVER"])
        .hidden(),
];
