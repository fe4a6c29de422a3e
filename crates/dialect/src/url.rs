//! Sans-IO. URLs: services, destinations of requests, arguments.
//!
//! A URL is read for what upstream's runtime sees in it, not for what a standard says: nothing is
//! normalised, bytes outside ASCII pass, and what was written is kept beside what it means.

mod class;
mod escape;
mod parse;
mod print;

use std::borrow::Cow;

use crate::error::UrlError;

/// The parts of a URL, borrowed from its text wherever they are as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url<'a> {
    scheme: Cow<'a, str>,
    opaque: &'a [u8],
    user: Option<User<'a>>,
    host: Cow<'a, [u8]>,
    /// Tells `scheme:///path` from `scheme:/path`; neither names a host.
    authority: Authority,
    raw_path: &'a [u8],
    path: Cow<'a, [u8]>,
    /// From the path on, up to the fragment.
    target: &'a [u8],
    query: Option<&'a [u8]>,
    raw_fragment: &'a [u8],
    fragment: Cow<'a, [u8]>,
}

/// What stands before `@`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User<'a> {
    /// The name.
    pub name: Cow<'a, [u8]>,
    /// The password, if there is a colon.
    pub password: Option<Cow<'a, [u8]>>,
}

/// Whether `//` was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Authority {
    Written,
    Omitted,
}

impl<'a> Url<'a> {
    /// Reads a URL, absolute or not.
    ///
    /// # Errors
    ///
    /// Fails with the text that users know.
    pub fn parse(text: &'a (impl AsRef<[u8]> + ?Sized)) -> Result<Self, UrlError> {
        parse::url(text.as_ref())
    }

    /// Reads the target of a request: an absolute URL or a path; `#` has no meaning.
    ///
    /// # Errors
    ///
    /// Fails with the text that users know.
    pub fn parse_target(text: &'a (impl AsRef<[u8]> + ?Sized)) -> Result<Self, UrlError> {
        parse::target(text.as_ref())
    }

    /// Returns the scheme in lower case, or nothing.
    #[must_use]
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// Returns what follows the scheme when that does not begin with a slash: `x` of `mailto:x`.
    #[must_use]
    pub const fn opaque(&self) -> &'a [u8] {
        self.opaque
    }

    /// Returns what stands before `@`.
    #[must_use]
    pub const fn user(&self) -> Option<&User<'a>> {
        self.user.as_ref()
    }

    /// Returns host and port, as written except for escapes.
    #[must_use]
    pub fn host(&self) -> &[u8] {
        &self.host
    }

    /// Returns the host without port and brackets.
    #[must_use]
    pub fn hostname(&self) -> &[u8] {
        let host = &self.host[..self.port_at()];
        let inner = host.strip_prefix(b"[").and_then(|host| host.strip_suffix(b"]"));
        inner.unwrap_or(host)
    }

    /// Returns the port, or nothing.
    #[must_use]
    pub fn port(&self) -> &[u8] {
        self.host.get(self.port_at() + 1..).unwrap_or_default()
    }

    /// Returns the path with its escapes decoded.
    #[must_use]
    pub fn path(&self) -> &[u8] {
        &self.path
    }

    /// Returns the path as written.
    #[must_use]
    pub const fn raw_path(&self) -> &'a [u8] {
        self.raw_path
    }

    /// Returns the query as written; a lone `?` is an empty query.
    #[must_use]
    pub const fn query(&self) -> Option<&'a [u8]> {
        self.query
    }

    /// Returns the fragment with its escapes decoded.
    #[must_use]
    pub fn fragment(&self) -> &[u8] {
        &self.fragment
    }

    /// Returns the path as it is sent: as written, unless a byte stands there that must be escaped.
    #[must_use]
    pub fn escaped_path(&self) -> Cow<'_, [u8]> {
        print::path(self)
    }

    /// Returns the target of a request for this URL.
    ///
    /// It is a part of the URL's own text when nothing must be escaped.
    #[must_use]
    pub fn request_target(&self) -> Cow<'_, [u8]> {
        print::request_target(self)
    }

    /// Returns the text of this URL.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        print::url(self)
    }

    /// Returns where in `host` the colon of the port stands, or its end.
    fn port_at(&self) -> usize {
        let colon = self.host.iter().rposition(|&byte| byte == b':');
        let digits = |at: &usize| self.host[at + 1..].iter().all(u8::is_ascii_digit);
        colon.filter(digits).unwrap_or(self.host.len())
    }
}

impl std::fmt::Display for Url<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.to_bytes()))
    }
}

#[cfg(test)]
mod tests;
