//! Sans-IO. Rewrites header blocks of the edge before the HTTP/2 library sees them.
//!
//! The library reads less than visitors send: a request target with `<`, `` ` `` or a space is refused,
//! one with `#` is cut, and one byte that is no UTF-8 costs the whole connection. So every block is
//! read here and written anew: the fields of a request travel together in a field of their own, which
//! also spares the library work that nobody needs, and a block that no server would take breaks in a
//! way that costs its stream alone.

use adit_dialect::header::{is_token, is_value};
use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::hpack::{Decoder, Field, put};
use super::packed::{self, PACKED};

/// Tells header blocks apart from everything else in what the edge sends.
#[derive(Debug)]
pub(super) struct Heads {
    decoder: Decoder,
    /// Bytes that pass unseen: the rest of the preface, or of a frame.
    passing: usize,
    /// The beginning of a frame that must be seen whole.
    held: BytesMut,
    /// The block that is being put together.
    open: Option<Open>,
    /// What has been seen and may go on.
    ready: BytesMut,
    /// Whether nothing that follows can be understood.
    over: bool,
}

/// A header block of which frames are still missing.
#[derive(Debug)]
struct Open {
    stream: [u8; 4],
    ends_stream: bool,
    block: BytesMut,
}

/// The head of a frame (RFC 9113 §4.1).
#[derive(Clone, Copy, Debug)]
struct FrameHead {
    length: usize,
    kind: u8,
    flags: u8,
    stream: [u8; 4],
}

impl Heads {
    /// Begins with the first byte of a connection.
    pub(super) fn new() -> Self {
        Self {
            decoder: Decoder::default(),
            passing: PREFACE,
            held: BytesMut::new(),
            open: None,
            ready: BytesMut::new(),
            over: false,
        }
    }

    /// Returns what goes on next, before anything else may.
    pub(super) const fn ready(&mut self) -> &mut BytesMut {
        &mut self.ready
    }

    /// Returns how many bytes in front of `data` may go on as they are.
    pub(super) fn pass(&mut self, data: &[u8]) -> usize {
        let waits = !self.held.is_empty() || !self.ready.is_empty() || self.open.is_some();
        if waits || self.over {
            return 0;
        }
        let mut passed = 0;
        loop {
            let step = self.passing.min(data.len() - passed);
            self.passing -= step;
            passed += step;
            match FrameHead::read(&data[passed..]) {
                Some(head) if !head.is_headers() => self.passing = head.size(),
                _ => return passed,
            }
        }
    }

    /// Takes bytes that may not.
    pub(super) fn take(&mut self, data: &[u8]) {
        if self.over {
            return;
        }
        self.held.extend_from_slice(data);
        while !self.over && self.take_frame() {}
    }

    /// Takes what is held of a frame; returns whether there may be more.
    fn take_frame(&mut self) -> bool {
        let step = self.passing.min(self.held.len());
        self.ready.extend_from_slice(&self.held[..step]);
        self.held.advance(step);
        self.passing -= step;
        let Some(head) = FrameHead::read(&self.held) else {
            return false;
        };
        let is_next = match &self.open {
            Some(open) => head.kind == CONTINUATION && head.stream == open.stream,
            None => head.kind == HEADERS,
        };
        if !is_next {
            if self.open.is_some() || head.kind == CONTINUATION {
                self.give_up();
                return false;
            }
            self.passing = head.size();
            return true;
        }
        if head.length > MOST {
            self.give_up();
            return false;
        }
        if self.held.len() < head.size() {
            return false;
        }
        let frame = self.held.split_to(head.size()).freeze();
        self.take_headers(head, frame.slice(FRAME_HEAD..));
        true
    }

