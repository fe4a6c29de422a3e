//! Sans-IO. Takes header blocks of the edge apart before the HTTP/2 library sees them.
//!
//! Every block is read here and written anew: the library gets what it judges a request by, and
//! everything else waits here until the request is accepted.

use std::collections::VecDeque;

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::hpack::Decoder;
use super::rewrite::{self, Head};

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
    /// Requests that have gone on, by stream, in their order.
    waiting: VecDeque<(u32, Head)>,
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
            waiting: VecDeque::new(),
            over: false,
        }
    }

    /// Takes what waits here of the request on a stream. Streams are accepted in their order: what
    /// waited for an earlier one will not be asked for.
    pub(super) fn claim(&mut self, stream: u32) -> Option<Head> {
        while let Some((waiting, head)) = self.waiting.pop_front() {
            if waiting == stream {
                return Some(head);
            }
            if waiting > stream {
                self.waiting.push_front((waiting, head));
                return None;
            }
        }
        None
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
            self.take_block(&open);
        }
    }

    fn take_block(&mut self, open: &Open) {
        let rewritten = match self.decoder.decode(&open.block, MOST_FIELDS) {
            Ok(read) if read.cut => None,
            Ok(read) => rewrite::rewrite(read),
            Err(_) => return self.give_up(),
        };
        let (block, head) = rewritten.unwrap_or_else(|| (rewrite::broken(), None));
        if let Some(head) = head {
            if self.waiting.len() == MOST_WAITING {
                return self.give_up();
            }
            self.waiting.push_back((u32::from_be_bytes(open.stream), head));
        }
        self.put_frames(open.stream, open.ends_stream, &block);
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
/// Requests that may wait. They are accepted whenever there is nothing to read; so many can only be
/// there when the library refuses them all.
const MOST_WAITING: usize = 1 << 16;

#[cfg(test)]
mod tests {
    use super::super::hpack::put;
    use super::super::rewrite::broken;
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
    fn what_the_library_need_not_judge_waits() {
        let request = |stream: u8, path: &[u8]| {
            let mut head = frame(
                HEADERS,
                END_HEADERS,
                &block(&[(":method", b"GET"), (":path", path)]),
            );
            head[FRAME_HEAD - 1] = stream;
            head
        };
        let mut heads = Heads::new();
        heads.take(&[b'P'; PREFACE]);
        for (stream, path) in [(1, b"/1"), (3, b"/3"), (7, b"/7")] {
            heads.take(&request(stream, path));
        }
        let target = |heads: &mut Heads, stream| heads.claim(stream)?.target;
        assert_eq!(target(&mut heads, 3).as_deref(), Some(&b"/3"[..]));
        assert_eq!(target(&mut heads, 1), None, "it has been passed over");
        assert_eq!(target(&mut heads, 5), None, "it never came");
        assert_eq!(target(&mut heads, 7).as_deref(), Some(&b"/7"[..]));
        assert_eq!(heads.waiting.len(), 0);
    }

    #[test]
    fn requests_that_nobody_claims_do_not_fill_the_memory() {
        let head = frame(HEADERS, END_HEADERS, &block(&[(":method", b"GET")]));
        let mut heads = Heads::new();
        heads.take(&[b'P'; PREFACE]);
        for _ in 0..=MOST_WAITING {
            heads.take(&head);
            heads.ready().clear();
        }
        assert!(heads.over);
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
        let sent = frame(HEADERS, END_HEADERS, &block(&[("Upper", b"1")]));
        check(&sent, &frame(HEADERS, END_HEADERS, &broken()));
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
