//! What the program tells load balancers about itself.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::subject::Subject;
use crate::world::soon;

/// Returns the status of `/ready`: 200 while a connection is registered, 503 otherwise.
pub(crate) async fn status(subject: &Subject) -> u16 {
    let (head, _) = ask(subject, "/ready").await;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    status.unwrap_or_else(|| panic!("no status in {head:?}"))
}

/// Asks the metrics server; returns the head and the body of its answer.
pub(crate) async fn ask(subject: &Subject, path: &str) -> (String, String) {
    let line = subject.err.with("Starting metrics server on ").await;
    let (_, rest) = line
        .split_once("Starting metrics server on ")
        .expect("just found");
    let (address, _) = rest.split_once("/metrics").expect("an address");
    let asked = async {
        let mut stream = TcpStream::connect(address).await?;
        let request = format!("GET {path} HTTP/1.0\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        std::io::Result::Ok(answer)
    };
    let answer = soon("an answer of the metrics server", asked).await;
    let answer = answer.expect("the metrics server listens");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    (head.to_owned(), body.to_owned())
}
