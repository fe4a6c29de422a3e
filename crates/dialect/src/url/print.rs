//! Sans-IO. From the parts of a URL to its text.

use std::borrow::Cow;

use super::class::Class;
use super::{Authority, Url, User, escape};

/// Returns the path, escaped only where it must be.
pub(super) fn path<'u>(url: &'u Url<'_>) -> Cow<'u, [u8]> {
    if Class::WrittenPath.holds_all(url.raw_path) {
        return Cow::Borrowed(url.raw_path);
    }
    let mut out = Vec::with_capacity(url.raw_path.len() + 8);
    escape::encode(&url.path, Class::Path, &mut out);
    Cow::Owned(out)
}

/// Returns the target of a request for `url`.
pub(super) fn request_target<'u>(url: &'u Url<'_>) -> Cow<'u, [u8]> {
    let as_written = !url.raw_path.is_empty() && Class::WrittenPath.holds_all(url.raw_path);
    if as_written && url.opaque.is_empty() {
        return Cow::Borrowed(url.target);
    }
    let mut out = Vec::with_capacity(url.target.len() + url.opaque.len() + 8);
    if url.opaque.is_empty() {
        let path = path(url);
        out.extend_from_slice(if path.is_empty() { b"/" } else { &path });
    } else {
        if url.opaque.starts_with(b"//") {
            out.extend_from_slice(url.scheme.as_bytes());
            out.push(b':');
        }
        out.extend_from_slice(url.opaque);
    }
    query(url, &mut out);
    Cow::Owned(out)
}

/// Returns the text of `url`.
pub(super) fn url(url: &Url<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    if !url.scheme.is_empty() {
        out.extend_from_slice(url.scheme.as_bytes());
        out.push(b':');
    }
    if url.opaque.is_empty() {
        authority(url, &mut out);
        location(url, &mut out);
    } else {
        out.extend_from_slice(url.opaque);
    }
    query(url, &mut out);
    if !url.fragment.is_empty() {
        out.push(b'#');
        fragment(url, &mut out);
    }
    out
}

fn authority(url: &Url<'_>, out: &mut Vec<u8>) {
    let nobody = url.host.is_empty() && url.user.is_none();
    let omitted = nobody && url.authority == Authority::Omitted;
    let relative = nobody && url.scheme.is_empty();
    if relative || omitted || (nobody && url.path.is_empty()) {
        return;
    }
    out.extend_from_slice(b"//");
    if let Some(given) = &url.user {
        user(given, out);
        out.push(b'@');
    }
    escape::encode(&url.host, Class::Host, out);
}

fn user(user: &User<'_>, out: &mut Vec<u8>) {
    escape::encode(&user.name, Class::User, out);
    if let Some(password) = &user.password {
        out.push(b':');
        escape::encode(password, Class::User, out);
    }
}

fn location(url: &Url<'_>, out: &mut Vec<u8>) {
    let path = path(url);
    if !path.is_empty() && !path.starts_with(b"/") && !url.host.is_empty() {
        out.push(b'/');
    }
    let segment = path.split(|&byte| byte == b'/').next().unwrap_or_default();
    if out.is_empty() && segment.contains(&b':') {
        // Otherwise the segment would read as a scheme.
        out.extend_from_slice(b"./");
    }
    out.extend_from_slice(&path);
}

fn query(url: &Url<'_>, out: &mut Vec<u8>) {
    if let Some(query) = url.query {
        out.push(b'?');
        out.extend_from_slice(query);
    }
}

fn fragment(url: &Url<'_>, out: &mut Vec<u8>) {
    if Class::WrittenFragment.holds_all(url.raw_fragment) {
        out.extend_from_slice(url.raw_fragment);
    } else {
        escape::encode(&url.fragment, Class::Fragment, out);
    }
}
