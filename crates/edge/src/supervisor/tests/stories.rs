//! Single stories, one sentence each.

use adit_exchange::Transport;

use super::super::*;
use super::world::{Families, World, secs, terms};
use crate::error::Ended;
use crate::transport::Share;

fn started() -> World {
    let mut world = World::new(1, terms());
    assert!(world.run_until(secs(1), |world| world.all_serve(Some(Transport::Quic))));
    world
}

fn registered_at(world: &World) -> Duration {
    world.now - world.start
}

fn rejected(cause: &str) -> Ended {
    Ended::Rejected {
        cause: cause.to_owned(),
    }
}

#[test]
fn four_connections_register_within_a_second_and_the_first_comes_first() {
    let mut world = World::new(1, terms());
    assert!(world.run_until(secs(1), |world| world.serving().count() == 1));
    assert_eq!(world.dials[0].1.index, 0);
    assert!(
        world.dials.iter().skip(1).all(|(at, _)| *at == world.now),
        "nobody is dialled before"
    );
    assert!(world.run_until(secs(1), |world| world.serving().count() == 4));
    assert!(registered_at(&world) < Duration::from_millis(500));
    assert_eq!(world.lines[0].message, "Initial protocol quic");
    assert!(world.lines.iter().all(|line| line.level <= Level::Info));
}

#[test]
fn a_host_without_udp_is_served_within_three_seconds() {
    for rejects in [false, true] {
        let mut world = World::new(1, terms());
        world.change(|network| (network.udp, network.rejects) = (false, rejects));
        assert!(
            world.run_until(secs(3), |world| world.all_serve(Some(Transport::Http2))),
            "rejects: {rejects}"
        );
        assert_eq!(world.told("Switching to fallback protocol http2"), 1);
        assert_eq!(
            world.told("If this log occurs persistently"),
            usize::from(!rejects)
        );
        assert_eq!(
            world
                .lines
                .iter()
                .filter(|line| line.level == Level::Error)
                .count(),
            0
        );
    }
}

#[test]
fn connections_return_to_quic_one_at_a_time_when_udp_is_back() {
    let mut world = World::new(1, terms());
    world.change(|network| network.udp = false);
    world.run_for(secs(600));
    assert!(world.all_serve(Some(Transport::Http2)));
    world.change(|network| network.udp = true);
    let served = |world: &World| world.serving().count() == 4;
    let mut over_quic = 0;
    while over_quic < 4 {
        assert!(
            world.run_until(secs(120), |world| world.serving().filter(quic).count()
                > over_quic)
        );
        assert!(served(&world), "one was gone before its successor came");
        over_quic += 1;
        assert_eq!(world.serving().filter(quic).count(), over_quic);
    }
    assert!(registered_at(&world) < secs(600 + 120));
    assert_eq!(world.told("Changing protocol to quic"), over_quic_changes(&world));
}

fn quic((_, dial): &(Attempt, &Dial)) -> bool {
    dial.transport == Transport::Quic
}

/// Returns that failed announce nothing: only those that got through change a transport.
fn over_quic_changes(_: &World) -> usize {
    4
}

#[test]
fn all_are_served_over_http2_before_the_silence_of_udp_has_killed_them() {
    let mut world = started();
    world.change(|network| network.udp = false);
    assert!(world.run_until(secs(5), |world| world.all_serve(Some(Transport::Http2))));
    world.run_for(secs(20));
    world.change(|network| network.udp = true);
    assert!(world.run_until(secs(120), |world| world.all_serve(Some(Transport::Quic))));
}

#[test]
fn a_fallback_connection_that_is_lost_comes_back_over_the_fallback_at_once() {
    let mut world = World::new(1, terms());
    world.change(|network| network.udp = false);
    assert!(world.run_until(secs(3), |world| world.all_serve(Some(Transport::Http2))));
    let (lost, _) = world.serving().last().expect("four serve");
    world.kill(lost);
    assert!(world.run_until(Duration::from_millis(2200), |world| {
        world.all_serve(Some(Transport::Http2))
    }));
}

