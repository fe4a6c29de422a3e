//! Weather on the path: relays that lose, delay, reorder and duplicate, the same way for the same
//! seed.
//!
//! A relay stands where connectors look for an address of the edge, and passes on to where the edge
//! listens in truth. UDP packets meet the weather one by one. TCP is carried by the kernel and knows
//! no loss between two sockets of one machine, so a lossy path is modelled: see `relay/path.rs`.

mod path;
mod tcp;
mod udp;
mod weather;

use std::net::SocketAddr;

use fastrand::Rng;
use tokio::net::{TcpListener, UdpSocket};

pub use weather::Weather;

use crate::error::Error;
use crate::ports::Ports;
use crate::tasks::Tasks;

/// Relays.
#[derive(Debug)]
pub(crate) struct Relay;

impl Relay {
    /// Lets relays serve these sockets of `address`, and opens others for who stands behind them.
    pub(crate) async fn put_before(
        address: SocketAddr,
        (udp, tcp): (UdpSocket, TcpListener),
        weather: Weather,
        tasks: &Tasks,
    ) -> Result<(SocketAddr, UdpSocket, TcpListener), Error> {
        let behind = Ports::open(&[address.ip()]).await?;
        let [(own, own_udp, own_tcp)] = <[_; 1]>::try_from(behind.into_sockets())
            .expect("one address was asked for, so one pair of sockets is there");
        tasks.start(udp::relay(udp, own, weather, tasks.clone()));
        tasks.start(tcp::relay(tcp, own, weather, tasks.clone()));
        Ok((own, own_udp, own_tcp))
    }
}

/// Returns the source of chance for one direction of one flow.
fn chance(weather: &Weather, flow: u64, inbound: bool) -> Rng {
    // Neighbouring seeds have neighbouring luck unless they are mixed (SplitMix64).
    let of_direction = 2 * flow + u64::from(inbound);
    let seed = [weather.seed, of_direction]
        .into_iter()
        .fold(0, |state: u64, part| {
            let state = state.wrapping_add(part).wrapping_add(0x9e37_79b9_7f4a_7c15);
            let state = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let state = (state ^ state >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
            state ^ state >> 31
        });
    Rng::with_seed(seed)
}
