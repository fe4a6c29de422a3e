//! Sans-IO. From the text of a URL to its parts.

use std::borrow::Cow;
use std::net::IpAddr;

use super::class::Class;
use super::{Authority, Url, User, escape};
use crate::error::{UrlError, UrlProblem};
use crate::ip;

/// Reads a URL.
pub(super) fn url(text: &[u8]) -> Result<Url<'_>, UrlError> {
    let (before, fragment) = cut(text, b'#').unwrap_or((text, &[]));
    let mut url = parts(before, Purpose::Reference).map_err(|problem| failed(before, problem))?;
    url.raw_fragment = fragment;
    url.fragment = escape::decode(fragment).map_err(|problem| failed(text, problem))?;
    Ok(url)
}

/// Reads the target of a request.
pub(super) fn target(text: &[u8]) -> Result<Url<'_>, UrlError> {
    parts(text, Purpose::Target).map_err(|problem| failed(text, problem))
}

/// What a URL is read for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Reference,
    Target,
}

fn parts(text: &[u8], purpose: Purpose) -> Result<Url<'_>, UrlProblem> {
    // No early exit: the loop then looks at many bytes at once.
    if text
        .iter()
        .fold(false, |found, byte| found | byte.is_ascii_control())
    {
        return Err(UrlProblem::ControlCharacter);
    }
    if text.is_empty() && purpose == Purpose::Target {
        return Err(UrlProblem::Empty);
    }
    let (scheme, rest) = if text == b"*" {
        (&[][..], text)
    } else {
        scheme(text)?
    };
    let (before_query, query) = cut(rest, b'?').map_or((rest, None), |(before, query)| (before, Some(query)));
    let mut url = Url {
        scheme: lower_case(scheme),
        opaque: &[],
        user: None,
        host: Cow::Borrowed(&[]),
        authority: Authority::Written,
        raw_path: &[],
        path: Cow::Borrowed(&[]),
        target: &[],
        query,
        raw_fragment: &[],
        fragment: Cow::Borrowed(&[]),
    };
    if text == b"*" {
        return finish(url, rest, before_query);
    }
    if !before_query.starts_with(b"/") {
        if !scheme.is_empty() {
            url.opaque = before_query;
            return finish(url, &rest[before_query.len()..], &[]);
        }
        check_relative(before_query, purpose)?;
    }
    let path = authority(&mut url, before_query, purpose)?;
    let target = &rest[before_query.len() - path.len()..];
    finish(url, target, path)
}

/// Fills in what belongs to the path.
fn finish<'a>(mut url: Url<'a>, target: &'a [u8], path: &'a [u8]) -> Result<Url<'a>, UrlProblem> {
    url.target = target;
    url.raw_path = path;
    url.path = escape::decode(path)?;
    Ok(url)
}

/// Splits off the scheme.
fn scheme(text: &[u8]) -> Result<(&[u8], &[u8]), UrlProblem> {
    let end = text
        .iter()
        .position(|byte| !byte.is_ascii_alphanumeric() && !b"+-.".contains(byte));
    match end {
        Some(0) if text[0] == b':' => Err(UrlProblem::MissingScheme),
        Some(end) if text[end] == b':' && text[0].is_ascii_alphabetic() => {
            Ok((&text[..end], &text[end + 1..]))
        }
        _ => Ok((&[], text)),
    }
}

/// Checks a text with no scheme that does not begin with a slash.
fn check_relative(text: &[u8], purpose: Purpose) -> Result<(), UrlProblem> {
    if purpose == Purpose::Target {
        return Err(UrlProblem::RequestTarget);
    }
    let segment = cut(text, b'/').map_or(text, |(segment, _)| segment);
    if segment.contains(&b':') {
        return Err(UrlProblem::ColonInFirstSegment);
    }
    Ok(())
}