    /// Adds a frame to its block, and rewrites the block if that was the last.
    fn take_headers(&mut self, head: FrameHead, payload: Bytes) {
        let fragment = match self.open {
            Some(_) => Some(payload),
            None => without_extras(head.flags, payload),
        };
        let Some(fragment) = fragment else {
            return self.give_up();
        };
        let open = self.open.get_or_insert_with(|| Open {
            stream: head.stream,
            ends_stream: head.flags & END_STREAM != 0,
            block: BytesMut::new(),
        });
        if open.block.len() + fragment.len() > MOST {
            return self.give_up();
        }
        open.block.extend_from_slice(&fragment);
        if head.flags & END_HEADERS == 0 {
            return;
        }
        if let Some(open) = self.open.take() {
            let block = open.block.freeze();
            match self.decoder.decode(&block, MOST_FIELDS) {
                Ok(read) if read.cut => self.put_frames(open.stream, open.ends_stream, &broken()),
                Ok(read) => {
                    let rewritten = rewrite(&read.fields).unwrap_or_else(broken);
                    self.put_frames(open.stream, open.ends_stream, &rewritten);
                }
                Err(_) => self.give_up(),
            }
        }
    }

    fn put_frames(&mut self, stream: [u8; 4], ends_stream: bool, block: &[u8]) {
        let mut chunks = block.chunks(FRAME).peekable();
        let mut kind = HEADERS;
        let mut flags = if ends_stream { END_STREAM } else { 0 };
        while let Some(chunk) = chunks.next() {
            if chunks.peek().is_none() {
                flags |= END_HEADERS;
            }
            let length = u32::try_from(chunk.len()).unwrap_or(u32::MAX);
            self.ready.put_slice(&length.to_be_bytes()[1..]);
            self.ready.put_slice(&[kind, flags]);
            self.ready.put_slice(&stream);
            self.ready.put_slice(chunk);
            (kind, flags) = (CONTINUATION, 0);
        }
    }

    /// Lets the library see a block that refers to nothing, which ends the connection, and nothing
    /// behind it: no block could be understood any more.
    fn give_up(&mut self) {
        const NOTHING: &[u8] = &[0x80];
        self.open = None;
        self.held.clear();
        self.put_frames([0, 0, 0, 1], true, NOTHING);
        self.over = true;
    }
}

/// Strips padding and priority from the first frame of a block.
fn without_extras(flags: u8, mut payload: Bytes) -> Option<Bytes> {
    if flags & PADDED != 0 {
        let padding = usize::from(*payload.first()?);
        payload.advance(1);
        let length = payload.len().checked_sub(padding)?;
        payload.truncate(length);
    }
    if flags & PRIORITY != 0 {
        if payload.len() < PRIORITY_LENGTH {
            return None;
        }
        payload.advance(PRIORITY_LENGTH);
    }
    Some(payload)
}

/// Writes fields so that the library takes them; nothing if no server would.
fn rewrite(fields: &[Field]) -> Option<BytesMut> {
    let size: usize = fields.iter().map(|f| f.name.len() + f.value.len() + 8).sum();
    let is_request = fields
        .first()
        .is_some_and(|field| field.name.first() == Some(&b':'));
    let is_connect = fields
        .iter()
        .any(|field| field.value == "CONNECT" && field.name == ":method");
    let mut block = BytesMut::with_capacity(size + 64);
    let mut packed = BytesMut::with_capacity(if is_request { size } else { 0 });
    let (mut is_named, mut is_past_pseudo) = (false, false);
    for Field { name, value } in fields {
        let is_pseudo = name.first() == Some(&b':');
        // The library does not see all that it would refuse.
        if is_pseudo && is_past_pseudo || is_named && name == ":authority" {
            return None;
        }
        is_past_pseudo |= !is_pseudo;
        match &name[..] {
            b":path" if is_visible(value) && is_target(value) => {
                put(&mut block, name, if value == "*" { b"*" } else { b"/" });
                packed::put(&mut packed, name, value);
            }
            b":authority" if is_visible(value) => {
                if is_connect {
                    put(&mut block, name, b"-");
                }
                packed::put(&mut packed, name, value);
                is_named = true;
            }
            b":path" if !value.is_empty() => return None,
            // The library wants it whole or not at all.
            b":authority" if value.is_empty() => {}
            b":path" | b":authority" | b":scheme" if value.is_ascii() => put(&mut block, name, value),
            b":method" if is_token(value) => put(&mut block, name, value),
            // Only this side says it.
            own if own == PACKED.as_bytes() => {}
            _ if is_token(name) && !has_upper(name) && is_value(value) => {
                if !is_request || name == JUDGED {
                    put(&mut block, name, value);
                }
                if is_request {
                    packed::put(&mut packed, name, value);
                }
            }
            _ => return None,
        }
    }
    if !packed.is_empty() {
        put(&mut block, PACKED.as_bytes(), &packed);
    }
    Some(block)
}