#[test]
fn the_edge_that_takes_one_connection_of_an_index_is_returned_to_all_the_same() {
    let mut world = World::new(1, terms());
    world.edge.one_per_index = true;
    world.change(|network| network.udp = false);
    world.run_for(secs(10));
    world.change(|network| network.udp = true);
    assert!(world.run_until(secs(120), |world| world.all_serve(Some(Transport::Quic))));
}

#[test]
fn an_explicit_choice_of_quic_never_falls_back() {
    let mut world = World::new(
        1,
        Terms {
            protocol: Protocol::Quic,
            ..terms()
        },
    );
    world.change(|network| network.udp = false);
    world.run_for(secs(300));
    assert_eq!(world.serving().count(), 0);
    assert!(
        world
            .dials
            .iter()
            .all(|(_, dial)| dial.transport == Transport::Quic)
    );
    world.change(|network| network.udp = true);
    assert!(world.run_until(secs(40), |world| world.all_serve(None)));
}

#[test]
fn a_lost_connection_comes_back_while_the_others_stay() {
    let mut world = started();
    let (lost, dial) = world
        .serving()
        .nth(2)
        .map(|(lost, dial)| (lost, dial.clone()))
        .expect("four serve");
    world.kill(lost);
    assert_eq!(world.serving().count(), 3);
    assert!(world.run_until(Duration::from_millis(2200), |world| {
        world.all_serve(Some(Transport::Quic))
    }));
    let (_, back) = world
        .serving()
        .find(|(_, back)| back.index == dial.index)
        .expect("it is back");
    assert_eq!(back.address, dial.address, "it keeps its address");
    assert_eq!(world.told("Retrying connection in up to 1s"), 1);
    assert!(
        world.lines.iter().all(|line| line.level < Level::Error),
        "others carried on"
    );
}

#[test]
fn an_edge_that_was_away_for_a_minute_is_found_again_by_all() {
    let mut world = started();
    world.change(|network| network.regions = [false, false]);
    world.run_for(secs(60));
    assert_eq!(world.serving().count(), 0);
    world.change(|network| network.regions = [true, true]);
    assert!(world.run_until(secs(40), |world| world.all_serve(None)));
    assert!(world.outcome.is_none());
}

#[test]
fn a_lost_data_centre_is_replaced_by_the_other() {
    let mut world = started();
    world.change(|network| network.regions[1] = false);
    assert!(world.run_until(secs(30), |world| world.all_serve(Some(Transport::Quic))));
    assert!(world.serving().count() == 4);
}

#[test]
fn a_data_centre_that_is_back_is_used_again_and_nobody_goes_meanwhile() {
    let mut world = started();
    world.change(|network| network.regions[0] = false);
    let second = world.edge.regions[1].clone();
    let in_second = |world: &World| {
        let inside = world.serving().filter(|(_, dial)| second.contains(&dial.address));
        inside.count()
    };
    assert!(world.run_until(secs(60), |world| in_second(world) == 4));
    // As long as it is away it is asked now and then.
    let dials = world.dialled;
    world.run_for(secs(3600));
    let dials = world.dialled - dials;
    assert!((3..12).contains(&dials), "{dials} dials in an hour");
    world.network.regions[0] = true;
    let end = world.now + secs(700);
    while in_second(&world) > 2 {
        assert!(world.now < end, "it is used again");
        world.run_for(Duration::from_millis(10));
        assert!(
            world.serving().count() >= 4,
            "none goes before its successor is there"
        );
    }
    let dials = world.dialled;
    world.run_for(secs(3600));
    assert_eq!(world.dialled, dials, "two in each are left alone");
}

#[test]
fn an_address_that_is_free_again_is_shared_no_more() {
    let mut world = World::new(1, terms());
    for region in &mut world.edge.regions {
        region.truncate(2);
    }
    assert!(world.run_until(secs(1), |world| world.serving().count() == 4));
    let (silent, _) = world.serving().nth(3).expect("four serve");
    world.tell(Event::Sick(silent));
    let addresses = |world: &World| {
        let used = world.serving().map(|(_, dial)| dial.address);
        used.collect::<std::collections::BTreeSet<_>>().len()
    };
    assert!(world.run_until(secs(60), |world| addresses(world) == 3
        && world.serving().count() == 4));
    assert!(world.run_until(secs(180), |world| addresses(world) == 4));
}

