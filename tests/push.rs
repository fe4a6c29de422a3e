//! Configurations that the edge pushes, while requests come and go.

use adit_loopback::Transport;
use adit_loopback::edge::{self, Edge};
use adit_loopback::origin::{self, Origin, Page};
use adit_loopback::request::Request;
use serde_json::Value;

use crate::load::{Load, Visit};
use crate::registration::assert_clean;
use crate::subject;
use crate::world::{self, Stage, connector, over_both_transports, say, soon, visit};

const URL: &str = "https://app.example.com/";
/// Two rules; nothing is in common with those that are pushed.
const BEFORE: &str = "ingress:\n- service: http_status:418\n";

over_both_transports!(
    pushed_under_load_nothing_fails_and_nothing_is_mixed,
    what_is_pushed_is_judged_and_answered,
    a_request_keeps_the_rules_it_began_with,
    requests_wait_for_the_first_configuration,
);

/// Pushes while visitors come.
const PUSHES: i32 = 60;

async fn pushed_under_load_nothing_fails_and_nothing_is_mixed(transport: Transport) {
    let origins = [echo().await, echo().await];
    let edge = edge::new().remotely_managed().run().await.expect("an edge");
    let connector = connector(&edge, BEFORE).over(transport).start();
    world::registered(&edge, &connector).await;
    assert_eq!(push(&edge, 0, &rules(&origins, 0)).await, (0, None));

    let load = Load::on_all(&edge, URL, 200);
    for version in 1..=PUSHES {
        // Each connection takes its turn to bring one.
        let on = edge.connection((version % 4) as u8);
        let pushed = soon("an answer", on.push(version, &rules(&origins, version))).await;
        let pushed = pushed.expect("the push is answered");
        assert_eq!((pushed.version, pushed.error), (version, None));
        load.goes_on(20).await;
    }
    let visits = load.stop_without_failure().await;
    let mut versions: Vec<_> = visits
        .iter()
        .map(|visit| assert_unmixed(&origins, visit))
        .collect();
    versions.sort_unstable();
    versions.dedup();
    println!(
        "over {transport}: {} visits saw {} versions",
        visits.len(),
        versions.len()
    );
    assert!(versions.len() > PUSHES as usize / 2, "{versions:?}");
    assert_clean(&edge);
}

async fn echo() -> Origin {
    origin::http()
        .route("*", Page::Echo)
        .run()
        .await
        .expect("an origin")
}

/// Rules of which each part tells the version: the origin, the host and the field that it is sent.
fn rules(origins: &[Origin; 2], version: i32) -> String {
    let service = origins[version as usize % 2].service();
    format!(
        r#"{{"ingress":[{{"hostname":"app.example.com","service":"{service}",
        "originRequest":{{"httpHostHeader":"v{version}.{}"}}}},{{"service":"http_status:404"}}]}}"#,
        origins[version as usize % 2].address().port()
    )
}

/// Returns the version that answered a visit, having held all parts against each other.
fn assert_unmixed(origins: &[Origin; 2], visit: &Visit) -> i32 {
    let body = visit.outcome.as_ref().expect("none has failed");
    let seen: Value = serde_json::from_str(body).expect("JSON");
    let headers = seen["headers"].as_array().expect("pairs");
    let host = headers.iter().find(|pair| pair[0] == "host").expect("a host");
    let host = host[1].as_str().expect("text");
    let (version, port) = host.split_once('.').expect("version and port");
    let version: i32 = version[1..].parse().expect("a version");
    assert_eq!(port, origins[version as usize % 2].address().port().to_string());
    version
}

async fn what_is_pushed_is_judged_and_answered(transport: Transport) {
    let edge = edge::new().remotely_managed().run().await.expect("an edge");
    let connector = connector(&edge, BEFORE).over(transport).start();
    world::registered(&edge, &connector).await;
    let status = async || visit(&edge, Request::get(URL)).await.status();
    assert_eq!(status().await, 418, "the rules of the machine hold until then");

    let teapot = |status| format!(r#"{{"ingress":[{{"service":"http_status:{status}"}}]}}"#);
    assert_eq!(push(&edge, 3, &teapot(201)).await, (3, None));
    assert_eq!(status().await, 201);
    let line = connector.err.with("Updated to new configuration").await;
    assert!(line.contains("version=3"), "{line}");

    // Older and equal versions are left aside, not refused.
    assert_eq!(push(&edge, 3, &teapot(202)).await, (3, None));
    assert_eq!(push(&edge, 2, &teapot(202)).await, (3, None));
    assert_eq!(status().await, 201);

    let no_catch_all = r#"{"ingress":[{"hostname":"a.example.com","service":"http_status:202"}]}"#;
    for wrong in [
        no_catch_all,
        r#"{"ingress":7}"#,
        r#"{"ingress":[{"service":"nonsense"}]}"#,
    ] {
        let (version, error) = push(&edge, 4, wrong).await;
        assert_eq!(version, 3, "{wrong}");
        assert!(error.is_some(), "{wrong}");
        assert_eq!(status().await, 201);
    }
    let line = connector
        .err
        .with("Failed to deserialize new configuration")
        .await;
    assert!(
        line.contains("The last ingress rule must match all URLs"),
        "{line}"
    );

    assert_eq!(push(&edge, 4, &teapot(202)).await, (4, None));
    assert_eq!(status().await, 202);
    // Nothing at all is a configuration, too.
    assert_eq!(push(&edge, 5, "{}").await, (5, None));
    assert_eq!(status().await, 503);
    assert_clean(&edge);
}

async fn push(edge: &Edge, version: i32, configuration: &str) -> (i32, Option<String>) {
    let pushed = soon("an answer", edge.push(version, configuration)).await;
    let pushed = pushed.expect("the push is answered");
    (pushed.version, pushed.error)
}

async fn a_request_keeps_the_rules_it_began_with(transport: Transport) {
    let stage = Stage::open().await;
    let edge = edge::new().remotely_managed().run().await.expect("an edge");
    let connector = connector(&edge, &stage.rules()).over(transport).start();
    world::registered(&edge, &connector).await;

    let ((mut stream, _), mut answer) = tokio::join!(
        async {
            let (mut stream, head) = stage.request().await;
            say(&mut stream, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst").await;
            (stream, head)
        },
        visit(&edge, Request::get(URL)),
    );
    let pushed = push(&edge, 1, r#"{"ingress":[{"service":"http_status:201"}]}"#).await;
    assert_eq!(pushed, (1, None));
    assert_eq!(visit(&edge, Request::get(URL)).await.status(), 201);

    say(&mut stream, "-last").await;
    let body = soon("the rest of the answer", answer.text()).await;
    assert_eq!(body.expect("a whole body"), "first-last");
    assert_clean(&edge);
}

async fn requests_wait_for_the_first_configuration(transport: Transport) {
    if !subject::is_ours() {
        return;
    }
    let edge = edge::new().remotely_managed().run().await.expect("an edge");
    let connector = connector(&edge, "").over(transport).start();
    world::registered(&edge, &connector).await;

    let visitors = futures_util::future::join_all((0..20).map(|_| visit(&edge, Request::get(URL))));
    let pushing = async {
        // They are there before the rules are.
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        push(&edge, 0, r#"{"ingress":[{"service":"http_status:201"}]}"#).await
    };
    let (answers, pushed) = tokio::join!(visitors, pushing);
    assert_eq!(pushed, (0, None));
    let statuses: Vec<_> = answers.iter().map(|answer| answer.status()).collect();
    assert_eq!(statuses, [201; 20]);
    assert_clean(&edge);
}
