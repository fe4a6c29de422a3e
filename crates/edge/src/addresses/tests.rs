//! The recorded cases of address book-keeping, and what goes beyond them.

use std::collections::BTreeSet;
use std::net::ToSocketAddrs;

use adit_vectors::Verdict;
use serde_json::Value;

use super::*;

/// Upstream's words for an allocation that fails.
const NONE_LEFT: &str = "there are no free edge addresses left to resolve to";

#[test]
fn recorded_cases() {
    let Some(file) = adit_vectors::File::open("edge-addresses") else {
        return;
    };
    let mut report = file.report();
    for case in file.cases("vectors") {
        // Cases that end in the look-up never come to have addresses.
        let verdict = if case["error"].is_null() {
            judge(case)
        } else {
            judge_failed_discovery(case)
        };
        report.give(&case["name"], verdict);
    }
    report.finish();
}

fn judge(case: &Value) -> Verdict {
    let family = if case["static_edge"].is_null() {
        family(&case["ip_version"])
    } else {
        Family::Auto
    };
    let mut addresses = Addresses::new(&found(case), family);
    if case["available_at_start"] != available(&addresses) {
        return Verdict::Wrong(format!("{} addresses at start", available(&addresses)));
    }
    let mut dice = Dice::new(11);
    let now = Instant::now();
    for (number, step) in case["steps"].as_array().into_iter().flatten().enumerate() {
        let outcome = perform(&mut addresses, now, step, &mut dice);
        let recorded = (step["op"] != "available").then(|| text(&step["addr"]).or(text(&step["error"])));
        if recorded.is_some_and(|recorded| Some(&outcome) != recorded.as_ref()) {
            return Verdict::Wrong(format!("step {number}: {outcome} instead of {step}"));
        }
        if step["available_after"] != available(&addresses) {
            return Verdict::Wrong(format!("step {number}: {} left", available(&addresses)));
        }
    }
    Verdict::Same
}

fn perform(addresses: &mut Addresses, now: Instant, step: &Value, dice: &mut Dice) -> String {
    let address = match step["op"].as_str() {
        Some("get") => addresses.get(now, index(step), dice),
        Some("different") => addresses.different(now, index(step), blame(step), dice),
        Some("available") => None,
        other => panic!("unknown step {other:?}"),
    };
    address.map_or_else(|| NONE_LEFT.to_owned(), |address| address.to_string())
}

/// What the look-up itself refuses is judged by the same numbers: fewer than two regions, or none left.
fn judge_failed_discovery(case: &Value) -> Verdict {
    if case["static_edge"].is_array() {
        return adit_vectors::same(&Addresses::new(&found(case), Family::Auto).total(), &0);
    }
    let regions = case["regions"].as_array().expect("regions");
    let full = regions
        .iter()
        .filter(|region| region != &&serde_json::json!([]))
        .count();
    adit_vectors::same(&(full < 2), &true)
}

#[test]
fn recorded_cases_of_one_region() {
    let Some(file) = adit_vectors::File::open("edge-regions") else {
        return;
    };
    let mut report = file.report();
    for case in file.cases("vectors") {
        report.give(&case["name"], judge_region(case));
    }
    report.finish();
}

fn judge_region(case: &Value) -> Verdict {
    let addresses = list(&case["addresses_in_resolver_order"]);
    let mut region = Region::new(&addresses, family(&case["ip_version"]), Routes::default());
    let now = Instant::now();
    for (number, step) in case["steps"].as_array().expect("steps").iter().enumerate() {
        let user = User::Connection(index(step));
        let address = if step["op"] == "assign" {
            let chosen = region.choose(None, &|_| true, &mut Dice::new(1));
            let entry = region.entries_mut().find(|entry| Some(entry.address) == chosen);
            entry.map(|entry| {
                entry.users.push(user);
                entry.address
            })
        } else {
            region.give_back(now, user, blame(step), Routes::default())
        };
        let found = step["found"]
            .as_bool()
            .is_none_or(|found| found == address.is_some());
        let same = address.map(|address| address.to_string()) == text(&step["addr"]);
        if !found || !same || step["available_after"] != region.free(None).count() {
            return Verdict::Wrong(format!("step {number}: {address:?} instead of {step}"));
        }
    }
    Verdict::Same
}

fn available(addresses: &Addresses) -> usize {
    addresses
        .regions
        .iter()
        .map(|region| region.free(None).count())
        .sum()
}

fn found(case: &Value) -> Discovered {
    let mut regions = [Vec::new(), Vec::new()];
    if let Some(entries) = case["static_edge"].as_array() {
        let resolved = entries
            .iter()
            .filter_map(|entry| entry.as_str()?.to_socket_addrs().ok()?.next());
        for (position, address) in resolved.enumerate() {
            regions[position % 2].push(address);
        }
    } else {
        regions = [list(&case["regions"][0]), list(&case["regions"][1])];
    }
    Discovered {
        regions,
        routes: Routes::default(),
    }
}

