//! The decisions about texts against what upstream was recorded to decide.

use std::path::PathBuf;

use adit_vectors::{File, Verdict, same};
use serde_json::{Value, json};

use crate::address::Address;
use crate::client::Application;
use crate::folder::Folder;
use crate::link;
use crate::sealed::Pair;

#[test]
fn what_users_write_is_an_address() {
    check("parse_url", |case| {
        judge(
            case,
            Address::parse(text(&case["in"])).map(|address| address.to_string()),
        )
    });
}

#[test]
fn what_curl_takes_is_an_address() {
    check("process_url", |case| {
        let asked = text(&case["in"]);
        if asked.contains('[') {
            return Verdict::Differs("addresses-keep-their-brackets");
        }
        judge(
            case,
            Address::parse_absolute(asked).map(|address| address.to_string()),
        )
    });
}

#[test]
fn logins_have_a_link() {
    check("request_url", |case| {
        let asked = &case["in"];
        if asked["cli"] == false {
            // The account's own login is another crate's.
            return Verdict::Same;
        }
        let address = Address::read(text(&asked["base"])).expect("a URL");
        let auto_close = asked["auto_close"] == true;
        let link = link::sign_in(&address, text(&asked["value"]), text(&asked["aud"]), auto_close);
        same(link.as_str(), text(&case["out"]))
    });
}

#[test]
fn files_have_names() {
    let folder = Folder::at(PathBuf::from("/f"));
    check("paths", |case| {
        let asked = &case["in"];
        let path = match text(&case["kind"]) {
            "app_token" => folder.application_token(&Application {
                team: String::new(),
                audience: text(&asked["aud"]).into(),
                hostname: text(&asked["app_hostname"]).into(),
            }),
            "org_token" => folder.team_token(text(&asked["auth_domain"])),
            _ => {
                let address = Address::parse(text(&asked["url"])).expect("a URL");
                folder.file(&format!("{}-cf_key", address.file_name()))
            }
        };
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        same(name.as_str(), text(&case["file"]))
    });
}

#[test]
fn sealed_messages_are_opened() {
    check("decrypt", |case| {
        let mut key = [0; 32];
        for (byte, digits) in key
            .iter_mut()
            .zip(text(&case["private_key_hex"]).as_bytes().chunks(2))
        {
            let digits = std::str::from_utf8(digits).expect("hexadecimal");
            *byte = u8::from_str_radix(digits, 16).expect("hexadecimal");
        }
        let pair = Pair::of(key);
        if pair.public() != text(&case["public_key_b64url"]) {
            return Verdict::Wrong("the public key".into());
        }
        let opened = pair.open(
            text(&case["service_public_key"]),
            text(&case["body_base64"]).as_bytes(),
        );
        let found = match opened {
            Ok(plain) => json!(String::from_utf8_lossy(&plain)),
            Err(error) => json!({ "err": error }),
        };
        let wanted = match case.get("err") {
            Some(error) => json!({ "err": error }),
            None => json!(text(&case["plaintext"])),
        };
        same(&found, &wanted)
    });
}

fn judge(case: &Value, outcome: Result<String, crate::Error>) -> Verdict {
    match (outcome, case["err"].as_str()) {
        (Ok(found), _) => same(found.as_str(), text(&case["out"])),
        (Err(error), Some(wanted)) => same(error.to_string().as_str(), wanted),
        (Err(error), None) => Verdict::Wrong(error.to_string()),
    }
}

fn check(list: &str, verdict: impl Fn(&Value) -> Verdict) {
    let Some(file) = File::open("account-unit") else {
        return;
    };
    let mut report = file.report_as(list);
    for (index, case) in file.cases(list).iter().enumerate() {
        report.give(&json!(index), verdict(case));
    }
    report.finish();
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
