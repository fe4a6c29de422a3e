//! The way through a proxy that the environment names.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::thread::JoinHandle;

use serde_json::json;

use crate::case;

#[test]
fn logins_go_through_the_proxy_of_the_environment() {
    let (address, asked) = proxy("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n");
    let observed = case::run(&json!({
        "args": ["tunnel", "login"],
        "env": { "HTTPS_PROXY": format!("http://user:canary@{address}") },
    }));
    let head = asked.join().unwrap();
    assert!(
        head.starts_with("CONNECT login.cloudflareaccess.org:443 HTTP/1.1\r\n"),
        "{head}"
    );
    assert!(
        head.contains("\r\nProxy-Authorization: Basic dXNlcjpjYW5hcnk=\r\n"),
        "{head}"
    );
    let [_, stderr] = observed.said();
    assert_eq!(observed.exit(), Some(1));
    assert!(stderr.ends_with(": Proxy Authentication Required\n"), "{stderr}");
    assert!(!stderr.contains("canary"), "{stderr}");
}

#[test]
fn quick_tunnels_go_through_the_proxy_of_the_environment() {
    let (address, asked) = proxy("HTTP/1.1 403 No\r\n\r\n");
    let observed = case::run(&json!({
        "args": ["tunnel", "--quick-service", "https://far.example", "--url", "http://localhost:1"],
        "env": { "https_proxy": address.to_string(), "NO_PROXY": "other.example" },
    }));
    let head = asked.join().unwrap();
    assert!(head.starts_with("CONNECT far.example:443 HTTP/1.1\r\n"), "{head}");
    let [_, stderr] = observed.said();
    assert!(
        stderr.ends_with("Post \"https://far.example/tunnel\": No\n"),
        "{stderr}"
    );
}

/// Starts a proxy for one connection, which gives this answer; returns what it was asked.
fn proxy(answer: &'static str) -> (SocketAddr, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let asked = std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut stream = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") && stream.read_line(&mut head).unwrap() > 0 {}
        stream.get_mut().write_all(answer.as_bytes()).unwrap();
        head
    });
    (address, asked)
}
