//! Tells a visitor's trace how long the way to the origin took.

pub(crate) mod encode;

use std::sync::LazyLock;
use std::time::SystemTime;

use adit_exchange::Headers;
use bytes::Bytes;

use self::encode::Machine;

/// The field that carries what was traced to the edge.
pub(crate) const REPORT: &str = "Cf-Int-Cloudflared-Tracing";

/// The field in which a trace arrives.
pub(crate) const CONTEXT: &[u8] = b"Cf-Trace-Id";

/// What one request adds to a trace.
#[derive(Debug)]
pub(crate) struct Trace {
    context: Context,
    spans: Vec<Span>,
}

/// The trace that a request belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Context {
    pub(crate) trace: [u8; 16],
    /// The span that the request is part of; nothing for a trace that begins here.
    pub(crate) parent: Option<[u8; 8]>,
}

/// Something that took time.
#[derive(Debug)]
pub(crate) struct Span {
    pub(crate) name: &'static str,
    pub(crate) id: [u8; 8],
    pub(crate) start: SystemTime,
    pub(crate) end: SystemTime,
    pub(crate) attributes: Vec<(&'static str, Attribute)>,
    pub(crate) succeeded: bool,
}

/// What is known about a span.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Attribute {
    Text(String),
    Number(i64),
}

impl Trace {
    /// Returns what a request adds, if it is traced.
    ///
    /// A context that cannot be read begins a trace of its own.
    pub(crate) fn of_request(context: Option<&Bytes>) -> Option<Self> {
        let text = context.filter(|text| !text.is_empty())?;
        let context = match read(text) {
            Some((context, true)) => context,
            Some((_, false)) => return None,
            None => Context {
                trace: fastrand::u128(1..).to_be_bytes(),
                parent: None,
            },
        };
        Some(Self {
            context,
            spans: Vec::new(),
        })
    }

    /// Returns what a private stream adds, if it is traced.
    pub(crate) fn of_stream(context: &[u8], headers: &Headers) -> Option<Self> {
        let sent = headers.get(CONTEXT);
        let text = if context.is_empty() {
            sent?.to_vec()
        } else {
            context.to_vec()
        };
        let parts: Vec<&[u8]> = text.split(|byte| *byte == b':').collect();
        let [trace, rest @ ..] = &parts[..] else {
            return None;
        };
        if rest.len() != 3 || trace.is_empty() {
            return None;
        }
        let mut padded = vec![b'0'; 32usize.saturating_sub(trace.len())];
        padded.extend_from_slice(&text);
        Self::of_request(Some(&padded.into()))
    }

    /// Adds something that began at `start` and ends now.
    pub(crate) fn add(
        &mut self,
        name: &'static str,
        start: SystemTime,
        attributes: Vec<(&'static str, Attribute)>,
        succeeded: bool,
    ) {
        self.spans.push(Span {
            name,
            id: fastrand::u64(1..).to_be_bytes(),
            start,
            end: SystemTime::now(),
            attributes,
            succeeded,
        });
    }

    /// Tells the edge in the headers of an answer.
    pub(crate) fn report(&self, headers: &mut Headers) {
        let report = encode::report(&self.context, &self.spans, machine());
        headers.set(REPORT, adit_dialect::base64::encode(report));
    }
}

/// Reads a context, and whether it wants to be traced.
fn read(text: &[u8]) -> Option<(Context, bool)> {
    let text = std::str::from_utf8(text).ok()?;
    let parts: Vec<&str> = text.split(':').collect();
    let [trace, span, _, flags] = parts[..] else {
        return None;
    };
    let hexadecimal = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let fits = matches!(trace.len(), 16 | 32) && span.len() == 16;
    if !fits || !hexadecimal(trace) || !hexadecimal(span) || !hexadecimal(flags) {
        return None;
    }
    let trace = u128::from_str_radix(trace, 16).ok().filter(|trace| *trace != 0)?;
    let parent = u64::from_str_radix(span, 16).ok().filter(|span| *span != 0)?;
    let flags = u64::from_str_radix(flags, 16).ok()?;
    let context = Context {
        trace: trace.to_be_bytes(),
        parent: Some(parent.to_be_bytes()),
    };
    Some((context, flags & 1 == 1))
}

/// Returns what is told of this machine.
fn machine() -> &'static Machine {
    static MACHINE: LazyLock<Machine> = LazyLock::new(|| {
        let hostname = std::fs::read_to_string("/proc/sys/kernel/hostname");
        Machine {
            architecture: architecture(),
            system: std::env::consts::OS,
            hostname: hostname
                .map(|name| name.trim_end().to_owned())
                .unwrap_or_default(),
        }
    });
    &MACHINE
}

/// Returns the architecture under the name that traces know.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contexts_are_read_as_their_propagator_writes_them() {
        let check = |text: &str, expect: Option<bool>| {
            assert_eq!(
                read(text.as_bytes()).map(|(_, sampled)| sampled),
                expect,
                "{text}"
            );
        };
        check(
            "aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbb:1111111111111111:0:1",
            Some(true),
        );
        check("bbbbbbbbbbbbbbbb:1111111111111111:0:3", Some(true));
        check(
            "aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbb:1111111111111111:0:0",
            Some(false),
        );
        check("abc:1:0:1", None);
        check("aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbb:1111111111111111:1", None);
        check("aaaaaaaaaaaaaaaabbbbbbbbbbbbbbb+:1111111111111111:0:1", None);
    }

    #[test]
    fn streams_are_traced_only_with_a_trace() {
        let traced =
            |text: &str| Trace::of_stream(text.as_bytes(), &Headers::new()).map(|trace| trace.context);
        let expect = Context {
            trace: 0xabc_u128.to_be_bytes(),
            parent: Some([0x11; 8]),
        };
        assert_eq!(traced("abc:1111111111111111:0:1"), Some(expect));
        assert_eq!(traced(":1111111111111111:0:1"), None);
        assert_eq!(traced("abc:1111111111111111:1"), None);
        assert_eq!(traced(""), None);
    }
}
