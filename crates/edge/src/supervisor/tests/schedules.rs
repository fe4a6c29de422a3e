//! Thousands of random schedules: whatever happens, what must hold holds, and everything comes back.

use adit_exchange::Transport;

use super::super::*;
use super::world::{World, secs, terms};
use crate::error::Ended;

/// Random schedules that are played.
const SCHEDULES: u64 = 3000;

#[test]
fn whatever_happens_all_connections_return() {
    for seed in 0..SCHEDULES {
        let mut world = troubled(seed);
        if world.outcome.is_some() {
            continue;
        }
        heal(&mut world);
        // The longest waits are those that the edge asks for and those of connections that do not last.
        assert!(
            world.run_until(secs(400), |world| world.all_serve(None)),
            "seed {seed}"
        );
        let better = world.supervisor.transports.better();
        assert!(
            world.run_until(secs(120), |world| world.all_serve(better)),
            "seed {seed}"
        );
        // An edge that takes no second connection of an index lets none move.
        if !world.edge.one_per_index {
            assert!(
                world.run_until(secs(1500), |world| world.all_serve(None) && world.is_spread()),
                "seed {seed}"
            );
        }
    }
}

#[test]
fn whatever_happens_a_drain_ends() {
    for seed in SCHEDULES..2 * SCHEDULES {
        let mut world = troubled(seed);
        let before = world.outcome.clone();
        world.tell(Event::Drain);
        let limit = world.supervisor.terms.grace + secs(3);
        assert!(
            world.run_until(limit, |world| world.outcome.is_some()),
            "seed {seed}"
        );
        assert_eq!(world.outcome, before.or(Some(Outcome::Drained)), "seed {seed}");
        assert!(world.supervisor.wake_at().is_none());
    }
}

/// Plays two minutes of trouble.
fn troubled(seed: u64) -> World {
    let mut dice = Dice::new(seed.wrapping_mul(77));
    let protocol = dice.pick(&[
        Protocol::Auto { token: true },
        Protocol::Auto { token: false },
        Protocol::Quic,
        Protocol::Http2,
    ]);
    let terms = Terms {
        protocol: protocol.expect("there are four"),
        connections: u8::try_from(1 + dice.below(4)).expect("small"),
        grace: secs(dice.below(31)),
        ..terms()
    };
    let mut world = World::new(seed, terms);
    world.edge.one_per_index = dice.coin();
    let fewer = usize::try_from(1 + dice.below(5)).expect("small");
    world.edge.regions[0].truncate(fewer);
    if dice.coin() {
        world.edge.grow(dice.coin());
    }
    let end = world.now + secs(120);
    while world.now < end && world.outcome.is_none() {
        trouble(&mut world, &mut dice);
        let pause = dice.pick(&[
            Duration::from_millis(20),
            Duration::from_millis(700),
            secs(4),
            secs(15),
        ]);
        world.run_for(dice.shorter_than(pause.expect("there are four")));
    }
    world
}

fn trouble(world: &mut World, dice: &mut Dice) {
    let serving: Vec<_> = world.serving().map(|(attempt, _)| attempt).collect();
    match (dice.below(18), dice.pick(&serving)) {
        (0, _) => world.change(|network| network.udp = !network.udp),
        (1, _) => world.change(|network| network.tcp = !network.tcp),
        (2, _) => world.change(|network| network.regions[0] = !network.regions[0]),
        (3, _) => world.change(|network| network.regions[1] = !network.regions[1]),
        (4, _) => world.change(|network| network.dns = !network.dns),
        (5, _) => world.change(|network| network.rejects = !network.rejects),
        (6 | 7, Some(attempt)) => world.kill(attempt),
        (8, Some(attempt)) => world.tell(Event::Sick(attempt)),
        (9, Some(attempt)) => world.tell(Event::Well(attempt)),
        (10, _) => world.edge.answer = refusal(dice),
        (11, _) => world.edge.answer = None,
        (12, _) => serving.into_iter().for_each(|attempt| world.kill(attempt)),
        (13, _) => world.tell(Event::Reconnect(secs(dice.below(10)))),
        (14, _) => world.change(|network| network.arrives.v4 = !network.arrives.v4),
        (15, _) => world.change(|network| network.arrives.v6 = !network.arrives.v6),
        (16, _) => world.change(|network| network.v4 = !network.v4),
        (17, _) => world.change(|network| network.v6 = !network.v6),
        _ => {}
    }
}

fn refusal(dice: &mut Dice) -> Option<Ended> {
    let cause = || "not today".to_owned();
    match dice.below(4) {
        0 => Some(Ended::Duplicate),
        1 => Some(Ended::Rejected { cause: cause() }),
        2 => Some(Ended::Deferred {
            cause: cause(),
            after: None,
        }),
        _ => Some(Ended::Deferred {
            cause: cause(),
            after: Some(secs(dice.below(60))),
        }),
    }
}

/// Makes everything work again.
fn heal(world: &mut World) {
    world.edge.answer = None;
    world.change(|network| *network = super::world::Network::default());
    for (attempt, _) in world
        .serving()
        .map(|(attempt, dial)| (attempt, dial.index))
        .collect::<Vec<_>>()
    {
        world.tell(Event::Well(attempt));
    }
    assert_eq!(world.supervisor.transports.better().is_some(), over_quic(world));
}

fn over_quic(world: &World) -> bool {
    let selection = world.supervisor.transports.selection();
    selection.fallback().is_some() && selection.preferred() == Transport::Quic
}
