//! What users write about the way to an application.

use super::*;

#[test]
fn fields_are_joined_under_their_canonical_names() {
    let written = [
        "X-One: 1",
        "x-one:2",
        "trash",
        "Upgrade : foo",
        "weird header: x",
        "X-Two:  a\r\nb\n",
    ];
    let found: Vec<_> = fields(written.into_iter())
        .into_iter()
        .map(|(name, values)| (name, values.iter().map(|value| value.expose().clone()).collect()))
        .collect();
    let expected: Vec<(String, Vec<String>)> = vec![
        ("Upgrade".into(), vec!["foo".into()]),
        ("X-One".into(), vec!["1".into(), "2".into()]),
        ("X-Two".into(), vec!["a  b".into()]),
        ("weird header".into(), vec!["x".into()]),
    ];
    assert_eq!(found, expected);
}

#[test]
fn fields_that_cannot_be_sent_are_left_out() {
    let client = Client::new(crate::client::Settings {
        folder: "/nowhere".into(),
        agent: "agent/1".into(),
        program: "program".into(),
        fedramp: false,
        proxies: adit_dial::Environment::default(),
        tell: |_| {},
        visit: |_, _| {},
    });
    let headers = ["weird header: x", ": y", "Grün: z", "X-One: 1", "X-One: 2"];
    let options = Options {
        address: Address::parse("app.example.com").expect("a host"),
        headers: headers.map(|header| Secret::new(header.into())).to_vec(),
        destination: String::new(),
        service_token: (String::new(), Secret::new(String::new())),
        connect_to: String::new(),
    };
    let carrier = Carrier::new(Arc::new(client), options).expect("a carrier");
    for (token, values) in [(None, vec!["1", "2"]), (Some("t"), vec!["1"])] {
        let request = carrier.request(token).expect("a request");
        let found: Vec<_> = request.headers().get_all("x-one").iter().collect();
        assert_eq!(found, values);
        // The six of a WebSocket, and the agent.
        let others = 6 + usize::from(token.is_some());
        assert_eq!(request.headers().len(), values.len() + others);
    }
}

#[test]
fn another_place_has_up_to_three_parts() {
    type Place<'a> = Option<(&'a str, u16, Option<&'a str>)>;
    let rows: [(&str, Result<Place<'_>, ()>); 8] = [
        ("", Ok(None)),
        ("a", Ok(Some(("a", 443, None)))),
        ("a:1", Ok(Some(("a", 1, None)))),
        ("sni:2:a", Ok(Some(("a", 2, Some("sni"))))),
        ("a:", Ok(Some(("a", 443, None)))),
        ("a:b", Err(())),
        ("a:b:c:d", Err(())),
        ("a:70000", Err(())),
    ];
    for (text, expected) in rows {
        let found = Instead::parse(text).map_err(|_| ());
        let found = found.as_ref().map(|place| {
            let place = place.as_ref()?;
            Some((place.host.as_str(), place.port, place.name.as_deref()))
        });
        assert_eq!(
            found,
            expected.as_ref().map(|place| *place).map_err(|()| &()),
            "{text}"
        );
    }
}
