//! Relays UDP packets through the weather.

use std::collections::{BTreeMap, BinaryHeap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fastrand::Rng;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::chance;
use super::weather::Weather;
use crate::ports;
use crate::tasks::Tasks;

/// Packets that are on their way; more are lost, as in a full queue.
const QUEUE: usize = 8192;
/// The largest packet.
const PACKET: usize = 65_535;
/// A flow whose client says nothing for this long is forgotten.
const IDLE: Duration = Duration::from_secs(120);
/// Flows at once; clients that come and go quicker than flows are forgotten are not served.
const FLOWS: usize = 4096;

/// Relays between the clients of `front` and `own` until it is stopped.
pub(super) async fn relay(front: UdpSocket, own: SocketAddr, weather: Weather, tasks: Tasks) {
    let front = Arc::new(front);
    let mut flows: BTreeMap<SocketAddr, Line> = BTreeMap::new();
    let mut count = 0;
    let mut packet = vec![0; PACKET];
    loop {
        // An error here is news about an earlier packet that did not arrive.
        let Ok((length, client)) = front.recv_from(&mut packet).await else {
            continue;
        };
        flows.retain(|_, line| !line.queue.is_closed());
        if !flows.contains_key(&client) && flows.len() < FLOWS {
            count += 1;
            let flow = Flow {
                front: Arc::clone(&front),
                client,
                number: count,
            };
            if let Ok(line) = flow.start(own, weather, &tasks).await {
                flows.insert(client, line);
            }
        }
        if let Some(line) = flows.get_mut(&client) {
            line.send(&packet[..length]);
        }
    }
}

/// The packets of one client.
struct Flow {
    front: Arc<UdpSocket>,
    client: SocketAddr,
    number: u64,
}

impl Flow {
    /// Starts both directions; returns the one towards the edge.
    async fn start(self, own: SocketAddr, weather: Weather, tasks: &Tasks) -> std::io::Result<Line> {
        let any = SocketAddr::new(own.ip(), 0);
        let behind = ports::udp(any).await.map_err(std::io::Error::other)?;
        behind.connect(own).await?;
        let behind = Arc::new(behind);
        let (up, queue) = Line::new(weather, chance(&weather, self.number, true));
        tasks.start(deliver(queue, Arc::clone(&behind), None));
        let (mut down, queue) = Line::new(weather, chance(&weather, self.number, false));
        tasks.start(deliver(queue, self.front, Some(self.client)));
        let alive = up.queue.clone();
        tasks.start(async move {
            let mut packet = vec![0; PACKET];
            while let Ok(received) = tokio::time::timeout(IDLE, behind.recv(&mut packet)).await {
                match received {
                    Ok(length) => down.send(&packet[..length]),
                    Err(_) if alive.is_closed() => break,
                    // The edge refused an earlier packet. Whoever sent it finds out by itself.
                    Err(_) => tokio::task::yield_now().await,
                }
            }
        });
        Ok(up)
    }
}

/// One direction of one flow.
struct Line {
    weather: Weather,
    chance: Rng,
    queue: mpsc::Sender<Travelling>,
    sent: u64,
}

impl Line {
    fn new(weather: Weather, chance: Rng) -> (Self, mpsc::Receiver<Travelling>) {
        let (queue, arriving) = mpsc::channel(QUEUE);
        let line = Self {
            weather,
            chance,
            queue,
            sent: 0,
        };
        (line, arriving)
    }

    fn send(&mut self, packet: &[u8]) {
        let now = Instant::now();
        let packet = Bytes::copy_from_slice(packet);
        for after in self.weather.fate(|| self.chance.f64()).copies() {
            self.sent += 1;
            let travelling = Travelling {
                arrives: now + after,
                number: self.sent,
                packet: packet.clone(),
            };
            // A full queue loses packets: that, too, is weather.
            let _queued = self.queue.try_send(travelling);
        }
    }
}

/// A packet on its way.
#[derive(Debug, PartialEq, Eq)]
struct Travelling {
    arrives: Instant,
    number: u64,
    packet: Bytes,
}

impl Ord for Travelling {
    /// The one that arrives first is the greatest, as the heap wants it.
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (other.arrives, other.number).cmp(&(self.arrives, self.number))
    }
}

impl PartialOrd for Travelling {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// Delivers packets when their time has come, until nobody sends any.
async fn deliver(mut queue: mpsc::Receiver<Travelling>, socket: Arc<UdpSocket>, to: Option<SocketAddr>) {
    let mut travelling: BinaryHeap<Travelling> = BinaryHeap::new();
    loop {
        let next = travelling.peek().map(|packet| packet.arrives);
        tokio::select! {
            biased;
            () = sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {
                if let Some(packet) = travelling.pop() {
                    // What cannot be delivered is lost.
                    let _sent = match to {
                        Some(client) => socket.send_to(&packet.packet, client).await,
                        None => socket.send(&packet.packet).await,
                    };
                }
            }
            packet = queue.recv() => match packet {
                Some(packet) => travelling.push(packet),
                None => return,
            },
        }
    }
}
