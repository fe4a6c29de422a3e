//! Tells what rules ask for that the transport in use cannot do.

use std::sync::Arc;

use adit_config::Rules;
use adit_edge::Status;
use adit_exchange::Transport;
use adit_ingress::Ingress;

/// Warns once for each configuration whose origins may send trailers that QUIC cannot carry.
pub(crate) async fn watch(mut status: Status, ingress: Arc<Ingress>) {
    let mut changes = ingress.changes();
    let mut judged: Option<Arc<Rules>> = None;
    loop {
        let quic = (status.connections().iter()).any(|connection| connection.transport == Transport::Quic);
        let fresh = ingress.rules().filter(|rules| {
            let seen = judged.as_ref().is_some_and(|judged| Arc::ptr_eq(judged, rules));
            quic && !seen
        });
        if let Some(rules) = fresh {
            warn(&rules);
            judged = Some(rules);
        }
        tokio::select! {
            alive = status.changed() => if !alive { return },
            changed = changes.changed() => if changed.is_err() { return },
        }
    }
}

fn warn(rules: &Rules) {
    let concerned = concerned(rules);
    if !concerned.is_empty() {
        tracing::warn!(
            rules = concerned,
            "Trailers of HTTP/2 origins are lost over QUIC, which breaks gRPC; --protocol http2 carries them"
        );
    }
}

/// Returns the numbers of the rules whose origins speak HTTP/2.
fn concerned(rules: &Rules) -> String {
    let concerned = (0..).zip(&rules.rules).filter(|(_, rule)| rule.speaks_http2());
    let numbers: Vec<String> = concerned
        .map(|(number, _): (usize, _)| number.to_string())
        .collect();
    numbers.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use adit_config::{ConfigurationFlags, remote};

    #[test]
    fn rules_that_speak_http2_are_named() {
        let json = r#"{"originRequest": {"http2Origin": true}, "ingress": [
            {"hostname": "a", "service": "https://127.0.0.1"},
            {"hostname": "b", "service": "http://127.0.0.1"},
            {"hostname": "c", "service": "http://127.0.0.1", "originRequest": {"http2PriorKnowledge": true}},
            {"hostname": "d", "service": "https://127.0.0.1", "originRequest": {"http2Origin": false}},
            {"hostname": "e", "service": "https://127.0.0.1", "originRequest": {"matchSNItoHost": true}},
            {"hostname": "f", "service": "unix+tls:/s"},
            {"hostname": "g", "service": "unix:/s", "originRequest": {"http2PriorKnowledge": true}},
            {"hostname": "h", "service": "tcp://127.0.0.1:1", "originRequest": {"http2PriorKnowledge": true}},
            {"service": "http_status:404"}]}"#;
        let rules = remote::read(json.as_bytes(), &ConfigurationFlags::default()).unwrap();
        assert_eq!(concerned(&rules), "0,2,5,6");
    }
}
