//! Sans-IO. The tree of the first document of a stream, with style, tag and position of each node.

use std::collections::HashMap;

use libyaml_safer::{Error, ErrorKind, Event, EventData, Mark, Parser, ScalarStyle};

use super::ahead;
use super::error::{Problem, YamlError};
use super::reader::{Reader, Text};
use super::scalar;
use crate::error::Place;

/// The nodes of a document; the first is its root.
#[derive(Debug, Default)]
pub(crate) struct Document {
    nodes: Vec<Node>,
}

/// Names a node of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct NodeId(usize);

/// One node.
#[derive(Debug)]
pub(crate) struct Node {
    /// What it is.
    pub content: Content,
    /// Its tag in short form, given or found out; empty for an alias.
    pub tag: String,
    /// Where it begins.
    pub place: Place,
}

/// What a node is.
#[derive(Debug)]
pub(crate) enum Content {
    /// A text.
    Scalar(String),
    /// A list.
    Sequence(Vec<NodeId>),
    /// Pairs of key and value.
    Mapping(Vec<(NodeId, NodeId)>),
    /// Another node by its anchor.
    Alias {
        /// The name of the anchor.
        anchor: String,
        /// The node.
        target: NodeId,
    },
}

pub(crate) const NULL: &str = "!!null";
pub(crate) const BOOL: &str = "!!bool";
pub(crate) const STR: &str = "!!str";
pub(crate) const INT: &str = "!!int";
pub(crate) const FLOAT: &str = "!!float";
pub(crate) const TIMESTAMP: &str = "!!timestamp";
pub(crate) const SEQ: &str = "!!seq";
pub(crate) const MAP: &str = "!!map";
pub(crate) const BINARY: &str = "!!binary";
pub(crate) const MERGE: &str = "!!merge";

/// Nested collections in a document. Upstream stops at 10000 and says so; each level costs a call
/// in the decoder, and no configuration comes near this one.
const MAX_DEPTH: usize = 1000;

impl Document {
    /// Parses the first document of a stream; nothing if the stream holds none.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Option<Self>, YamlError> {
        let mut text = Text::new(bytes);
        let stand_in = stand_in(&text.utf8);
        for _ in 0..MAX_STAND_INS {
            let at = match Composer::new(&text).compose() {
                Ok(None) => return Ok(None),
                Ok(Some(document)) => return Ok(Some(document.with_colons(stand_in))),
                Err(Refusal::Told(error)) => return Err(error),
                Err(Refusal::Colon { at }) => at,
            };
            let stand_in = stand_in.encode_utf8(&mut [0; 4]).bytes().collect::<Vec<_>>();
            text.utf8.splice(at..=at, stand_in);
        }
        Err(YamlError::broken("found unexpected ':'"))
    }

    /// Puts colons back where another character stood in for them.
    fn with_colons(mut self, stand_in: char) -> Self {
        for node in &mut self.nodes {
            if let Content::Scalar(text) = &mut node.content
                && text.contains(stand_in)
            {
                *text = text.replace(stand_in, ":");
            }
        }
        self
    }

    /// Returns the root.
    pub(crate) const fn root(&self) -> NodeId {
        NodeId(0)
    }

    /// Returns a node.
    pub(crate) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0]
    }

    /// Returns the tag of a node, looking through an alias.
    pub(crate) fn tag(&self, id: NodeId) -> &str {
        let node = self.node(id);
        match node.content {
            Content::Alias { target, .. } => &self.node(target).tag,
            Content::Scalar(_) | Content::Sequence(_) | Content::Mapping(_) => &node.tag,
        }
    }
}

/// Why a text was not composed.
enum Refusal {
    /// It is wrong.
    Told(YamlError),
    /// The library stumbled over a colon that upstream takes for a part of a plain text: one before
    /// a bracket or a comma in a flow collection.
    Colon {
        /// Where the colon stands.
        at: usize,
    },
}

impl From<YamlError> for Refusal {
    fn from(error: YamlError) -> Self {
        Self::Told(error)
    }
}

