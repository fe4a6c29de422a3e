//! Sans-IO. Packets of one size for one place that leave together.

use std::net::{IpAddr, SocketAddr};

use quinn::udp::{EcnCodepoint, Transmit};

/// Packets that wait for more of their kind.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    bytes: Vec<u8>,
    kind: Option<Kind>,
    /// Whether nothing may follow: the last packet is a short one, or there is no room.
    complete: bool,
}

/// What packets that leave together have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Kind {
    destination: SocketAddr,
    source: Option<IpAddr>,
    mark: Option<EcnCodepoint>,
    size: usize,
}

impl Outbox {
    /// Returns whether `transmit` can follow what waits.
    pub(super) fn suits(&self, transmit: &Transmit<'_>) -> bool {
        let Some(kind) = self.kind else {
            return true;
        };
        let together = self.bytes.len() + transmit.contents.len();
        !self.complete
            && together <= MOST_BYTES
            && together.div_ceil(kind.size) <= MOST_PACKETS
            && kind.takes(transmit)
    }

    /// Returns whether keeping `transmit` can save a call: it belongs to what waits, or is as long as
    /// those that more follow.
    pub(super) fn is_worthwhile(&self, transmit: &Transmit<'_>) -> bool {
        let size = size(transmit);
        self.kind.is_some() || transmit.contents.len() == LIKELY_FOLLOWED * size
    }

    /// Adds packets that suit.
    pub(super) fn push(&mut self, transmit: &Transmit<'_>) {
        let kind = self.kind.get_or_insert(Kind::of(transmit));
        self.bytes.extend_from_slice(transmit.contents);
        let next = self.bytes.len() + LIKELY_FOLLOWED * kind.size;
        let full = next > MOST_BYTES || next.div_ceil(kind.size) > MOST_PACKETS;
        self.complete = full || !self.bytes.len().is_multiple_of(kind.size);
    }

    /// Returns whether nothing may follow what waits.
    pub(super) const fn is_complete(&self) -> bool {
        self.complete
    }

    /// Returns how many bytes wait.
    pub(super) const fn waiting(&self) -> usize {
        self.bytes.len()
    }

    /// Returns what waits.
    pub(super) fn transmit(&self) -> Option<Transmit<'_>> {
        self.kind.map(|kind| Transmit {
            destination: kind.destination,
            ecn: kind.mark,
            contents: &self.bytes,
            segment_size: Some(kind.size),
            src_ip: kind.source,
        })
    }

    /// Forgets what waited.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.kind = None;
        self.complete = false;
    }

    /// Gives the memory back while there is little to send.
    pub(super) fn rest(&mut self) {
        if self.kind.is_none() {
            self.bytes = Vec::new();
        }
    }
}

impl Kind {
    fn of(transmit: &Transmit<'_>) -> Self {
        Self {
            destination: transmit.destination,
            source: transmit.src_ip,
            mark: transmit.ecn,
            size: size(transmit),
        }
    }

    /// Returns whether `transmit` is of this kind, or one shorter packet, which may be the last.
    fn takes(self, transmit: &Transmit<'_>) -> bool {
        let other = Self::of(transmit);
        let last = transmit.contents.len() == other.size && other.size < self.size;
        other == self
            || last
                && Self {
                    size: self.size,
                    ..other
                } == self
    }
}

/// Returns the size of all packets but the last, which may be shorter.
fn size(transmit: &Transmit<'_>) -> usize {
    transmit.segment_size.unwrap_or(transmit.contents.len()).max(1)
}

/// As many packets as the library hands over while it has more.
const LIKELY_FOLLOWED: usize = 10;
/// What the kernel cuts up in one call, of either family.
const MOST_PACKETS: usize = 64;
const MOST_BYTES: usize = 65_507;

#[cfg(test)]
mod tests {
    use super::*;

    fn transmit(contents: &[u8], segment_size: Option<usize>, port: u16) -> Transmit<'_> {
        Transmit {
            destination: SocketAddr::from(([127, 0, 0, 1], port)),
            ecn: None,
            contents,
            segment_size,
            src_ip: None,
        }
    }

    #[test]
    fn packets_of_one_size_for_one_place_go_together() {
        let ten = [1; 12_520];
        let mut outbox = Outbox::default();
        assert!(
            !outbox.is_worthwhile(&transmit(&ten[..1252], None, 1)),
            "one packet"
        );
        assert!(
            !outbox.is_worthwhile(&transmit(&ten[..12_000], Some(1252), 1)),
            "nothing follows"
        );
        assert!(outbox.transmit().is_none());

        let first = transmit(&ten, Some(1252), 1);
        assert!(outbox.suits(&first) && outbox.is_worthwhile(&first));
        outbox.push(&first);
        // What may follow: the same, fewer, or one that is shorter.
        let cases = [
            (transmit(&ten, Some(1252), 1), true),
            (transmit(&ten[..3000], Some(1252), 1), true),
            (transmit(&ten[..1252], None, 1), true),
            (transmit(&ten[..40], None, 1), true),
            (transmit(&ten[..1300], None, 1), false),
            (transmit(&ten[..2400], Some(1200), 1), false),
            (transmit(&ten, Some(1252), 2), false),
        ];
        for (other, suits) in cases {
            assert_eq!(outbox.suits(&other), suits, "{other:?}");
        }
    }

    #[test]
    fn a_short_packet_is_the_last() {
        let ten = [1; 12_520];
        let mut outbox = Outbox::default();
        outbox.push(&transmit(&ten, Some(1252), 1));
        assert!(!outbox.is_complete());
        outbox.push(&transmit(&ten[..40], None, 1));
        assert!(outbox.is_complete() && !outbox.suits(&transmit(&ten[..40], None, 1)));
        let together = outbox.transmit().expect("they wait");
        assert_eq!(
            (together.contents.len(), together.segment_size),
            (12_560, Some(1252))
        );
        outbox.clear();
        assert!(outbox.transmit().is_none() && outbox.waiting() == 0);
    }

    #[test]
    fn the_kernel_takes_what_goes_together() {
        for size in [1, 500, 1024, 1252, 1452, 6000] {
            let ten = vec![1; 10 * size];
            let mut outbox = Outbox::default();
            while !outbox.is_complete() {
                let next = transmit(&ten, Some(size), 1);
                assert!(outbox.suits(&next), "{size}");
                outbox.push(&next);
            }
            let together = outbox.waiting();
            assert!(together <= MOST_BYTES && together.div_ceil(size) <= MOST_PACKETS);
        }
    }
}
