//! Relays TCP connections through the weather.

use std::net::SocketAddr;

use bytes::Bytes;
use fastrand::Rng;
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::chance;
use super::path::Path;
use super::weather::Weather;
use crate::ports;
use crate::tasks::Tasks;

/// Bytes that are read at once.
const CHUNK: usize = 16 * 1024;
/// What may wait to be read by the relay. A sender on a slow path holds little back in the kernel,
/// for its window is small; one on loopback would hold back megabytes unless the relay's window is.
const WINDOW: usize = 64 * 1024;
/// Chunks that are on their way.
const QUEUE: usize = 512;

/// Relays between the clients of `front` and `own` until it is stopped.
pub(super) async fn relay(front: TcpListener, own: SocketAddr, weather: Weather, tasks: Tasks) {
    // Where this cannot be set, more queues up than on a real path.
    let _set = SockRef::from(&front).set_recv_buffer_size(WINDOW);
    let mut count = 0;
    loop {
        let Ok((client, _)) = front.accept().await else {
            tokio::time::sleep(ports::PAUSE).await;
            continue;
        };
        count += 1;
        let paths = [true, false].map(|inbound| (Path::new(weather), chance(&weather, count, inbound)));
        tasks.start(carry(client, own, paths));
    }
}

/// Carries one connection.
async fn carry(client: TcpStream, own: SocketAddr, [up, down]: [(Path, Rng); 2]) {
    let Ok(edge) = connect(own).await else {
        reset(&client);
        return;
    };
    // Without this the relay would add delays that nobody ordered.
    let _set = (client.set_nodelay(true), edge.set_nodelay(true));
    let (client_reader, client_writer) = client.into_split();
    let (edge_reader, edge_writer) = edge.into_split();
    tokio::join!(
        pump(client_reader, edge_writer, up),
        pump(edge_reader, client_writer, down)
    );
}

async fn connect(own: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = match own {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.set_recv_buffer_size(WINDOW as u32)?;
    socket.connect(own).await
}

/// Carries one direction, and passes on how it ends.
async fn pump(mut reader: OwnedReadHalf, mut writer: OwnedWriteHalf, (mut path, mut chance): (Path, Rng)) {
    let (queue, mut arriving) = mpsc::channel::<(Instant, Bytes)>(QUEUE);
    let read = async move {
        let mut chunk = vec![0; CHUNK];
        loop {
            let length = reader.read(&mut chunk).await?;
            if length == 0 {
                return std::io::Result::Ok(());
            }
            let (leaves, arrives) = path.pass(Instant::now().into_std(), length, || chance.f64());
            sleep_until(leaves.into()).await;
            let data = Bytes::copy_from_slice(&chunk[..length]);
            if queue.send((arrives.into(), data)).await.is_err() {
                return Ok(());
            }
        }
    };
    let write = async {
        while let Some((arrives, data)) = arriving.recv().await {
            sleep_until(arrives).await;
            if writer.write_all(&data).await.is_err() {
                // Whoever sends learns of it by the full queue, then by the end of the other half.
                break;
            }
        }
        arriving.close();
    };
    let (ended, ()) = tokio::join!(read, write);
    match ended {
        // A client that is gone cannot be told.
        Ok(()) => drop(writer.shutdown().await),
        Err(_) => reset(writer.as_ref()),
    }
}

/// Lets the connection end with a reset.
fn reset(stream: &TcpStream) {
    // Where this cannot be set the connection ends politely.
    let _set = stream.set_zero_linger();
}