/// Colons of that kind in one file; for each, the text is scanned anew.
const MAX_STAND_INS: usize = 1000;

/// Returns a character for private use that is not in a text.
fn stand_in(utf8: &[u8]) -> char {
    let text = String::from_utf8_lossy(utf8);
    let free = |c: &char| !text.contains(*c);
    ('\u{E000}'..='\u{F8FF}').find(free).unwrap_or('\u{E000}')
}

/// Builds a tree of events, without recursion.
struct Composer<'t> {
    parser: Parser<Reader<'t>>,
    text: &'t Text,
    document: Document,
    anchors: HashMap<String, NodeId>,
    open: Vec<NodeId>,
    key: Vec<Option<NodeId>>,
}

impl<'t> Composer<'t> {
    fn new(text: &'t Text) -> Self {
        let mut parser = Parser::new();
        parser.set_input(Reader::new(text));
        Self {
            parser,
            text,
            document: Document::default(),
            anchors: HashMap::new(),
            open: Vec::new(),
            key: Vec::new(),
        }
    }

    fn compose(mut self) -> Result<Option<Document>, Refusal> {
        loop {
            let event = self.next()?;
            match event.data {
                EventData::StreamEnd => return Ok(None),
                EventData::DocumentEnd { .. } => {
                    self.look_ahead(event.start_mark)?;
                    return Ok(Some(self.document));
                }
                EventData::StreamStart { .. } => {}
                EventData::DocumentStart {
                    version_directive, ..
                } => {
                    let spoken = version_directive.is_none_or(|v| (v.major, v.minor) == (1, 1));
                    if !spoken {
                        let problem = "found incompatible YAML document";
                        return Err(parser_problem(problem, event.start_mark).into());
                    }
                }
                EventData::SequenceEnd | EventData::MappingEnd => {
                    self.open.pop();
                    self.key.pop();
                }
                EventData::Alias { .. }
                | EventData::Scalar { .. }
                | EventData::SequenceStart { .. }
                | EventData::MappingStart { .. } => self.add(event)?,
            }
        }
    }

    fn next(&mut self) -> Result<Event, Refusal> {
        let error = match self.parser.parse() {
            Ok(event) => return Ok(event),
            Err(error) => error,
        };
        if let (ErrorKind::Parser, Some(mark)) = (error.kind(), error.problem_mark()) {
            self.look_ahead(mark)?;
        }
        Err(self.refusal(&error))
    }

    /// Reports what the scanner stumbles over shortly behind the token at `mark`: upstream's has
    /// read that far when the token is looked at.
    fn look_ahead(&self, mark: Mark) -> Result<(), Refusal> {
        match ahead::problem(self.text, mark) {
            Some(error) => Err(self.refusal(&error)),
            None => Ok(()),
        }
    }

    fn refusal(&self, error: &Error) -> Refusal {
        let told = library_problem(error, self.text);
        let (ErrorKind::Scanner, "found unexpected ':'") = (error.kind(), error.problem()) else {
            return Refusal::Told(told);
        };
        let mark = error.problem_mark().map(|mark| usize::try_from(mark.index));
        let Some(Ok(at)) = mark else {
            return Refusal::Told(told);
        };
        match self.text.utf8.get(at..at + 2) {
            Some([b':', next]) if *next != b'?' => Refusal::Colon { at },
            _ => Refusal::Told(told),
        }
    }

    fn add(&mut self, event: Event) -> Result<(), Refusal> {
        let mark = event.start_mark;
        let place = place(mark);
        let unfinished = self.text.is_beyond(event.end_mark.index);
        let (tag, mut content, anchor) = self.content(event.data, mark)?;
        if let (Content::Scalar(text), true) = (&mut content, unfinished)
            && text.ends_with('\n')
        {
            text.pop();
        }
        let opens = matches!(content, Content::Sequence(_) | Content::Mapping(_));
        let id = NodeId(self.document.nodes.len());
        self.document.nodes.push(Node { content, tag, place });
        self.attach(id);
        if let Some(anchor) = anchor {
            self.anchors.insert(anchor, id);
        }
        if opens {
            if self.open.len() >= MAX_DEPTH {
                return Err(YamlError::broken("exceeded max depth of 10000").into());
            }
            self.open.push(id);
            self.key.push(None);
        }
        Ok(())
    }