#[test]
fn connections_that_fall_silent_together_move_to_the_other_data_centre_at_once() {
    for seed in 0..20 {
        let mut world = World::new(seed, terms());
        assert!(world.run_until(secs(1), |world| world.all_serve(None)));
        world.change(|network| network.regions[1] = false);
        assert!(world.run_until(secs(4), |world| {
            let mut serving = world.serving();
            serving.all(|(_, dial)| world.edge.regions[0].contains(&dial.address))
        }));
        assert_eq!(world.serving().count(), 4);
    }
}

#[test]
fn a_silent_connection_is_replaced_before_it_dies() {
    let mut world = started();
    let (silent, index) = world
        .serving()
        .nth(1)
        .map(|(silent, dial)| (silent, dial.index))
        .expect("four serve");
    world.tell(Event::Sick(silent));
    assert!(world.run_until(secs(1), |world| world.attempts[&silent].asked_to_leave));
    let successors = world.serving().filter(|(_, dial)| dial.index == index).count();
    assert_eq!(successors, 1);
}

#[test]
fn a_silent_connection_is_replaced_even_if_no_address_is_free() {
    let mut world = World::new(1, terms());
    for region in &mut world.edge.regions {
        region.truncate(2);
    }
    assert!(world.run_until(secs(1), |world| world.serving().count() == 4));
    let (silent, address) = world
        .serving()
        .nth(1)
        .map(|(silent, dial)| (silent, dial.address))
        .expect("four serve");
    world.tell(Event::Sick(silent));
    assert!(world.run_until(secs(1), |world| world.attempts[&silent].asked_to_leave));
    let successor = world.serving().find(|(_, dial)| dial.index == 1);
    assert_ne!(successor.expect("it has one").1.address, address);
}

#[test]
fn a_connection_that_is_well_again_keeps_its_place() {
    let mut world = started();
    let (silent, _) = world.serving().nth(1).expect("four serve");
    world.tell(Event::Sick(silent));
    assert!(world.run_until(secs(1), |world| world.attempts.len() == 5));
    world.tell(Event::Well(silent));
    assert_eq!(world.attempts.len(), 4);
    assert!(!world.attempts[&silent].asked_to_leave);
}

#[test]
fn names_that_resolve_late_are_served_within_two_seconds() {
    for protocol in [Protocol::Auto { token: true }, Protocol::Auto { token: false }] {
        let mut world = World::new(1, Terms { protocol, ..terms() });
        world.network.dns = false;
        world.run_for(secs(300));
        assert!(world.outcome.is_none());
        assert!(world.searches.len() <= 301);
        world.network.dns = true;
        assert!(world.run_until(secs(2), |world| world.serving().count() > 0));
    }
}

#[test]
fn the_search_gives_up_only_when_it_is_told_to() {
    let mut world = World::new(
        1,
        Terms {
            give_up: true,
            retries: 2,
            ..terms()
        },
    );
    world.network.dns = false;
    assert!(world.run_until(secs(10), |world| world.outcome.is_some()));
    assert_eq!(world.searches.len(), 3);
    assert!(matches!(world.outcome, Some(Outcome::NotFound { .. })));
}

#[test]
fn a_definite_refusal_ends_the_process_before_anything_has_registered() {
    let mut world = World::new(1, terms());
    world.edge.answer = Some(rejected("tunnel is gone"));
    assert!(world.run_until(secs(1), |world| world.outcome.is_some()));
    let cause = "tunnel is gone".to_owned();
    assert_eq!(world.outcome, Some(Outcome::Rejected { cause }));
    assert_eq!(world.told("initial tunnel connection failed"), 1);
}

#[test]
fn a_tunnel_that_is_not_known_everywhere_gets_three_chances() {
    let mut world = World::new(1, terms());
    world.edge.answer = Some(rejected("Unauthorized: Tunnel not found"));
    assert!(world.run_until(secs(10), |world| world.outcome.is_some()));
    assert_eq!(world.told("Register tunnel error from server side"), 3);

    let mut world = World::new(1, terms());
    world.edge.answer = Some(rejected("Unauthorized: Tunnel not found"));
    assert!(world.run_until(secs(1), |world| world.told("Register tunnel error") == 1));
    world.edge.answer = None;
    assert!(world.run_until(secs(10), |world| world.all_serve(None)));
}