/// Reads user information and host, if there are any, and returns the path behind them.
fn authority<'a>(url: &mut Url<'a>, text: &'a [u8], purpose: Purpose) -> Result<&'a [u8], UrlProblem> {
    let absolute = !url.scheme.is_empty();
    let may_have_host = absolute || (purpose == Purpose::Reference && !text.starts_with(b"///"));
    let Some(rest) = text.strip_prefix(b"//").filter(|_| may_have_host) else {
        if absolute {
            url.authority = Authority::Omitted;
        }
        return Ok(text);
    };
    let end = rest.iter().position(|&byte| byte == b'/').unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let at = authority.iter().rposition(|&byte| byte == b'@');
    let host_text = at.map_or(authority, |at| &authority[at + 1..]);
    url.host = host(&url.scheme, host_text)?;
    url.user = at.map(|at| user(&authority[..at])).transpose()?;
    Ok(path)
}

fn user(text: &[u8]) -> Result<User<'_>, UrlProblem> {
    if !Class::UserInfo.holds_all(text) {
        return Err(UrlProblem::UserInfo);
    }
    let (name, password) = cut(text, b':').map_or((text, None), |(name, password)| (name, Some(password)));
    Ok(User {
        name: escape::decode(name)?,
        password: password.map(escape::decode).transpose()?,
    })
}

fn host<'a>(scheme: &str, text: &'a [u8]) -> Result<Cow<'a, [u8]>, UrlProblem> {
    match text.iter().rposition(|&byte| byte == b'[') {
        Some(0) => return literal(text),
        Some(_) => return Err(UrlProblem::IpLiteral),
        None => {}
    }
    let is_colon = |&byte: &u8| byte == b':';
    let colon = if matches!(scheme, "http" | "https") {
        text.iter().position(is_colon)
    } else {
        text.iter().rposition(is_colon)
    };
    if let Some(colon) = colon {
        check_port(&text[colon..])?;
    }
    escape::decode_host(text)
}

/// Reads an IPv6 address in brackets, with or without a port.
fn literal(text: &[u8]) -> Result<Cow<'_, [u8]>, UrlProblem> {
    let close = text
        .iter()
        .rposition(|&byte| byte == b']')
        .ok_or(UrlProblem::MissingBracket)?;
    check_port(&text[close + 1..])?;
    let inner = &text[1..close];
    let zone = inner
        .windows(3)
        .position(|bytes| bytes == b"%25")
        .unwrap_or(inner.len());
    let mut address = escape::decode_host(&inner[..zone])?;
    if zone < inner.len() {
        address
            .to_mut()
            .extend_from_slice(&escape::decode_zone(&inner[zone..])?);
    }
    let (read, _) = ip::parse(&address)?;
    match read {
        IpAddr::V4(_) => Err(UrlProblem::IpLiteral),
        IpAddr::V6(_) if address.len() == inner.len() => Ok(Cow::Borrowed(text)),
        IpAddr::V6(_) => Ok(Cow::Owned([b"[", &address[..], &text[close..]].concat())),
    }
}

/// Checks that `text` is nothing, or a colon and digits.
fn check_port(text: &[u8]) -> Result<(), UrlProblem> {
    match text {
        [] => Ok(()),
        [b':', digits @ ..] if digits.iter().all(u8::is_ascii_digit) => Ok(()),
        _ => Err(UrlProblem::Port(text.to_vec())),
    }
}

fn lower_case(scheme: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(scheme) {
        Ok(scheme) if !scheme.bytes().any(|byte| byte.is_ascii_uppercase()) => Cow::Borrowed(scheme),
        _ => Cow::Owned(String::from_utf8_lossy(scheme).to_ascii_lowercase()),
    }
}

fn cut(text: &[u8], separator: u8) -> Option<(&[u8], &[u8])> {
    let at = text.iter().position(|&byte| byte == separator)?;
    Some((&text[..at], &text[at + 1..]))
}

fn failed(input: &[u8], problem: UrlProblem) -> UrlError {
    UrlError {
        input: input.to_vec(),
        problem,
    }
}