    fn content(&self, data: EventData, mark: Mark) -> Result<(String, Content, Option<String>), Refusal> {
        Ok(match data {
            EventData::Alias { anchor } => {
                let Some(&target) = self.anchors.get(&anchor) else {
                    self.look_ahead(mark)?;
                    let text = format!("unknown anchor '{anchor}' referenced");
                    return Err(YamlError::broken(text).into());
                };
                (String::new(), Content::Alias { anchor, target }, None)
            }
            EventData::Scalar {
                anchor,
                tag,
                value,
                style,
                ..
            } => {
                let tag = given(tag).unwrap_or_else(|| implied(&value, style).to_owned());
                (tag, Content::Scalar(value), anchor)
            }
            EventData::SequenceStart { anchor, tag, .. } => {
                let tag = given(tag).unwrap_or_else(|| SEQ.to_owned());
                (tag, Content::Sequence(Vec::new()), anchor)
            }
            EventData::MappingStart { anchor, tag, .. } => {
                let tag = given(tag).unwrap_or_else(|| MAP.to_owned());
                (tag, Content::Mapping(Vec::new()), anchor)
            }
            EventData::StreamStart { .. }
            | EventData::StreamEnd
            | EventData::DocumentStart { .. }
            | EventData::DocumentEnd { .. }
            | EventData::SequenceEnd
            | EventData::MappingEnd => return Err(YamlError::broken("event out of place").into()),
        })
    }

    /// Hangs a node into the innermost open collection.
    fn attach(&mut self, id: NodeId) {
        let (Some(parent), Some(key)) = (self.open.last(), self.key.last_mut()) else {
            return;
        };
        match &mut self.document.nodes[parent.0].content {
            Content::Sequence(items) => items.push(id),
            Content::Mapping(pairs) => match key.take() {
                None => *key = Some(id),
                Some(key) => pairs.push((key, id)),
            },
            Content::Scalar(_) | Content::Alias { .. } => {}
        }
    }
}

/// Puts an error of the library into upstream's words.
///
/// Upstream names the line of the context if there is one, else that of the problem, counted
/// from 0 for the grammar and from 1 for the scanner, and keeps silent about line 0.
fn library_problem(error: &Error, text: &Text) -> YamlError {
    if let (ErrorKind::Io, Some(problem)) = (error.kind(), text.problem) {
        return YamlError::broken(problem);
    }
    let scanner = error.kind() == ErrorKind::Scanner;
    let marks = [error.context_mark(), error.problem_mark()];
    let line = |mark: Mark| match scanner && text.is_beyond(mark.index) {
        true => mark.line.saturating_sub(1),
        false => mark.line,
    };
    let mut lines = marks.into_iter().flatten().map(line);
    let line = lines.find(|line| *line != 0);
    let line = line.map(|line| line + u64::from(scanner));
    let text = match line {
        Some(line) => format!("line {line}: {}", error.problem()),
        None => error.problem().to_owned(),
    };
    YamlError::Broken(Problem {
        place: position(error),
        text,
        hint: hint(error.problem()).map(str::to_owned),
    })
}

/// Returns where a person should look: where the token begins, if that is on the line of the problem.
fn position(error: &Error) -> Option<Place> {
    let problem = error.problem_mark()?;
    let token = error.context_mark().filter(|token| token.line == problem.line);
    Some(place(token.unwrap_or(problem)))
}

fn parser_problem(problem: &str, mark: Mark) -> YamlError {
    let text = match mark.line {
        0 => problem.to_owned(),
        line => format!("line {line}: {problem}"),
    };
    YamlError::Broken(Problem {
        place: Some(place(mark)),
        text,
        hint: None,
    })
}

