//! Sans-IO. Names with letters outside ASCII, as rules and the wire know them.

use std::borrow::Cow;

use idna::punycode;
use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};

use crate::hostport;

/// Returns the form of a rule's hostname under which resolvers know it, if it has one.
///
/// Letters are mapped (lower case, width, ideographic full stops); `_`, space, `*` and misplaced
/// hyphens are refused; empty labels and long ones pass.
#[must_use]
pub fn lookup(hostname: &str) -> Option<Cow<'_, str>> {
    let form = Uts46::new().to_ascii(
        hostname.as_bytes(),
        AsciiDenyList::STD3,
        Hyphens::Check,
        DnsLength::Ignore,
    );
    form.ok()
}

/// Returns the ASCII form of a name that is written as it is registered, if it is.
///
/// Nothing is mapped: upper case outside ASCII and misplaced hyphens are refused, `*` and `_` pass;
/// every label and the whole have a length that DNS allows, and one full stop may end the name.
#[must_use]
pub fn registered(hostname: &str) -> Option<Cow<'_, str>> {
    let form = Uts46::new().to_ascii(
        hostname.as_bytes(),
        AsciiDenyList::EMPTY,
        Hyphens::Check,
        DnsLength::VerifyAllowRootDot,
    );
    let form = form.ok()?;
    let is_mapped = |letter: char| !letter.is_ascii() && letter.to_lowercase().ne([letter]);
    (!hostname.contains(is_mapped)).then_some(form)
}

/// Returns `hostname` with its labels outside ASCII in Punycode; nothing else is mapped or checked.
///
/// Returns nothing when a label cannot be written so, or claims to be but is not.
#[must_use]
pub fn to_punycode(hostname: &str) -> Option<Cow<'_, str>> {
    if hostname.is_ascii() && !hostname.split('.').any(|label| label.starts_with(PREFIX)) {
        return Some(Cow::Borrowed(hostname));
    }
    let labels: Option<Vec<_>> = hostname.split('.').map(label).collect();
    Some(Cow::Owned(labels?.join(".")))
}

/// Returns the form in which a `Host` field that may hold a port is sent.
///
/// Returns nothing for a name outside ASCII that has no such form.
#[must_use]
pub fn wire_host(host: &str) -> Option<Cow<'_, str>> {
    if host.is_ascii() {
        return Some(Cow::Borrowed(host));
    }
    let Ok((name, port)) = hostport::split_str(host) else {
        return to_punycode(host);
    };
    let name = to_punycode(name)?;
    if port.is_empty() {
        return Some(Cow::Owned(name.into_owned()));
    }
    Some(Cow::Owned(hostport::join(&name, port)))
}

/// What a label in Punycode begins with.
const PREFIX: &str = "xn--";

fn label(label: &str) -> Option<String> {
    let text = match label.strip_prefix(PREFIX) {
        Some(encoded) => Cow::Owned(punycode::decode_to_string(encoded)?),
        None => Cow::Borrowed(label),
    };
    if text.is_ascii() {
        return Some(text.into_owned());
    }
    let encoded = punycode::encode_str(&text)?;
    Some(format!("{PREFIX}{encoded}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_hostnames() {
        let rows = [
            ("müller.de", Some("xn--mller-kva.de")),
            ("faß.de", Some("xn--fa-hia.de")),
            ("Upper.Example.COM", Some("upper.example.com")),
            ("XN--mller-kva.de", Some("xn--mller-kva.de")),
            ("ＡＢＣ。de", Some("abc.de")),
            ("a..b", Some("a..b")),
            ("trail.example.com.", Some("trail.example.com.")),
            ("", Some("")),
            ("10.0.0.1", Some("10.0.0.1")),
            ("*.example.com", None),
            ("under_score.example.com", None),
            ("-dash.example.com", None),
            ("dash-.example.com", None),
            ("ab--cd.example.com", None),
            ("a b", None),
            ("xn--a-ä.de", None),
            ("xn--zzzzz-.de", None),
        ];
        for (hostname, expect) in rows {
            assert_eq!(lookup(hostname).as_deref(), expect, "{hostname}");
        }
        let long = "a".repeat(70) + ".example";
        assert_eq!(lookup(&long).as_deref(), Some(long.as_str()));
    }

    #[test]
    fn hosts_on_the_wire() {
        let rows = [
            ("müller.de", Some("xn--mller-kva.de")),
            ("müller.de:8080", Some("xn--mller-kva.de:8080")),
            ("MÜLLER.de", Some("xn--MLLER-2pa.de")),
            ("A b", Some("A b")),
            ("[::1]:80", Some("[::1]:80")),
        ];
        for (host, expect) in rows {
            assert_eq!(wire_host(host).as_deref(), expect, "{host}");
        }
        assert_eq!(to_punycode("UPPER_x.example").as_deref(), Some("UPPER_x.example"));
        assert_eq!(
            to_punycode("xn--mller-kva.de").as_deref(),
            Some("xn--mller-kva.de")
        );
        assert_eq!(to_punycode("xn--\u{e4}.de"), None);
    }
}