/// The field by which the library judges a request; what else it would refuse is answered.
const JUDGED: &str = "content-length";

/// A block that says twice what may be said once: the library resets its stream.
fn broken() -> BytesMut {
    let mut block = BytesMut::new();
    put(&mut block, b":method", b"GET");
    put(&mut block, b":method", b"GET");
    block
}

/// Returns whether there is something, and nothing that cannot stand in a field.
fn is_visible(value: &[u8]) -> bool {
    !value.is_empty() && value.iter().all(|byte| *byte >= b' ' && *byte != 0x7f)
}

/// Returns whether a request may ask for this: a path whose escapes can be read, whatever the query.
fn is_target(target: &[u8]) -> bool {
    let path = target.split(|byte| *byte == b'?').next().unwrap_or_default();
    let mut parts = path.split(|byte| *byte == b'%');
    let is_path = target == b"*" || parts.next().is_some_and(|first| first.starts_with(b"/"));
    is_path && parts.all(|part| matches!(part, [a, b, ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit()))
}

fn has_upper(name: &[u8]) -> bool {
    name.iter().any(u8::is_ascii_uppercase)
}

impl FrameHead {
    fn read(bytes: &[u8]) -> Option<Self> {
        let [a, b, c, kind, flags, s, t, u, v] = *bytes.first_chunk::<FRAME_HEAD>()?;
        Some(Self {
            length: usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c),
            kind,
            flags,
            stream: [s, t, u, v],
        })
    }

    const fn is_headers(self) -> bool {
        matches!(self.kind, HEADERS | CONTINUATION)
    }

    const fn size(self) -> usize {
        FRAME_HEAD + self.length
    }
}