/// Returns what to try about the slips that are made most often.
fn hint(problem: &str) -> Option<&'static str> {
    Some(match problem {
        "did not find expected alphabetic or numeric character" => {
            "put quotes around a text that begins with `*` or `&`: '*.example.com'"
        }
        "found character that cannot start any token" | "found a tab character that violates indentation" => {
            "indent with spaces; put quotes around a text that begins with `@` or a backquote"
        }
        "found unknown escape character" => "use single quotes: there a backslash is a backslash",
        "mapping values are not allowed in this context" => {
            "put quotes around a text that holds `: `, and begin keys of one map in one column"
        }
        "did not find expected key" | "did not find expected '-' indicator" => {
            "begin what belongs together in one column; put quotes around a text that begins with `[` or `{`"
        }
        "could not find expected ':'" => "a key is followed by a colon and a space",
        _ => return None,
    })
}

/// Returns the short form of a tag that says something.
fn given(tag: Option<String>) -> Option<String> {
    let tag = tag.filter(|tag| !tag.is_empty() && tag != "!")?;
    match tag.strip_prefix("tag:yaml.org,2002:") {
        Some(kind) => Some(format!("!!{kind}")),
        None => Some(tag),
    }
}

/// Returns the tag of a scalar without one.
fn implied(value: &str, style: ScalarStyle) -> &'static str {
    if style != ScalarStyle::Plain {
        return STR;
    }
    if value == "<<" {
        return MERGE;
    }
    scalar::plain(value).tag()
}

fn place(mark: Mark) -> Place {
    let count = |number: u64| usize::try_from(number).unwrap_or(usize::MAX).saturating_add(1);
    Place {
        line: count(mark.line),
        column: count(mark.column),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the scalars of a text in order, or what is wrong with it.
    fn scalars(text: &str) -> Result<Vec<String>, String> {
        let document = Document::parse(text.as_bytes()).map_err(|error| error.text())?;
        let nodes = document.unwrap_or_default().nodes;
        let scalar = |node: Node| match node.content {
            Content::Scalar(text) => Some(text),
            Content::Sequence(_) | Content::Mapping(_) | Content::Alias { .. } => None,
        };
        Ok(nodes.into_iter().filter_map(scalar).collect())
    }

    #[test]
    fn texts_are_scanned_as_upstream_scans_them() {
        let rows: &[(&str, Result<&[&str], &str>)] = &[
            ("", Ok(&[])),
            ("[x:, y:]", Ok(&["x:", "y:"])),
            ("{k:}", Ok(&["k:", ""])),
            ("?foo: 1", Ok(&["?foo", "1"])),
            ("a: |\n  foo", Ok(&["a", "foo"])),
            ("a: |\n  foo\n", Ok(&["a", "foo\n"])),
            ("a: |+\n  foo\n\n", Ok(&["a", "foo\n\n"])),
            ("a: >-\n  b\n  c", Ok(&["a", "b c"])),
            ("a: 1\n--- }", Ok(&["a", "1"])),
            ("a: \"b", Err("yaml: found unexpected end of stream")),
            (
                "a\n- b: c\n",
                Err("yaml: line 2: mapping values are not allowed in this context"),
            ),
            (
                "%YAML 1.2\n---\na: 1\n",
                Err("yaml: found incompatible YAML document"),
            ),
            ("a: *b", Err("yaml: unknown anchor 'b' referenced")),
        ];
        for (text, expected) in rows {
            let expected = expected.map(|texts| texts.iter().map(|text| (*text).to_owned()).collect());
            assert_eq!(scalars(text), expected.map_err(str::to_owned), "{text:?}");
        }
    }

    #[test]
    fn depth_is_bounded() {
        let deep = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert_eq!(scalars(&deep(MAX_DEPTH)), Ok(vec![]));
        let problem = Err(String::from("yaml: exceeded max depth of 10000"));
        assert_eq!(scalars(&deep(MAX_DEPTH + 1)), problem);
        assert_eq!(scalars(&"[".repeat(100_000)), problem);
    }
}