fn list(value: &Value) -> Vec<SocketAddr> {
    let addresses = value.as_array().expect("a list of addresses").iter();
    addresses
        .map(|address| SocketAddr::new(address.as_str().expect("text").parse().expect("an address"), 7844))
        .collect()
}

fn family(version: &Value) -> Family {
    match version.as_str() {
        Some("4") => Family::V4,
        Some("6") => Family::V6,
        _ => Family::Auto,
    }
}

fn index(step: &Value) -> u8 {
    u8::try_from(step["conn"].as_u64().expect("an index")).expect("small")
}

fn blame(step: &Value) -> Blame {
    if step["connectivity_error"] == true {
        Blame::Address
    } else {
        Blame::Nothing
    }
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn v4(last: u8) -> SocketAddr {
    SocketAddr::from(([198, 51, 100, last], 7844))
}

fn v6(last: u16) -> SocketAddr {
    SocketAddr::from(([0x2001, 0xdb8, 0, 0, 0, 0, 0, last], 7844))
}

fn addresses(regions: [&[SocketAddr]; 2], routes: Routes) -> Addresses {
    let found = Discovered {
        regions: regions.map(<[SocketAddr]>::to_vec),
        routes,
    };
    Addresses::new(&found, Family::Auto)
}

const V6_ONLY: Routes = Routes { v4: false, v6: true };

#[test]
fn four_connections_spread_over_both_regions() {
    for seed in 0..50 {
        let mut addresses = addresses(
            [&[v4(1), v4(2), v4(3)], &[v4(11), v4(12), v4(13)]],
            Routes::default(),
        );
        let mut dice = Dice::new(seed);
        let taken: BTreeSet<_> = (0..4)
            .filter_map(|index| addresses.get(Instant::now(), index, &mut dice))
            .collect();
        assert_eq!(taken.len(), 4);
        assert_eq!(
            taken.iter().filter(|address| **address < v4(10)).count(),
            2,
            "{taken:?}"
        );
    }
}

#[test]
fn a_lost_region_gives_way_after_two_failures() {
    let now = Instant::now();
    for seed in 0..50 {
        let second: Vec<_> = (11..=20).map(v4).collect();
        let first: Vec<_> = (1..=10).map(v4).collect();
        let mut addresses = addresses([&first, &second], Routes::default());
        let mut dice = Dice::new(seed);
        let lost = |address: SocketAddr| address > v4(10);
        let mut rotations = 0;
        for index in 0..4 {
            let mut address = addresses.get(now, index, &mut dice).expect("plenty");
            while lost(address) {
                rotations += 1;
                address = addresses
                    .different(now, index, Blame::Address, &mut dice)
                    .expect("plenty");
            }
            addresses.proved(address);
        }
        assert!(rotations <= 3, "{rotations} rotations");
    }
}

#[test]
fn a_family_without_a_route_is_never_chosen() {
    let mut addresses = addresses([&[v4(1), v6(1), v6(2)], &[v6(3), v4(2)]], V6_ONLY);
    let now = Instant::now();
    let mut dice = Dice::new(1);
    assert_eq!(available(&addresses), 3);
    for _ in 0..20 {
        let address = addresses
            .different(now, 0, Blame::Address, &mut dice)
            .expect("three");
        assert!(address.is_ipv6(), "{address}");
    }
}

#[test]
fn a_route_that_is_missing_is_learned() {
    let mut addresses = addresses([&[v4(1), v6(1)], &[v4(2), v6(2)]], Routes::default());
    let now = Instant::now();
    let mut dice = Dice::new(1);
    let first = addresses.get(now, 0, &mut dice).expect("two");
    assert!(first.is_ipv4());
    addresses.unroutable(now, first);
    for _ in 0..20 {
        let address = addresses
            .different(now, 0, Blame::Address, &mut dice)
            .expect("two");
        assert!(address.is_ipv6(), "{address}");
    }
}

#[test]
fn a_network_that_is_down_says_nothing_about_families() {
    let mut addresses = addresses([&[v4(1), v6(1)], &[v4(2), v6(2)]], Routes::default());
    let now = Instant::now();
    addresses.unroutable(now, v4(1));
    addresses.unroutable(now, v6(1));
    assert_eq!(addresses.routes, Routes::default());
    assert_eq!(available(&addresses), 2);
}

/// Lets the address of connection 0 fail so often, and returns the families that it went through.
fn families(addresses: &mut Addresses, failures: usize) -> Vec<u8> {
    let now = Instant::now();
    let mut dice = Dice::new(1);
    let mut seen = Vec::new();
    for _ in 0..failures {
        addresses.different(now, 0, Blame::Address, &mut dice);
        let address = addresses.get(now, 0, &mut dice).expect("some are free");
        seen.push(if address.is_ipv4() { 4 } else { 6 });
    }
    seen
}

#[test]
fn ipv6_gets_its_turn_when_ipv4_keeps_failing() {
    let region = |each: u8| {
        let four = (1..=each).map(v4);
        four.chain((1..=each).map(|last| v6(last.into())))
            .collect::<Vec<_>>()
    };
    let check = |each, turns: &[u8]| {
        let mut addresses = addresses([&region(each), &[]], Routes::default());
        addresses.get(Instant::now(), 0, &mut Dice::new(1));
        assert_eq!(families(&mut addresses, turns.len()), turns, "{each} of each");
    };
    check(1, &[4, 6, 4, 4, 6, 4, 4]);
    check(3, &[4, 4, 6, 4, 4, 4, 6, 4]);
    check(9, &[4, 4, 4, 6, 4, 4, 4, 4, 6]);

    let mut addresses = addresses([&region(5), &[]], Routes::default());
    addresses.get(Instant::now(), 0, &mut Dice::new(1));
    assert_eq!(families(&mut addresses, 4), [4, 4, 4, 6]);
    addresses.proved(v6(1));
    assert_eq!(
        families(&mut addresses, 4),
        [6, 6, 6, 4],
        "what has worked is given time"
    );
}

#[test]
fn a_family_that_was_left_is_not_forgotten_when_the_edge_is_found_anew() {
    let found = Discovered {
        regions: [vec![v4(1), v4(2), v6(1), v6(2)], vec![v4(11), v6(11)]],
        routes: Routes::default(),
    };
    let mut addresses = Addresses::new(&found, Family::Auto);
    for failed in [v4(1), v4(2)] {
        addresses.unreached(Instant::now(), failed, Obstacle::Silence);
    }
    // The regions may be found in the other order.
    let [first, second] = found.regions;
    let found = Discovered {
        regions: [second, first],
        ..found
    };
    let is_v4 = |region: &Region| region.active()[0].address.is_ipv4();
    let renewed = addresses.renewed(&found, Family::Auto);
    assert_eq!(renewed.regions.each_ref().map(is_v4), [true, false]);
    // Unless there is no way any more.
    let routes = Routes { v4: true, v6: false };
    let renewed = addresses.renewed(&Discovered { routes, ..found }, Family::Auto);
    assert_eq!(renewed.regions.each_ref().map(is_v4), [true, true]);
}

#[test]
fn what_is_found_anew_keeps_what_is_in_use() {
    let mut addresses = addresses([&[v4(1), v4(2)], &[v4(11)]], Routes::default());
    let now = Instant::now();
    let mut dice = Dice::new(1);
    let held: Vec<_> = (0..3)
        .filter_map(|index| addresses.get(now, index, &mut dice))
        .collect();
    let found = Discovered {
        regions: [vec![v4(2), v4(3)], vec![v4(11), v4(12)]],
        routes: Routes::default(),
    };
    let addresses = addresses.renewed(&found, Family::Auto);
    assert_eq!(available(&addresses), 2);
    for (index, address) in (0..3).zip(held) {
        let expected = (address != v4(1)).then_some(address);
        assert_eq!(addresses.of(index), expected);
    }
}

#[test]
fn an_address_is_handed_over_before_it_is_free() {
    let mut addresses = addresses([&[v4(1)], &[v4(11)]], Routes::default());
    let now = Instant::now();
    let mut dice = Dice::new(1);
    let old = addresses.get(now, 0, &mut dice).expect("two");
    let new = addresses.second(now, 0, old, &mut dice);
    assert_ne!(old, new);
    addresses.hand_over(0, old);
    assert_eq!(addresses.of(0), Some(new));
    assert_eq!(available(&addresses), 0);
    addresses.left(old);
    assert_eq!(available(&addresses), 1);
}

#[test]
fn a_second_address_is_borrowed_when_none_is_free() {
    let mut addresses = addresses([&[v4(1)], &[v4(11)]], Routes::default());
    let now = Instant::now();
    let mut dice = Dice::new(1);
    let first = addresses.get(now, 0, &mut dice).expect("two");
    let second = addresses.get(now, 1, &mut dice).expect("one");
    assert_eq!(addresses.second(now, 0, first, &mut dice), second);
    addresses.release(0, second);
    assert_eq!(addresses.of(1), Some(second));
    assert_eq!(addresses.of(0), Some(first));
}

#[test]
fn a_single_address_is_its_own_second() {
    let mut addresses = addresses([&[v4(1)], &[]], Routes::default());
    let mut dice = Dice::new(1);
    let only = addresses.get(Instant::now(), 0, &mut dice).expect("one");
    assert_eq!(addresses.second(Instant::now(), 0, only, &mut dice), only);
    addresses.hand_over(0, only);
    assert_eq!(addresses.of(0), Some(only));
    addresses.left(only);
    assert_eq!(available(&addresses), 0);
}
