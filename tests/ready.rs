//! What the program tells load balancers about itself.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::subject::Subject;
use crate::world::soon;

/// Returns the status of `/ready`: 200 while a connection is registered, 503 otherwise.
pub(crate) async fn status(subject: &Subject) -> u16 {
    let line = subject.err.with("Starting metrics server on ").await;
    let (_, rest) = line
        .split_once("Starting metrics server on ")
        .expect("just found");
    let (address, _) = rest.split_once("/metrics").expect("an address");
    let asked = async {
        let mut stream = TcpStream::connect(address).await?;
        stream
            .write_all(b"GET /ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            .await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        std::io::Result::Ok(answer)
    };
    let answer = soon("an answer of the metrics server", asked).await;
    let answer = answer.expect("the metrics server listens");
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    status.unwrap_or_else(|| panic!("no status in {answer:?}"))
}
