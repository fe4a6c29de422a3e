//! Sans-IO. Spans in the encoding in which traces are exported (OTLP, protocol buffers).

use std::time::{SystemTime, UNIX_EPOCH};

use super::{Attribute, Context, Span};

/// Spans that one report may hold.
const MAX_SPANS: usize = 20;

const SCHEMA: &str = "https://opentelemetry.io/schemas/1.7.0";
const SCOPE: &str = "origin";

/// A span inside the program.
const INTERNAL: u64 = 1;

/// The status of what succeeded.
const OK: u64 = 1;

/// Sampled, and it is known whether the parent is remote.
const FLAGS: u32 = 0x101;

/// The parent is remote.
const REMOTE_PARENT: u32 = 0x200;

/// What is told of the machine that made a report.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) architecture: &'static str,
    pub(crate) system: &'static str,
    pub(crate) hostname: String,
}

/// Returns the report of these spans, each with what is known about the machine.
pub(crate) fn report(context: &Context, spans: &[Span], machine: &Machine) -> Vec<u8> {
    let mut report = Message::default();
    for span in spans.iter().take(MAX_SPANS) {
        report.message(1, &resource_spans(context, span, machine));
    }
    report.0
}

fn resource_spans(context: &Context, span: &Span, machine: &Machine) -> Message {
    let mut resource = Message::default();
    let known = [
        ("host.arch", machine.architecture),
        ("host.type", machine.system),
        ("hostname", &machine.hostname),
        ("jaeger.version", "go-otel-1.44.0"),
        ("process.runtime.version", env!("CARGO_PKG_VERSION")),
        ("service.name", "cloudflared"),
    ];
    for (name, value) in known {
        resource.message(1, &attribute(name, &Attribute::Text(value.to_owned())));
    }
    let mut scope = Message::default();
    scope.bytes(1, SCOPE.as_bytes());
    let mut scope_spans = Message::default();
    scope_spans.message(1, &scope);
    scope_spans.message(2, &encoded(context, span));
    let mut all = Message::default();
    all.message(1, &resource);
    all.message(2, &scope_spans);
    all.bytes(3, SCHEMA.as_bytes());
    all
}

fn encoded(context: &Context, span: &Span) -> Message {
    let mut message = Message::default();
    message.bytes(1, &context.trace);
    message.bytes(2, &span.id);
    if let Some(parent) = &context.parent {
        message.bytes(4, parent);
    }
    message.bytes(5, span.name.as_bytes());
    message.number(6, INTERNAL);
    message.fixed64(7, nanos(span.start));
    message.fixed64(8, nanos(span.end));
    for (name, value) in &span.attributes {
        message.message(9, &attribute(name, value));
    }
    let mut status = Message::default();
    if span.succeeded {
        status.number(3, OK);
    }
    message.message(15, &status);
    let remote = if context.parent.is_some() {
        REMOTE_PARENT
    } else {
        0
    };
    message.fixed32(16, FLAGS | remote);
    message
}

fn attribute(name: &str, value: &Attribute) -> Message {
    let mut any = Message::default();
    match value {
        Attribute::Text(text) => any.bytes(1, text.as_bytes()),
        Attribute::Number(number) => any.number(3, number.cast_unsigned()),
    }
    let mut pair = Message::default();
    pair.bytes(1, name.as_bytes());
    pair.message(2, &any);
    pair
}

fn nanos(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// A protocol buffer being written.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn number(&mut self, field: u8, value: u64) {
        self.key(field, 0);
        self.varint(value);
    }

    fn fixed64(&mut self, field: u8, value: u64) {
        self.key(field, 1);
        self.0.extend(value.to_le_bytes());
    }

    fn fixed32(&mut self, field: u8, value: u32) {
        self.key(field, 5);
        self.0.extend(value.to_le_bytes());
    }

    fn bytes(&mut self, field: u8, value: &[u8]) {
        self.key(field, 2);
        self.varint(value.len() as u64);
        self.0.extend_from_slice(value);
    }

    fn message(&mut self, field: u8, value: &Self) {
        self.bytes(field, &value.0);
    }

    fn key(&mut self, field: u8, kind: u8) {
        self.varint(u64::from(field) << 3 | u64::from(kind));
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value.to_le_bytes()[0] | 0x80);
            value >>= 7;
        }
        self.0.push(value.to_le_bytes()[0]);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_span_is_encoded_field_by_field() {
        let context = Context {
            trace: [0xaa; 16],
            parent: Some([0x11; 8]),
        };
        let span = Span {
            name: "n",
            id: [0x22; 8],
            start: UNIX_EPOCH + Duration::from_nanos(1),
            end: UNIX_EPOCH + Duration::from_nanos(2),
            attributes: vec![("a", Attribute::Number(300)), ("b", Attribute::Text("c".into()))],
            succeeded: true,
        };
        let expect = [
            &[0x0a, 16][..],
            &[0xaa; 16],
            &[0x12, 8],
            &[0x22; 8],
            &[0x22, 8],
            &[0x11; 8],
            &[0x2a, 1, b'n', 0x30, 1],
            &[0x39, 1, 0, 0, 0, 0, 0, 0, 0],
            &[0x41, 2, 0, 0, 0, 0, 0, 0, 0],
            &[0x4a, 8, 0x0a, 1, b'a', 0x12, 3, 0x18, 0xac, 0x02],
            &[0x4a, 8, 0x0a, 1, b'b', 0x12, 3, 0x0a, 1, b'c'],
            &[0x7a, 2, 0x18, 1],
            &[0x85, 1, 0x01, 0x03, 0, 0],
        ]
        .concat();
        assert_eq!(encoded(&context, &span).0, expect);
    }
}
