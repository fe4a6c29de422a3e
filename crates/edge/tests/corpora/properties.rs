//! What holds for the supervisor whatever it is told, and in whatever order.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use adit_edge::dice::Dice;
use adit_edge::supervisor::{Action, Attempt, Discovered, Event, Routes, Supervisor, Terms};
use adit_edge::transport::{Percentages, Share};
use adit_edge::{Ended, Family, Obstacle, Protocol};

/// Plays a schedule: four bytes each say what happens, to whom, and how much later.
pub(crate) fn supervisor(data: &[u8]) {
    let Some((first, schedule)) = data.split_first() else {
        return;
    };
    let mut play = Play::new(*first);
    for step in schedule.chunks_exact(4) {
        let [kind, whom, early, late] = [step[0], step[1], step[2], step[3]];
        play.wait(Duration::from_millis(u64::from(u16::from_le_bytes([
            early, late,
        ]))));
        let event = play.event(kind, whom);
        play.tell(event);
    }
    play.drain();
}

struct Play {
    supervisor: Supervisor,
    now: Instant,
    grace: Duration,
    /// The attempts that have begun, and what was ordered of them.
    attempts: BTreeMap<Attempt, Orders>,
    over: bool,
}

#[derive(Default)]
struct Orders {
    admitted: bool,
    asked_to_leave: bool,
    dropped: bool,
}

impl Play {
    fn new(choice: u8) -> Self {
        let protocol = [
            Protocol::Auto { token: true },
            Protocol::Auto { token: false },
            Protocol::Quic,
            Protocol::Http2,
        ][usize::from(choice % 4)];
        let grace = Duration::from_secs(u64::from(choice / 16));
        let terms = Terms {
            connections: choice / 4 % 5,
            retries: choice % 7,
            address_retries: choice % 3,
            grace,
            give_up: choice >= 128,
            family: [Family::Auto, Family::V4, Family::V6][usize::from(choice % 3)],
            protocol,
            account: String::new(),
        };
        let now = Instant::now();
        let mut play = Self {
            supervisor: Supervisor::new(now, terms, Dice::new(u64::from(choice))),
            now,
            grace,
            attempts: BTreeMap::new(),
            over: false,
        };
        play.obey();
        play
    }

    /// Lets time pass, with every moment at which the supervisor wants to be woken.
    fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.supervisor.wake_at().filter(|at| *at <= end) {
            self.now = at;
            self.tell(Event::Time);
        }
        self.now = end;
    }

    fn tell(&mut self, event: Event) {
        self.supervisor.handle(self.now, event);
        self.obey();
    }

    fn obey(&mut self) {
        while let Some(action) = self.supervisor.poll() {
            assert!(!self.over, "{action:?} after the end");
            match action {
                Action::Dial(dial) => {
                    let twin = self.attempts.insert(dial.attempt, Orders::default());
                    assert!(twin.is_none(), "{} is used twice", dial.attempt);
                }
                Action::Admit(attempt) => {
                    let orders = self.orders(attempt);
                    assert!(!std::mem::replace(&mut orders.admitted, true), "{attempt} twice");
                }
                Action::Leave(attempt) => {
                    let orders = self.orders(attempt);
                    assert!(
                        !std::mem::replace(&mut orders.asked_to_leave, true),
                        "{attempt} twice"
                    );
                }
                Action::Drop(attempt) => {
                    let orders = self.orders(attempt);
                    assert!(!std::mem::replace(&mut orders.dropped, true), "{attempt} twice");
                }
                Action::Finish(_) => self.over = true,
                Action::Discover | Action::LookUpShares | Action::Tell(_) => {}
            }
        }
        let wake_at = self.supervisor.wake_at();
        assert!(wake_at.is_none_or(|at| at > self.now), "it spins");
        assert!(!self.over || wake_at.is_none(), "it wakes after the end");
    }

    fn orders(&mut self, attempt: Attempt) -> &mut Orders {
        let orders = self.attempts.get_mut(&attempt);
        let orders = orders.unwrap_or_else(|| panic!("{attempt} was never dialled"));
        assert!(!orders.dropped, "{attempt} was dropped");
        orders
    }

    /// Returns something that may happen at any time, sensible or not.
    fn event(&self, kind: u8, whom: u8) -> Event {
        let newest = self.attempts.keys().next_back().map_or(0, |attempt| attempt.0);
        let attempt = Attempt(newest.saturating_sub(u64::from(whom % 8)));
        let cause = || "so it is".to_owned();
        match kind % 18 {
            0 => Event::Discovered(Ok(discovered(whom))),
            1 => Event::Discovered(Err(cause())),
            2 => Event::Shares(Ok(shares(whom))),
            3 => Event::Shares(Err(cause())),
            4 | 5 => Event::Reached(attempt),
            6 | 7 => Event::Registered(attempt),
            8 => Event::Sick(attempt),
            9 => Event::Well(attempt),
            10 => Event::Unregistered(attempt),
            11 => Event::Ended(attempt, Ended::Drained),
            12 => Event::Ended(
                attempt,
                Ended::Lost {
                    cause: cause(),
                    silent: whom > 127,
                },
            ),
            13 | 14 => Event::Ended(attempt, unreachable(whom, cause())),
            15 => Event::Ended(attempt, Ended::Duplicate),
            16 => Event::Ended(attempt, refusal(whom, cause())),
            _ => Event::Reconnect(Duration::from_secs(u64::from(whom))),
        }
    }

    /// Asks everything to leave; the end comes within the grace period and a little more.
    fn drain(&mut self) {
        self.tell(Event::Drain);
        self.wait(self.grace + Duration::from_secs(3));
        assert!(self.over, "the drain does not end");
        self.tell(Event::Discovered(Err("late".to_owned())));
    }
}

fn discovered(whom: u8) -> Discovered {
    let v4 = |third: u8| (0..whom % 4).map(move |last| ([198, 51, third, last], 7844).into());
    let v6 = |third: u8| {
        (0..whom / 4 % 3).map(move |last| {
            (
                [0x2001, 0xdb8, 0, 0, 0, 0, u16::from(third), u16::from(last)],
                7844,
            )
                .into()
        })
    };
    Discovered {
        regions: [v4(1).chain(v6(1)).collect(), v6(2).chain(v4(2)).collect()],
        routes: Routes {
            v4: whom & 0x40 == 0,
            v6: whom & 0x80 == 0,
        },
    }
}

fn shares(whom: u8) -> Percentages {
    let share = |protocol: &str, percentage| Share {
        protocol: protocol.to_owned(),
        percentage,
    };
    let quic = i32::from(whom);
    Percentages(vec![share("quic", quic), share("http2", 100)])
}

fn unreachable(whom: u8, cause: String) -> Ended {
    let obstacles = [
        Obstacle::Silence,
        Obstacle::Forbidden,
        Obstacle::NoRoute,
        Obstacle::Refused,
        Obstacle::Handshake,
        Obstacle::Local,
    ];
    Ended::Unreachable {
        cause,
        obstacle: obstacles[usize::from(whom) % obstacles.len()],
    }
}

fn refusal(whom: u8, cause: String) -> Ended {
    match whom % 4 {
        0 => Ended::Rejected { cause },
        1 => Ended::Rejected {
            cause: "Unauthorized".to_owned(),
        },
        2 => Ended::Deferred { cause, after: None },
        _ => Ended::Deferred {
            cause,
            after: Some(Duration::from_secs(u64::from(whom) * 1000)),
        },
    }
}
