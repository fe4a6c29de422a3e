//! What the QUIC library runs on: tokio, and a socket that is told when nothing more comes.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Instant;

use quinn::{AsyncTimer, AsyncUdpSocket, Runtime, TokioRuntime};

use super::socket::Socket;

/// The runtime of one endpoint.
#[derive(Debug, Default)]
pub(super) struct Flushing(OnceLock<Arc<Socket>>);

impl Flushing {
    /// Flushes `socket` after every turn of a task that is spawned from now on. One such task is
    /// what the socket can wake.
    pub(super) fn flush(&self, socket: Arc<Socket>) {
        // There is one socket.
        let _same = self.0.set(socket);
    }
}

impl Runtime for Flushing {
    fn new_timer(&self, at: Instant) -> Pin<Box<dyn AsyncTimer>> {
        TokioRuntime.new_timer(at)
    }

    fn spawn(&self, task: Task) {
        match self.0.get() {
            Some(socket) => TokioRuntime.spawn(Box::pin(Sending {
                task,
                socket: Arc::clone(socket),
            })),
            None => TokioRuntime.spawn(task),
        }
    }

    fn wrap_udp_socket(&self, socket: std::net::UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        TokioRuntime.wrap_udp_socket(socket)
    }

    fn now(&self) -> Instant {
        TokioRuntime.now()
    }
}

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A task that hands packets to a socket.
struct Sending {
    task: Task,
    socket: Arc<Socket>,
}

impl Future for Sending {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut polled = Poll::Pending;
        for _ in 0..TURNS {
            let before = self.socket.waiting();
            polled = self.task.as_mut().poll(cx);
            // The library interrupts itself early. What it left waiting is worth another turn.
            if polled.is_ready() || self.socket.waiting() <= before {
                break;
            }
        }
        self.socket.flush(cx);
        polled
    }
}

/// Turns in a row, each of 20 packets at most: about two calls into the system.
const TURNS: usize = 4;
