//! JSON as tables.

use super::*;

fn refusal(text: &str) -> String {
    Document::parse(text).map_or_else(|error| error.to_string(), |_| "accepted".to_owned())
}

#[test]
fn what_is_no_json() {
    let rows = [
        ("", "unexpected end of JSON input"),
        ("  ", "unexpected end of JSON input"),
        ("{", "unexpected end of JSON input"),
        (r#"{"a""#, "unexpected end of JSON input"),
        (r#"{"a":"#, "unexpected end of JSON input"),
        (r#"{"a":1"#, "unexpected end of JSON input"),
        ("[1,", "unexpected end of JSON input"),
        (r#""abc"#, "unexpected end of JSON input"),
        ("x", "invalid character 'x' looking for beginning of value"),
        (
            "\u{feff}{}",
            "invalid character 'ï' looking for beginning of value",
        ),
        ("[1,]", "invalid character ']' looking for beginning of value"),
        (
            "{,}",
            "invalid character ',' looking for beginning of object key string",
        ),
        (
            r#"{"a":1,}"#,
            "invalid character '}' looking for beginning of object key string",
        ),
        (r#"{"a" 1}"#, "invalid character '1' after object key"),
        (
            r#"{"a":1 "b":2}"#,
            r#"invalid character '"' after object key:value pair"#,
        ),
        ("[1 2]", "invalid character '2' after array element"),
        ("{} x", "invalid character 'x' after top-level value"),
        ("01", "invalid character '1' after top-level value"),
        ("/* */", "invalid character '/' looking for beginning of value"),
        ("'a'", r"invalid character '\'' looking for beginning of value"),
        ("-----BEGIN", "invalid character '-' in numeric literal"),
        ("-", "invalid character ' ' in numeric literal"),
        (
            "1.x",
            "invalid character 'x' after decimal point in numeric literal",
        ),
        ("1e+", "invalid character ' ' in exponent of numeric literal"),
        ("tru", "invalid character ' ' in literal true (expecting 'e')"),
        ("nil", "invalid character 'i' in literal null (expecting 'u')"),
        ("fals3", "invalid character '3' in literal false (expecting 'e')"),
        ("\"a\nb\"", r"invalid character '\n' in string literal"),
        (r#""\x""#, "invalid character 'x' in string escape code"),
        (
            r#""\u12g4""#,
            r"invalid character 'g' in \u hexadecimal character escape",
        ),
        (r#""\"#, "invalid character ' ' in string escape code"),
    ];
    for (text, expect) in rows {
        assert_eq!(refusal(text), expect, "{text}");
    }
    for text in [
        "0",
        "-0.5e-3",
        "null",
        " [ ] ",
        r#"{"a":[{},1E5,"\u00e9\/"]}"#,
        "\"\x7f\"",
    ] {
        assert_eq!(refusal(text), "accepted", "{text}");
    }
}

#[test]
fn depth_is_bounded() {
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    assert_eq!(refusal(&nested(10_000)), "accepted");
    assert_eq!(
        refusal(&nested(10_001)),
        "invalid character '[' exceeded max depth"
    );
}

#[test]
fn strings() {
    let rows: &[(&[u8], &str)] = &[
        (br#""""#, ""),
        (br#""a\n\"\\\/\u0041""#, "a\n\"\\/A"),
        (br#""\ud83d\ude00""#, "😀"),
        (br#""\ud83dx\ude00""#, "\u{fffd}x\u{fffd}"),
        (br#""\ud83d\u0041""#, "\u{fffd}A"),
        (br#""\ud83d\ud83d\ude00""#, "\u{fffd}😀"),
        (b"\"a\xff\xc3\"", "a\u{fffd}\u{fffd}"),
        ("\"\u{e9}\"".as_bytes(), "é"),
    ];
    for (text, expect) in rows {
        let document = Document::parse(text).expect("the text is JSON");
        assert_eq!(document.root().as_str().as_deref(), Some(*expect));
    }
}

#[test]
fn values_are_walked_in_order() {
    let document = Document::parse(r#"{"a":[1,[2,3],{"x":4}],"A":true,"b":{}}"#).expect("the text is JSON");
    let root = document.root();
    let names: Vec<_> = root.entries().map(|(name, _)| name.into_owned()).collect();
    assert_eq!(names, ["a", "A", "b"]);
    assert_eq!(root.get("a").and_then(Value::as_bool), Some(true));
    let (_, list) = root.entries().next().expect("there is an entry");
    let items: Vec<_> = list
        .items()
        .map(|item| String::from_utf8_lossy(item.raw()).into_owned())
        .collect();
    assert_eq!(items, ["1", "[2,3]", r#"{"x":4}"#]);
    assert_eq!(list.items().next().and_then(Value::as_number), Some("1"));
    assert!(root.get("c").is_none() && list.get("a").is_none() && root.items().next().is_none());
}

#[derive(Debug, Default, PartialEq)]
struct Rule {
    service: String,
    limit: u64,
    on: bool,
}

#[derive(Debug, Default, PartialEq)]
struct Config {
    ingress: Vec<Rule>,
    secret: Option<Vec<u8>>,
}

fn read(text: &str) -> (Config, Result<(), String>) {
    let mut config = Config::default();
    let outcome = decode(text, |decoder, value| {
        decoder.object(
            value,
            "ingress.Config",
            &["ingress", "secret"],
            |decoder, name, value| {
                if name == "secret" {
                    decoder.bytes(value, &mut config.secret);
                    return Ok(());
                }
                decoder.list(value, "[]config.Rule", &mut config.ingress, rule)
            },
        )
    });
    (config, outcome.map_err(|error| error.to_string()))
}

fn rule(decoder: &mut Decoder, value: Value<'_>, rule: &mut Rule) -> Result<(), crate::JsonError> {
    decoder.object(
        value,
        "config.Rule",
        &["service", "limit", "on"],
        |decoder, name, value| {
            match name {
                "service" => decoder.string(value, &mut rule.service),
                "limit" => decoder.unsigned(value, "uint64", &mut rule.limit),
                _ => decoder.boolean(value, &mut rule.on),
            }
            Ok(())
        },
    )
}

#[test]
fn values_are_laid_over_values() {
    let (config, outcome) = read(
        r#"{"INGRESS":[{"service":"a","On":true,"zzz":1},{"service":"b"}],"secret":"AQID",
            "ingre\u017f\u017f":[{"Service":"c","limit":5},null,{"on":null}],"x":{}}"#,
    );
    assert_eq!(outcome, Ok(()));
    let services: Vec<_> = config
        .ingress
        .iter()
        .map(|rule| (rule.service.as_str(), rule.limit, rule.on))
        .collect();
    assert_eq!(services, [("c", 5, true), ("b", 0, false), ("", 0, false)]);
    assert_eq!(config.secret, Some(vec![1, 2, 3]));
    assert_eq!(read("null"), (Config::default(), Ok(())));
    assert_eq!(read(r#"{"secret":[1,2]}"#).0.secret, Some(vec![1, 2]));
}

#[test]
fn wrong_types() {
    let rows = [
        (
            "[]",
            "json: cannot unmarshal array into Go value of type ingress.Config",
        ),
        (
            r#"{"ingress":{}}"#,
            "json: cannot unmarshal object into Go struct field Config.ingress of type []config.Rule",
        ),
        (
            r#"{"ingress":[5]}"#,
            "json: cannot unmarshal number into Go struct field Config.ingress of type config.Rule",
        ),
        (
            r#"{"ingress":[{"service":5}]}"#,
            "json: cannot unmarshal number into Go struct field Rule.ingress.service of type string",
        ),
        (
            r#"{"ingress":[{"limit":-1}]}"#,
            "json: cannot unmarshal number -1 into Go struct field Rule.ingress.limit of type uint64",
        ),
        (
            r#"{"ingress":[{"limit":1.0}]}"#,
            "json: cannot unmarshal number 1.0 into Go struct field Rule.ingress.limit of type uint64",
        ),
        (
            r#"{"ingress":[{"on":"yes"}]}"#,
            "json: cannot unmarshal string into Go struct field Rule.ingress.on of type bool",
        ),
        (
            r#"{"ingress":[{"on":1,"limit":"x"}]}"#,
            "json: cannot unmarshal number into Go struct field Rule.ingress.on of type bool",
        ),
        (
            r#"{"secret":true}"#,
            "json: cannot unmarshal bool into Go struct field Config.secret of type []uint8",
        ),
        (
            r#"{"secret":[256]}"#,
            "json: cannot unmarshal number 256 into Go struct field Config.secret of type uint8",
        ),
        (r#"{"secret":"*"}"#, "illegal base64 data at input byte 0"),
    ];
    for (text, expect) in rows {
        assert_eq!(read(text).1, Err(expect.to_owned()), "{text}");
    }
    let (config, outcome) = read(r#"{"ingress":[{"on":1,"service":"kept"}]}"#);
    assert!(outcome.is_err() && config.ingress[0].service == "kept");
}

#[test]
fn writes() {
    let mut writer = Writer::new();
    writer
        .begin_object()
        .key("a<b")
        .string("<>&\u{2028}\n\x01\x7f\x08é")
        .key("n")
        .begin_array();
    writer
        .float(0.5)
        .float(90.0)
        .float(1e-9)
        .unsigned(7)
        .integer(-7)
        .boolean(true)
        .null();
    writer
        .end_array()
        .key("o")
        .begin_object()
        .end_object()
        .key("r")
        .raw("[1]")
        .key("x")
        .string(b"\xff");
    writer.end_object();
    let expect = r#"{"a\u003cb":"\u003c\u003e\u0026\u2028\n\u0001_\bé","n":[0.5,90,1e-9,7,-7,true,null],"o":{},"r":[1],"x":"\ufffd"}"#;
    assert_eq!(writer.finish(), expect.replace('_', "\x7f"));
    let mut writer = Writer::verbatim();
    writer.string("<&>\u{2029}");
    assert_eq!(writer.finish(), r#""<&>\u2029""#);
}
