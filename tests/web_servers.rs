//! nginx and Caddy as origins: TLS 1.3 with every way to trust it, and Unix sockets.

use std::net::SocketAddr;
use std::path::Path;

use adit_loopback::Transport;
use adit_loopback::edge::Edge;
use adit_loopback::origin::{pattern, sha256};
use adit_loopback::request::Request;
use futures_util::future::join_all;

use crate::peers::{self, Authority, Server};
use crate::registration::assert_clean;
use crate::world::{self, over_both_transports, soon, visit};

const PORT: u16 = 8443;
/// The name in the certificate that the authority signed and that servers show by default.
const NAME: &str = "origin.test";
/// Names that servers have a certificate of their own for.
const PUBLIC: [&str; 2] = ["one.example.com", "two.example.com"];
/// The length of the file that servers have.
const LENGTH: u64 = 8 * 1024 * 1024 + 5;
/// Requests at once for two names.
const AT_ONCE: usize = 32;

over_both_transports!(
    nginx_is_trusted_as_the_rule_says,
    caddy_is_trusted_as_the_rule_says,
    nginx_answers_at_unix_sockets,
);

async fn nginx_is_trusted_as_the_rule_says(transport: Transport) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path();
    let address = furnish(folder);
    let tls = |name: &str, listen: &str| {
        format!(
            "server {{ listen {address} ssl{listen}; server_name {name}; ssl_certificate {name}.pem;\n\
             ssl_certificate_key {name}.key; ssl_protocols TLSv1.3; root {here};\n\
             location = /tell {{ return 200 \"$ssl_protocol $ssl_server_name $host\"; }} }}\n",
            here = folder.display(),
        )
    };
    let servers = [
        tls(NAME, " default_server"),
        tls(PUBLIC[0], ""),
        tls(PUBLIC[1], ""),
    ]
    .concat();
    let mut server = nginx(folder, &servers);
    server.listening(address).await;
    judge(transport, folder, address, "TLSv1.3").await;
}

async fn caddy_is_trusted_as_the_rule_says(transport: Transport) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path();
    let address = furnish(folder);
    let files = |name: &str| {
        let here = folder.display();
        format!(
            "{{\"certificate\": \"{here}/{name}.pem\", \"key\": \"{here}/{name}.key\", \"tags\": [\"{name}\"]}}"
        )
    };
    let chosen = |name: &str| {
        format!(
            "{{\"match\": {{\"sni\": [\"{name}\"]}}, \"certificate_selection\": {{\"any_tag\": [\"{name}\"]}}, \"protocol_min\": \"tls1.3\"}}"
        )
    };
    let config = format!(
        r#"{{"admin": {{"disabled": true}}, "storage": {{"module": "file_system", "root": "{here}/storage"}},
        "apps": {{"http": {{"servers": {{"origin": {{"listen": ["{address}"], "automatic_https": {{"disable": true}},
        "routes": [{{"match": [{{"path": ["/tell"]}}], "handle": [{{"handler": "static_response",
        "body": "{{http.request.tls.version}} {{http.request.tls.server_name}} {{http.request.host}}"}}]}},
        {{"handle": [{{"handler": "file_server", "root": "{here}"}}]}}],
        "tls_connection_policies": [{one}, {two}, {{"certificate_selection": {{"any_tag": ["{NAME}"]}}, "protocol_min": "tls1.3"}}]}}}}}},
        "tls": {{"certificates": {{"load_files": [{file}, {file_one}, {file_two}]}}}}}}}}"#,
        here = folder.display(),
        one = chosen(PUBLIC[0]),
        two = chosen(PUBLIC[1]),
        file = files(NAME),
        file_one = files(PUBLIC[0]),
        file_two = files(PUBLIC[1]),
    );
    peers::write(folder, "caddy.json", &config);
    let mut caddy = peers::command("caddy", folder);
    caddy.args(["run", "--config", "caddy.json"]);
    let mut server = Server::start(caddy);
    server.listening(address).await;
    judge(transport, folder, address, "tls1.3").await;
}

/// Puts certificates and a file into a folder, and returns an address for the server.
fn furnish(folder: &Path) -> SocketAddr {
    let authority = Authority::new();
    authority.write(&folder.join("pool.pem"));
    for name in [NAME, PUBLIC[0], PUBLIC[1]] {
        authority.certify(folder, name);
    }
    std::fs::write(folder.join("file"), pattern(0, LENGTH)).expect("a file is written");
    peers::address(PORT)
}

fn nginx(folder: &Path, servers: &str) -> Server {
    let config = format!(
        "daemon off;\nmaster_process off;\npid nginx.pid;\nerror_log stderr;\nevents {{}}\nhttp {{\naccess_log off;\n\
         client_body_temp_path t1;\nproxy_temp_path t2;\nfastcgi_temp_path t3;\nuwsgi_temp_path t4;\nscgi_temp_path t5;\n\
         {servers}}}\n"
    );
    peers::write(folder, "nginx.conf", &config);
    let mut nginx = peers::command("nginx", folder);
    nginx
        .arg("-p")
        .arg(folder)
        .args(["-c", "nginx.conf", "-e", "stderr"]);
    Server::start(nginx)
}

