//! What users write about the way to an application.

use super::*;

#[test]
fn fields_are_joined_under_their_canonical_names() {
    let written = ["X-One: 1", "x-one:2", "trash", "Upgrade : foo", "weird header: x"];
    let found: Vec<_> = fields(written.into_iter())
        .into_iter()
        .map(|(name, values)| (name, values.iter().map(|value| value.expose().clone()).collect()))
        .collect();
    let expected: Vec<(String, Vec<String>)> = vec![
        ("Upgrade".into(), vec!["foo".into()]),
        ("X-One".into(), vec!["1".into(), "2".into()]),
        ("weird header".into(), vec!["x".into()]),
    ];
    assert_eq!(found, expected);
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
