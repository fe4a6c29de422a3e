//! What the edge sees of a connector that joins.

use std::collections::BTreeSet;

use adit_loopback::edge::Edge;

use crate::subject;
use crate::world::{self, soon};

const RULES: &str = "ingress:\n- service: http_status:204\n";

#[tokio::test]
async fn four_connections_register_over_two_regions() {
    let edge = world::edge().await;
    let _connector = world::joined(&edge, RULES).await;

    let registrations = edge.registered(4).await;
    let credentials = edge.credentials();

    let indices: Vec<_> = registrations
        .iter()
        .map(|registration| registration.index)
        .collect();
    assert_eq!(indices, [0, 1, 2, 3]);
    let addresses: BTreeSet<_> = registrations
        .iter()
        .map(|registration| registration.address)
        .collect();
    assert_eq!(addresses.len(), 4, "each connection has an address of its own");
    let sites: Vec<_> = registrations
        .iter()
        .map(|registration| registration.site)
        .collect();
    assert_eq!(
        sites.iter().filter(|site| **site == 0).count(),
        2,
        "two in each data centre: {sites:?}"
    );
    let connectors: BTreeSet<_> = registrations
        .iter()
        .map(|registration| registration.client_id)
        .collect();
    assert_eq!(connectors.len(), 1, "one connector");
    for registration in &registrations {
        assert_eq!(registration.account_tag, credentials.account_tag);
        assert_eq!(registration.tunnel_id, credentials.tunnel_id);
        let features: BTreeSet<_> = registration.features.iter().map(String::as_str).collect();
        let expected = [
            "allow_remote_config",
            "management_logs",
            "serialized_headers",
            "support_datagram_v2",
            "support_quic_eof",
        ];
        assert_eq!(features, BTreeSet::from(expected));
        assert!(registration.arch.contains('_'), "{}", registration.arch);
    }
    assert_clean(&edge);
}

#[tokio::test]
async fn connection_zero_comes_first_and_tells_the_local_configuration() {
    let edge = world::edge().await;
    let _connector = world::joined(&edge, RULES).await;

    let history = edge.history(4).await;
    assert_eq!(history[0].0.index, 0);
    let told = soon("the local configuration", edge.configurations(1)).await;
    assert_eq!(told[0].0, history[0].0.serial);
    let configuration: serde_json::Value = serde_json::from_slice(&told[0].1).expect("JSON");
    assert_eq!(configuration["ingress"][0]["service"], "http_status:204");
    assert_clean(&edge);
}

#[tokio::test]
async fn rules_that_are_reloaded_are_told_too() {
    if !subject::is_ours() {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("config.yml");
    let write = |rules: &str| std::fs::write(&file, rules).expect("the configuration is written");
    write(RULES);
    let edge = world::edge().await;
    let connector = world::connector(&edge, RULES)
        .flag("--config", &file.display().to_string())
        .start();
    world::registered(&edge, &connector).await;
    soon("the local configuration", edge.configurations(1)).await;

    connector.signal(rustix::process::Signal::HUP);
    let line = connector.err.with("Reloaded configuration").await;
    assert!(line.contains("rules=unchanged"), "{line}");
    for (number, status) in [(2, 418), (3, 410)] {
        write(&format!("ingress:\n- service: http_status:{status}\n"));
        connector.signal(rustix::process::Signal::HUP);
        let told = soon("what was reloaded", edge.configurations(number)).await;
        assert_eq!(told.len(), number, "what did not change was told");
        let (serial, configuration) = &told[number - 1];
        assert_eq!(*serial, told[0].0);
        let configuration: serde_json::Value = serde_json::from_slice(configuration).expect("JSON");
        let service = format!("http_status:{status}");
        assert_eq!(configuration["ingress"][0]["service"], service.as_str());
    }
    assert_clean(&edge);
}

/// Asserts that the connector did nothing that the protocol forbids.
pub(crate) fn assert_clean(edge: &Edge) {
    assert_eq!(edge.violations(), Vec::<String>::new());
}
