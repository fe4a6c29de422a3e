//! What a person is told: place, problem, hint.

use adit_config::{ConfigError, ConfigurationFlags, File, Overrides, Reading};

#[test]
fn slips_are_told_with_place_and_hint() {
    let rows = [
        (
            "ingress:\n- hostname: *.example.com\n  service: http://x\n",
            "2:13",
            "put quotes around a text that begins with `*` or `&`: '*.example.com'",
        ),
        (
            "originRequest:\n  connectTimeout: 30\n",
            "2:19",
            "write `30s` for seconds",
        ),
        (
            "ingress:\n- hostname: a\n  service: tcp:/localhost:22\n",
            "3:12",
            "did you mean `tcp://localhost:22`?",
        ),
        (
            "ingress:\n- service: localhost:8080\n",
            "2:12",
            "did you mean `http://localhost:8080`?",
        ),
        (
            "ingress:\n- service: http://localhost:80/app\n",
            "2:12",
            "did you mean `http://localhost:80`?",
        ),
        (
            "ingress:\n- service: http_status:40\n",
            "2:12",
            "a status is a number from 100 to 999",
        ),
        (
            "ingress:\n- hostname: a\n  service: http://x\n",
            "2:3",
            "add a last rule such as `- service: http_status:404`",
        ),
        (
            "ingress:\n- hostname: a:80\n  service: http://x\n",
            "2:13",
            "a rule matches its hostname at every port",
        ),
    ];
    for (text, place, hint) in rows {
        let error = refused(text);
        let shown = error
            .place
            .map(|place| format!("{}:{}", place.line, place.column));
        assert_eq!(shown.as_deref(), Some(place), "{error}");
        assert_eq!(error.hint.as_deref(), Some(hint), "{error}");
    }
}

#[test]
fn keys_that_mean_nothing_are_told_with_the_nearest_one() {
    let text = "Origin-Request: {}\ningress:\n- service: hello_world\n  orignRequest: {}\n  x: 1\n";
    let Ok(Reading::File { warnings, .. }) = File::read("config.yml", text.as_bytes()) else {
        panic!("the file is right");
    };
    let told: Vec<_> = warnings
        .iter()
        .map(|warning| (warning.to_string(), warning.hint.as_deref()))
        .collect();
    let expected = [
        (
            "config.yml:4:3: field orignRequest not found in type config.UnvalidatedIngressRule",
            Some("did you mean `originRequest`?"),
        ),
        (
            "config.yml:5:3: field x not found in type config.UnvalidatedIngressRule",
            None,
        ),
        (
            "config.yml:1:17: key Origin-Request means nothing",
            Some("did you mean `originRequest`?"),
        ),
    ];
    assert_eq!(told, expected.map(|(text, hint)| (text.to_owned(), hint)));
}

fn refused(text: &str) -> ConfigError {
    let file = match File::read("config.yml", text.as_bytes()) {
        Err(error) => return error,
        Ok(Reading::Empty) => File::default(),
        Ok(Reading::File { file, .. }) => *file,
    };
    let flags = ConfigurationFlags::default();
    adit_config::resolve(&file, &Overrides::default(), &flags).expect_err("the rules are wrong")
}