#[test]
fn a_refusal_after_a_registration_is_temporary() {
    let mut world = started();
    world.edge.answer = Some(rejected("Unauthorized: Tunnel not found"));
    for (attempt, _) in world
        .serving()
        .map(|(attempt, dial)| (attempt, dial.index))
        .collect::<Vec<_>>()
    {
        world.kill(attempt);
    }
    world.run_for(secs(600));
    assert!(world.outcome.is_none());
    world.edge.answer = None;
    assert!(world.run_until(secs(400), |world| world.all_serve(None)));
}

#[test]
fn a_wait_that_the_edge_asks_for_is_kept() {
    let mut world = World::new(1, terms());
    let cause = "busy".to_owned();
    world.edge.answer = Some(Ended::Deferred {
        cause,
        after: Some(secs(90)),
    });
    world.run_for(secs(89));
    assert_eq!(world.told("Register tunnel error"), 1);
    assert_eq!(world.told("Retrying connection in up to 1m30s"), 1);
    world.edge.answer = None;
    assert!(world.run_until(secs(3), |world| world.all_serve(None)));
}

#[test]
fn a_duplicate_moves_to_another_address() {
    for protocol in [Protocol::Quic, Protocol::Http2] {
        let mut world = World::new(1, Terms { protocol, ..terms() });
        world.edge.answer = Some(Ended::Duplicate);
        assert!(
            world.run_until(secs(60), |world| world.told("Unable to establish connection.")
                == 4)
        );
        let addresses: std::collections::BTreeSet<_> =
            world.dials.iter().map(|(_, dial)| dial.address).collect();
        assert!(addresses.len() > 1, "{addresses:?}");
        world.edge.answer = None;
        assert!(world.run_until(secs(40), |world| world.all_serve(None)));
    }
}

#[test]
fn a_single_refused_address_is_kept_and_asked_slowly() {
    let mut world = World::new(1, terms());
    world.edge.regions = [vec![([127, 0, 0, 1], 7844).into()], Vec::new()];
    world.change(|network| (network.regions[0], network.rejects) = (false, true));
    world.run_for(secs(60));
    assert_eq!(
        world.told("You requested 4 HA connections but I can give you at most 1."),
        1
    );
    assert!(world.told("Retrying connection") < 15);
    world.change(|network| network.regions[0] = true);
    assert!(world.run_until(secs(40), |world| world.all_serve(None)));
    assert_eq!(world.serving().count(), 1);
}

#[test]
fn connections_are_added_when_addresses_appear() {
    let mut world = World::new(1, terms());
    let all = world.edge.regions.clone();
    world.edge.regions = [all[0][..1].to_vec(), Vec::new()];
    world.run_for(secs(5));
    assert_eq!(world.serving().count(), 1);
    world.edge.regions = all;
    assert!(world.run_until(secs(61), |world| world.serving().count() == 4));
}

#[test]
fn the_edge_is_looked_for_again_when_all_its_addresses_fail() {
    let mut world = started();
    let moved: Vec<_> = (1..=5).map(|last| ([203, 0, 113, last], 7844).into()).collect();
    world.change(|network| network.regions = [false, false]);
    world.run_for(secs(90));
    let searches = world.searches.len();
    assert!(searches > 1, "{searches}");
    world.edge.regions = [world.edge.regions[0].clone(), moved.clone()];
    world.network.regions[1] = true;
    assert!(world.run_until(secs(120), |world| world.serving().count() >= 4));
    assert!(world.serving().all(|(_, dial)| moved.contains(&dial.address)));
}

#[test]
fn an_ipv6_only_host_leaves_ipv4_alone() {
    let mut world = World::new(1, terms());
    world.edge.grow(false);
    world.change(|network| network.v4 = false);
    assert!(world.run_until(secs(20), |world| world.all_serve(None)));
    assert!(world.serving().all(|(_, dial)| dial.address.is_ipv6()));
}

