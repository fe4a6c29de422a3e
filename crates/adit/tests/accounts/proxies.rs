//! The way through a proxy that the environment names.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::thread::JoinHandle;

use adit_account::{Client, Method, Request};
use adit_dial::Environment;
use serde_json::json;

use crate::case;

#[test]
fn logins_go_through_the_proxy_of_the_environment() {
    let (address, heads) = proxy(vec!["HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"]);
    let observed = case::run(&json!({
        "args": ["tunnel", "login"],
        "env": { "HTTPS_PROXY": format!("http://user:canary@{address}") },
    }));
    let head = heads.join().unwrap().remove(0);
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
    let (address, heads) = proxy(vec!["HTTP/1.1 403 No\r\n\r\n"]);
    let observed = case::run(&json!({
        "args": ["tunnel", "--quick-service", "https://far.example", "--url", "http://localhost:1"],
        "env": { "https_proxy": address.to_string(), "NO_PROXY": "other.example" },
    }));
    let head = heads.join().unwrap().remove(0);
    assert!(head.starts_with("CONNECT far.example:443 HTTP/1.1\r\n"), "{head}");
    let [_, stderr] = observed.said();
    assert!(
        stderr.ends_with("Post \"https://far.example/tunnel\": No\n"),
        "{stderr}"
    );
}

#[tokio::test]
async fn requests_follow_the_answer_of_a_proxy() {
    let answer = "HTTP/1.1 200 OK\r\n\r\n";
    let page = "HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nhi";
    let (address, heads) = proxy(vec![answer, page]);
    let variables = [("HTTP_PROXY".to_owned(), address.to_string())];
    let client = Client::new(Environment::read(&variables.into()));
    let request = Request::new(Method::GET, "http://far.example/x".into(), "agent");
    let response = client.send(&request).await.unwrap();
    assert_eq!(
        (response.status, response.body.expose().as_slice()),
        (201, &b"hi"[..])
    );
    let heads = heads.join().unwrap();
    assert!(
        heads[0].starts_with("CONNECT far.example:80 HTTP/1.1\r\n"),
        "{heads:?}"
    );
    assert!(heads[1].starts_with("GET /x HTTP/1.1\r\n"), "{heads:?}");
}

/// Starts a proxy for one connection, which gives these answers; returns what it was asked.
fn proxy(answers: Vec<&'static str>) -> (SocketAddr, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let heads = std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut stream = BufReader::new(stream);
        let mut heads = Vec::new();
        for answer in answers {
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") && stream.read_line(&mut head).unwrap() > 0 {}
            heads.push(head);
            stream.get_mut().write_all(answer.as_bytes()).unwrap();
        }
        heads
    });
    (address, heads)
}