/// The length of what a client says first.
const PREFACE: usize = 24;
const FRAME_HEAD: usize = 9;
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 0x1;
const END_HEADERS: u8 = 0x4;
const PADDED: u8 = 0x8;
const PRIORITY: u8 = 0x20;
const PRIORITY_LENGTH: usize = 5;
/// What frames may hold, as our settings say.
const FRAME: usize = 1 << 20;
/// Bytes of a block before it is read, and of a frame of one.
const MOST: usize = 1 << 20;
/// Bytes of its fields, as our settings say.
const MOST_FIELDS: usize = (1 << 20) + 320;

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).expect("it is short").to_be_bytes();
        [&length[1..], &[kind, flags, 0, 0, 0, 5], payload].concat()
    }

    fn block(fields: &[(&str, &[u8])]) -> BytesMut {
        let mut block = BytesMut::new();
        for (name, value) in fields {
            put(&mut block, name.as_bytes(), value);
        }
        block
    }

    /// Returns what goes on when a connection arrives in pieces of this size.
    fn through(pieces: usize, sent: &[u8]) -> Vec<u8> {
        let mut heads = Heads::new();
        let mut gone = Vec::new();
        for piece in [&[b'P'; PREFACE][..], sent].concat().chunks(pieces) {
            let passed = heads.pass(piece);
            gone.extend_from_slice(&piece[..passed]);
            heads.take(&piece[passed..]);
            gone.extend_from_slice(&heads.ready().split());
        }
        gone.split_off(PREFACE)
    }

    fn check(sent: &[u8], expected: &[u8]) {
        for pieces in [1, 2, 7, 10, 64, 10_000] {
            assert_eq!(through(pieces, sent), expected, "in pieces of {pieces}");
        }
    }

    #[test]
    fn what_is_no_head_passes() {
        let sent = [frame(4, 0, b""), frame(0, 0, &[7; 300]), frame(8, 0, &[0; 4])].concat();
        check(&sent, &sent);
    }

    #[test]
    fn what_the_library_need_not_judge_travels_together() {
        let fields: [(&str, &[u8]); 6] = [
            (":method", b"GET"),
            (":path", b"/<a b>`\xff#x"),
            (":authority", b"b\xff"),
            ("x-latin", b"caf\xe9"),
            ("te", b"trailers"),
            (PACKED, b"forged"),
        ];
        let mut inside = BytesMut::new();
        for (name, value) in [fields[1], fields[2], fields[3], fields[4]] {
            packed::put(&mut inside, name.as_bytes(), value);
        }
        let expected: [(&str, &[u8]); 3] = [fields[0], (":path", b"/"), (PACKED, &inside)];
        let data = frame(0, END_STREAM, b"data");
        let sent = [frame(HEADERS, END_HEADERS, &block(&fields)), data.clone()].concat();
        check(
            &sent,
            &[frame(HEADERS, END_HEADERS, &block(&expected)), data].concat(),
        );
    }

    #[test]
    fn padding_priority_and_continuations_are_put_together() {
        let whole = block(&[(":method", b"GET"), (":scheme", b"https")]);
        let (first, second) = whole.split_at(5);
        let padded = [&[2][..], &[0; PRIORITY_LENGTH], first, &[0; 2]].concat();
        let sent = [
            frame(HEADERS, END_STREAM | PADDED | PRIORITY, &padded),
            frame(CONTINUATION, 0, b""),
            frame(CONTINUATION, END_HEADERS, second),
        ];
        check(&sent.concat(), &frame(HEADERS, END_STREAM | END_HEADERS, &whole));
    }

    #[test]
    fn a_block_that_no_server_takes_costs_its_stream() {
        let expected = frame(HEADERS, END_HEADERS, &broken());
        let cases: [(&str, &[u8]); 11] = [
            (":path", b"no-slash"),
            (":path", b"https://h/"),
            (":path", b"/%zz"),
            (":path", b"/a%2"),
            (":path", b"%2f"),
            ("Upper", b"1"),
            ("control", b"a\0b"),
            (":unknown", b"1"),
            (":method", b"GE T"),
            (":path", b"/\x01\xff"),
            (":scheme", b"\xff"),
        ];
        for case in cases {
            assert_eq!(
                through(64, &frame(HEADERS, END_HEADERS, &block(&[case]))),
                expected,
                "{case:?}"
            );
        }
    }

    #[test]
    fn what_the_library_does_not_see_is_judged_here() {
        let expected = frame(HEADERS, END_HEADERS, &broken());
        let cases: [&[(&str, &[u8])]; 3] = [
            &[(":method", b"GET"), ("a", b"1"), (":path", b"/")],
            &[("a", b"1"), (":method", b"GET")],
            &[(":authority", b"a"), (":authority", b"a")],
        ];
        for case in cases {
            let gone = through(64, &frame(HEADERS, END_HEADERS, &block(case)));
            assert_eq!(gone, expected, "{case:?}");
        }
    }

    #[test]
    fn trailers_stay_as_they_are() {
        let sent = frame(
            HEADERS,
            END_HEADERS | END_STREAM,
            &block(&[("x-sum", b"1"), ("te", b"2")]),
        );
        check(&sent, &sent);
    }

    #[test]
    fn what_cannot_be_understood_ends_the_connection() {
        let expected = [&[0, 0, 1, HEADERS, END_STREAM | END_HEADERS, 0, 0, 0, 1, 0x80][..]].concat();
        for sent in [
            frame(HEADERS, END_HEADERS, &[0xff]),
            frame(HEADERS, END_HEADERS | PADDED, &[9, 0]),
            frame(CONTINUATION, END_HEADERS, b""),
            [frame(HEADERS, 0, b""), frame(0, 0, b"")].concat(),
        ] {
            let gone = through(10_000, &sent);
            assert_eq!(gone, expected, "{sent:?}");
        }
    }

    #[test]
    fn whatever_comes_it_does_not_matter_in_which_pieces() {
        let mut chance = fastrand::Rng::with_seed(7);
        let fields: [(&str, &[u8]); 3] = [(":method", b"GET"), (":path", b"/`"), ("a", &[b'x'; 90])];
        for _ in 0..3000 {
            let head = frame(HEADERS, chance.u8(..) & 0x2d, &block(&fields));
            let more = frame(chance.u8(..12), chance.u8(..), &[chance.u8(..); 30]);
            let mut sent = [head.clone(), more, head].concat();
            for _ in 0..chance.usize(..4) {
                let at = chance.usize(..sent.len());
                sent[at] = chance.u8(..);
            }
            let whole = through(usize::MAX, &sent);
            assert_eq!(through(chance.usize(1..40), &sent), whole, "{sent:?}");
        }
    }
}