/// Asks a server by rules that trust it in different ways.
async fn judge(transport: Transport, folder: &Path, address: SocketAddr, version: &str) {
    let edge = world::edge().await;
    let connector = world::connector(&edge, &rules(folder, address))
        .over(transport)
        .start();
    world::registered(&edge, &connector).await;

    let ip = address.ip();
    let refused = [
        (
            "untrusted.example.com",
            "x509: certificate signed by unknown authority".to_owned(),
        ),
        (
            "unnamed.example.com",
            format!("x509: cannot validate certificate for {ip} because it doesn't contain any IP SANs"),
        ),
        (
            "misnamed.example.com",
            format!("x509: certificate is valid for {NAME}, not other.test"),
        ),
    ];
    for (hostname, cause) in refused {
        let answer = visit(&edge, Request::get(&format!("https://{hostname}/tell"))).await;
        assert!(answer.head.refusal.is_some(), "{hostname}: {:?}", answer.head);
        connector
            .err
            .with(&format!("tls: failed to verify certificate: {cause}"))
            .await;
    }
    let accepted = [
        ("unverified.example.com", String::new()),
        ("named.example.com", NAME.to_owned()),
        (PUBLIC[0], PUBLIC[0].to_owned()),
        (PUBLIC[1], PUBLIC[1].to_owned()),
    ];
    for (hostname, shown) in accepted {
        let expected = format!("{version} {shown} {hostname}");
        assert_eq!(tell(&edge, hostname).await, expected);
    }
    // Two names at once: neither is shown the other's certificate.
    let many = (0..AT_ONCE).map(async |number| {
        let hostname = PUBLIC[number % PUBLIC.len()];
        assert_eq!(
            tell(&edge, hostname).await,
            format!("{version} {hostname} {hostname}")
        );
    });
    join_all(many).await;
    download(&edge, "named.example.com").await;
    assert_clean(&edge);
}

fn rules(folder: &Path, address: SocketAddr) -> String {
    let pool = format!("caPool: {}", folder.join("pool.pem").display());
    let named = |name: &str| format!("{{ {pool}, originServerName: {name} }}");
    let rows = [
        ("untrusted.example.com", "{}".to_owned()),
        ("unverified.example.com", "{ noTLSVerify: true }".to_owned()),
        ("unnamed.example.com", format!("{{ {pool} }}")),
        ("misnamed.example.com", named("other.test")),
        ("named.example.com", named(NAME)),
        ("\"*.example.com\"", format!("{{ {pool}, matchSNItoHost: true }}")),
    ];
    let rows = rows.map(|(hostname, options)| {
        format!("- hostname: {hostname}\n  service: https://{address}\n  originRequest: {options}\n")
    });
    format!("ingress:\n{}- service: http_status:404\n", rows.concat())
}

/// Asks the server what it knows of the connection and the request.
async fn tell(edge: &Edge, hostname: &str) -> String {
    let mut answer = visit(edge, Request::get(&format!("https://{hostname}/tell"))).await;
    assert_eq!(answer.status(), 200, "{hostname}: {:?}", answer.head);
    soon("the body", answer.text()).await.expect("a body")
}

async fn download(edge: &Edge, hostname: &str) {
    let mut answer = visit(edge, Request::get(&format!("https://{hostname}/file"))).await;
    assert_eq!(answer.status(), 200, "{hostname}: {:?}", answer.head);
    let received = soon("the download", answer.sha256()).await.expect("a whole body");
    assert_eq!(received, (LENGTH, sha256(LENGTH)));
}

async fn nginx_answers_at_unix_sockets(transport: Transport) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path();
    furnish(folder);
    let here = folder.display();
    let tell = "location = /tell { return 200 \"$ssl_server_name $host $request_method\"; }";
    let servers = format!(
        "server {{ listen unix:{here}/plain.sock; root {here}; {tell} }}\n\
         server {{ listen unix:{here}/tls.sock ssl; ssl_certificate {NAME}.pem; ssl_certificate_key {NAME}.key; root {here}; {tell} }}\n",
    );
    let mut server = nginx(folder, &servers);
    server.listening_at(&folder.join("plain.sock")).await;
    server.listening_at(&folder.join("tls.sock")).await;
    let rules = format!(
        "ingress:\n- hostname: plain.example.com\n  service: unix:{here}/plain.sock\n\
         - service: unix+tls:{here}/tls.sock\n  originRequest: {{ caPool: {here}/pool.pem, originServerName: {NAME} }}\n"
    );
    let edge = world::edge().await;
    let connector = world::connector(&edge, &rules).over(transport).start();
    world::registered(&edge, &connector).await;

    for (hostname, shown) in [("plain.example.com", ""), ("tls.example.com", NAME)] {
        assert_eq!(
            self::tell(&edge, hostname).await,
            format!("{shown} {hostname} GET")
        );
        let request = Request::post(&format!("https://{hostname}/tell"), "a body");
        let mut answer = visit(&edge, request).await;
        let told = soon("the body", answer.text()).await.expect("a body");
        assert_eq!(told, format!("{shown} {hostname} POST"));
        download(&edge, hostname).await;
    }
    assert_clean(&edge);
}
