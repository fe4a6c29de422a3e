//! The way to the edge's two regions, as another program traces it.

use std::process::Command;

use serde_json::{Value, json};

/// Where routes are traced to.
const TARGETS: [&str; 2] = ["region1.v2.argotunnel.com", "region2.v2.argotunnel.com"];

/// A traced route.
#[derive(Clone, Debug)]
pub(super) struct Route {
    name: String,
    output: Option<String>,
}

/// Traces the routes over both families, all at once.
pub(super) fn trace_all() -> Vec<Route> {
    let jobs = TARGETS
        .iter()
        .flat_map(|host| [("traceroute", *host, "v4"), ("traceroute6", *host, "v6")]);
    std::thread::scope(|scope| {
        let running: Vec<_> = jobs
            .map(|(program, host, family)| {
                scope.spawn(move || Route {
                    name: format!("{host}-{family}"),
                    output: trace(program, host),
                })
            })
            .collect();
        running.into_iter().filter_map(|job| job.join().ok()).collect()
    })
}

fn trace(program: &str, host: &str) -> Option<String> {
    let output = Command::new(program)
        .args(["-I", "-w", "5", "-m", "5", host])
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}

/// Returns what was printed for each route.
pub(super) fn raw(routes: &[Route]) -> Vec<u8> {
    let mut text = String::new();
    for route in routes {
        let output = route.output.as_deref().unwrap_or("no content");
        text.push_str(&format!("{}\n{}\n", route.name, output.trim_end()));
    }
    text.into_bytes()
}

/// Returns the hops of each route.
pub(super) fn parsed(routes: &[Route]) -> Value {
    let hops = |route: &Route| match &route.output {
        Some(output) => output.lines().filter_map(hop).collect(),
        None => Value::Null,
    };
    routes
        .iter()
        .map(|route| (route.name.clone(), hops(route)))
        .collect()
}

/// Reads a line such as ` 3  name (192.0.2.1)  0.5 ms  0.4 ms *`.
fn hop(line: &str) -> Option<Value> {
    let mut words = line.split_whitespace();
    let number: u8 = words.next()?.parse().ok()?;
    let (mut domain, mut times) = (Vec::new(), Vec::new());
    let words: Vec<&str> = words.collect();
    for (index, word) in words.iter().enumerate() {
        let milliseconds = words
            .get(index + 1)
            .filter(|unit| **unit == "ms")
            .and_then(|_| word.parse::<f64>().ok());
        if let Some(milliseconds) = milliseconds {
            times.push(json!((milliseconds * 1000.0).round()));
        } else if *word != "ms" && *word != "*" {
            domain.push(*word);
        }
    }
    let domain = if domain.is_empty() {
        "*".to_owned()
    } else {
        domain.join(" ")
    };
    Some(json!({ "hop": number, "domain": domain, "rtts": times }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_hops() {
        let cases = [
            ("traceroute to h (192.0.2.1), 5 hops max", None),
            (
                " 1  gw (192.0.2.1)  0.5 ms  1 ms *",
                Some(json!({"hop": 1, "domain": "gw (192.0.2.1)", "rtts": [500.0, 1000.0]})),
            ),
            (" 2  * * *", Some(json!({"hop": 2, "domain": "*", "rtts": []}))),
        ];
        for (line, expected) in cases {
            assert_eq!(hop(line), expected, "{line}");
        }
    }
}
