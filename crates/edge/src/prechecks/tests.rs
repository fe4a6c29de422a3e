//! Verdicts, suggestions and advice, row by row.

use super::*;

fn target(label: &str) -> Target {
    Target {
        label: label.to_owned(),
        addresses: Ok(vec![([198, 51, 100, 1], 7844).into()]),
    }
}

fn report(protocol: Protocol, quic: [Reach; 2], http2: [Reach; 2], api: bool) -> Report {
    let found = [
        (target("region1.v2.argotunnel.com"), quic[0], http2[0]),
        (target("region2.v2.argotunnel.com"), quic[1], http2[1]),
    ];
    Report::new(Uuid::nil(), protocol, &found, api)
}

const AUTO: Protocol = Protocol::Auto { token: false };
const UP: [Reach; 2] = [Reach::Reached; 2];
const DOWN: [Reach; 2] = [Reach::Unreached; 2];
const HALF: [Reach; 2] = [Reach::Reached, Reach::Unreached];
const NONE: [Reach; 2] = [Reach::NoFamily; 2];

#[test]
fn verdicts_and_suggestions() {
    use Transport::{Http2, Quic};
    use Verdict::{Degraded, HardFail, Healthy};
    let rows = [
        (AUTO, UP, UP, true, Healthy, Some(Quic)),
        (AUTO, UP, UP, false, Degraded, Some(Quic)),
        (AUTO, DOWN, UP, true, Degraded, Some(Http2)),
        (AUTO, HALF, UP, true, Degraded, Some(Http2)),
        (AUTO, UP, DOWN, true, Degraded, Some(Quic)),
        (AUTO, HALF, HALF, true, HardFail, None),
        (AUTO, DOWN, DOWN, false, HardFail, None),
        (AUTO, NONE, NONE, true, Healthy, None),
        (Protocol::Http2, UP, UP, true, Healthy, Some(Http2)),
        (Protocol::Http2, UP, DOWN, true, Degraded, Some(Quic)),
        (Protocol::Quic, DOWN, UP, true, Degraded, Some(Http2)),
    ];
    for (protocol, quic, http2, api, verdict, suggested) in rows {
        let report = report(protocol, quic, http2, api);
        let situation = format!("{protocol:?} {quic:?} {http2:?} {api}");
        assert_eq!(
            (report.verdict(), report.suggested()),
            (verdict, suggested),
            "{situation}"
        );
    }
}

#[test]
fn a_name_that_does_not_resolve_is_critical() {
    for addresses in [Err("no such host".to_owned()), Ok(Vec::new())] {
        let lost = Target {
            label: "region1.v2.argotunnel.com".to_owned(),
            addresses,
        };
        let found = [
            (lost, Reach::NoAddress, Reach::NoAddress),
            (
                target("region2.v2.argotunnel.com"),
                Reach::Reached,
                Reach::Reached,
            ),
        ];
        let report = Report::new(Uuid::nil(), AUTO, &found, true);
        assert_eq!(report.verdict(), Verdict::HardFail);
        assert_eq!(report.rows[2].details, "DNS prerequisite failed");
        let advice = report.rows[0].advice().expect("it fails");
        assert!(advice.contains("dig A region1.v2.argotunnel.com @1.1.1.1"));
    }
}

#[test]
fn the_box() {
    let table = report(AUTO, DOWN, UP, true).table();
    let expected = "\
+-----------------------------------------------------------------------------------+
| CONNECTIVITY PRE-CHECKS                                                           |
|                                                                                   |
| COMPONENT         TARGET                     STATUS  DETAILS                      |
| DNS Resolution    region1.v2.argotunnel.com  PASS    DNS Resolved successfully    |
| DNS Resolution    region2.v2.argotunnel.com  PASS    DNS Resolved successfully    |
| UDP Connectivity  region1.v2.argotunnel.com  FAIL    QUIC connection failed       |
| UDP Connectivity  region2.v2.argotunnel.com  FAIL    QUIC connection failed       |
| TCP Connectivity  region1.v2.argotunnel.com  PASS    HTTP/2 connection successful |
| TCP Connectivity  region2.v2.argotunnel.com  PASS    HTTP/2 connection successful |
| Cloudflare API    api.cloudflare.com:443     PASS    API is reachable             |
|                                                                                   |
| WARNING: Allow outbound UDP to port 7844 of the edge, or use `--protocol http2`.  |
| WARNING: Allow outbound UDP to port 7844 of the edge, or use `--protocol http2`.  |
|                                                                                   |
| SUMMARY: Environment ready with degraded transport. Protocol in use: http2.       |
+-----------------------------------------------------------------------------------+";
    assert_eq!(table.join("\n"), expected);
}

#[test]
fn the_file() {
    let json = report(Protocol::Quic, UP, UP, false).json();
    let value: serde_json::Value = serde_json::from_str(&json).expect("it is JSON");
    assert_eq!(value["RunID"], Uuid::nil().to_string());
    assert_eq!(value["SuggestedProtocol"], 1);
    assert_eq!(value["Results"][6]["Type"], 3);
    assert_eq!(value["Results"][6]["ProbeStatus"], 1);
    assert_eq!(value["Results"][0]["Action"], "");
}

#[test]
fn one_address_of_each_family_that_has_a_route() {
    let v4 = SocketAddr::from(([198, 51, 100, 1], 7844));
    let v6 = SocketAddr::from(([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1], 7844));
    let both = [v6, v4, v4, v6];
    let routes = |v4, v6| Routes { v4, v6 };
    let rows: [(&[SocketAddr], Family, Routes, &[SocketAddr]); 7] = [
        (&both, Family::Auto, routes(true, true), &[v4, v6]),
        (&both, Family::Auto, routes(false, true), &[v6]),
        (&both, Family::Auto, routes(true, false), &[v4]),
        (&both, Family::Auto, routes(false, false), &[v4, v6]),
        (&both, Family::V4, routes(false, true), &[v4]),
        (&[v4], Family::V6, routes(true, true), &[]),
        (&[v4], Family::Auto, routes(false, true), &[v4]),
    ];
    for (addresses, family, routes, expected) in rows {
        assert_eq!(
            candidates(addresses, family, routes),
            expected,
            "{family:?} {routes:?}"
        );
    }
}

#[test]
fn regions_are_shown_under_fixed_names() {
    assert_eq!(
        labels(None),
        ["region1.v2.argotunnel.com", "region2.v2.argotunnel.com"]
    );
    assert_eq!(labels(Some("us"))[1], "us-region2.v2.argotunnel.com");
}
