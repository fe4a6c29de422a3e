//! Plants secrets wherever the program gets them, and looks for them wherever it says something.

use adit_loopback::request::Request;

use crate::endpoints::World;

/// What must be found nowhere.
const CANARY: &str = "canary-5f1d7a";

#[tokio::test]
async fn secrets_reach_no_log_metric_or_diagnosis() {
    let world = World::following(&["--loglevel", "debug", "--api-key", CANARY]).await;
    let url = format!("https://a.example.com/foo?access_token={CANARY}");
    let mut request = Request::get(&url);
    for name in [
        "Authorization",
        "Cookie",
        "Proxy-Authorization",
        "Cf-Access-Jwt-Assertion",
        "Cf-Access-Client-Secret",
    ] {
        request = request.header(name, CANARY);
    }
    world.edge().visit(request).await.unwrap().bytes().await.unwrap();

    let credentials = world.edge().credentials();
    let token = credentials.token();
    let mut said = vec![world.log_with("/foo").await];
    for path in [
        "/metrics",
        "/config",
        "/ready?reasons",
        "/diag/tunnel",
        "/diag/configuration",
        "/diag/system",
        "/debug/vars",
    ] {
        said.push(String::from_utf8_lossy(&world.ask("GET", path).await).into_owned());
    }
    for text in &said {
        for secret in [CANARY, &token] {
            let line = text.lines().find(|line| line.contains(secret));
            assert_eq!(line, None);
        }
    }
    world.end().await;
}