#[test]
fn a_family_that_is_lost_is_left_for_the_other_on_either_transport() {
    for protocol in [Protocol::Quic, Protocol::Http2, Protocol::Auto { token: true }] {
        for v6_first in [true, false] {
            let mut world = World::new(1, Terms { protocol, ..terms() });
            world.edge.grow(v6_first);
            assert!(world.run_until(secs(2), |world| world.all_serve(None)));
            assert!(
                world
                    .serving()
                    .all(|(_, dial)| dial.address.is_ipv6() == v6_first)
            );
            world.change(|network| {
                network.arrives = Families {
                    v4: v6_first,
                    v6: !v6_first,
                };
            });
            // Connections that have fallen silent are still counted for a moment.
            world.run_for(secs(10));
            let moved = |world: &World| {
                let other = |(_, dial): (Attempt, &Dial)| dial.address.is_ipv6() != v6_first;
                world.all_serve(None) && world.serving().all(other)
            };
            assert!(world.run_until(secs(20), moved), "{protocol:?} {v6_first}");
        }
    }
}

#[test]
fn the_record_chooses_the_transport_and_its_absence_chooses_http2() {
    let share = |protocol: &str| Share {
        protocol: protocol.to_owned(),
        percentage: 100,
    };
    let cases = [
        (Ok(Percentages(vec![share("quic")])), Transport::Quic),
        (Ok(Percentages(vec![share("http2")])), Transport::Http2),
        (Err("no such host".to_owned()), Transport::Http2),
    ];
    for (shares, transport) in cases {
        let mut world = World::new(
            1,
            Terms {
                protocol: Protocol::Auto { token: false },
                ..terms()
            },
        );
        world.edge.shares = shares;
        assert!(
            world.run_until(secs(1), |world| world.all_serve(Some(transport))),
            "{transport}"
        );
        assert_eq!(world.told(&format!("Initial protocol {transport}")), 1);
    }
}

#[test]
fn an_edge_that_accepts_and_throws_out_is_not_asked_every_second() {
    let mut world = started();
    let mut losses = 0;
    let end = world.now + secs(600);
    while world.now < end {
        world.run_until(secs(600), |world| {
            world.serving().any(|(_, dial)| dial.index == 3)
        });
        let thrown_out = world
            .serving()
            .find(|(_, dial)| dial.index == 3)
            .map(|(attempt, _)| attempt);
        if let Some(attempt) = thrown_out {
            losses += 1;
            world.kill(attempt);
        }
    }
    assert!(losses < 40, "{losses} registrations in ten minutes");
}

#[test]
fn a_reconnect_breaks_one_connection_for_as_long_as_asked() {
    let mut world = started();
    world.tell(Event::Reconnect(secs(15)));
    assert_eq!(
        world.told("Restarting connection due to reconnect signal in 15s"),
        1
    );
    world.run_for(secs(14));
    assert_eq!(world.serving().count(), 3);
    assert!(world.run_until(secs(2), |world| world.serving().count() == 4));
}

#[test]
fn a_drain_ends_when_everybody_has_left_and_says_nothing_loud() {
    let mut world = started();
    world.tell(Event::Drain);
    assert!(world.attempts.values().all(|life| life.asked_to_leave));
    assert!(world.run_until(secs(31), |world| world.outcome == Some(Outcome::Drained)));
    assert!(world.lines.iter().all(|line| line.level <= Level::Info));
}

#[test]
fn a_drain_before_the_first_registration_ends_at_once() {
    let mut world = World::new(1, terms());
    world.change(|network| network.regions = [false, false]);
    world.run_for(secs(3));
    world.tell(Event::Drain);
    assert_eq!(world.outcome, Some(Outcome::Drained));
}

#[test]
fn whoever_does_not_leave_in_time_is_dropped() {
    let mut world = started();
    world.change(|network| network.udp = false);
    world.tell(Event::Drain);
    world
        .attempts
        .values_mut()
        .for_each(|life| life.stage = super::world::Stage::Unregistered);
    assert!(world.run_until(secs(33), |world| world.outcome == Some(Outcome::Drained)));
}
