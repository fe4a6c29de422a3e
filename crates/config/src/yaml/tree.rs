//! Sans-IO. The tree of the first document of a stream, with style, tag and position of each node.

use std::collections::HashMap;

use libyaml_safer::{Error, ErrorKind, Event, EventData, Mark, Parser, ScalarStyle};

use super::error::{Problem, YamlError};
use super::reader::Reader;
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

/// Nested collections in a document. Upstream stops at 10000; each level costs a call in the
/// decoder, and no configuration comes near this one.
const MAX_DEPTH: usize = 1000;

impl Document {
    /// Parses the first document of a stream; nothing if the stream holds none.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Option<Self>, YamlError> {
        Composer::new(bytes).compose()
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

/// Builds a tree of events, without recursion.
struct Composer {
    parser: Parser<Reader>,
    problem: Option<&'static str>,
    document: Document,
    anchors: HashMap<String, NodeId>,
    open: Vec<NodeId>,
    key: Vec<Option<NodeId>>,
}

impl Composer {
    fn new(bytes: &[u8]) -> Self {
        let reader = Reader::new(bytes);
        let problem = reader.problem();
        let mut parser = Parser::new();
        parser.set_input(reader);
        Self {
            parser,
            problem,
            document: Document::default(),
            anchors: HashMap::new(),
            open: Vec::new(),
            key: Vec::new(),
        }
    }

    fn compose(mut self) -> Result<Option<Document>, YamlError> {
        loop {
            let event = self.next()?;
            match event.data {
                EventData::StreamEnd => return Ok(None),
                EventData::DocumentEnd { .. } => return Ok(Some(self.document)),
                EventData::StreamStart { .. } => {}
                EventData::DocumentStart {
                    version_directive, ..
                } => {
                    let spoken = version_directive.is_none_or(|v| (v.major, v.minor) == (1, 1));
                    if !spoken {
                        let problem = "found incompatible YAML document";
                        return Err(parser_problem(problem, event.start_mark));
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

    fn next(&mut self) -> Result<Event, YamlError> {
        self.parser.parse().map_err(|error| self.library_problem(&error))
    }

    fn add(&mut self, event: Event) -> Result<(), YamlError> {
        let place = place(event.start_mark);
        let (tag, content, anchor) = self.content(event.data)?;
        let opens = matches!(content, Content::Sequence(_) | Content::Mapping(_));
        let id = NodeId(self.document.nodes.len());
        self.document.nodes.push(Node { content, tag, place });
        self.attach(id);
        if let Some(anchor) = anchor {
            self.anchors.insert(anchor, id);
        }
        if opens {
            if self.open.len() >= MAX_DEPTH {
                let text = format!("exceeded max depth of {MAX_DEPTH}");
                return Err(YamlError::broken(text));
            }
            self.open.push(id);
            self.key.push(None);
        }
        Ok(())
    }

    fn content(&self, data: EventData) -> Result<(String, Content, Option<String>), YamlError> {
        Ok(match data {
            EventData::Alias { anchor } => {
                let Some(&target) = self.anchors.get(&anchor) else {
                    let text = format!("unknown anchor '{anchor}' referenced");
                    return Err(YamlError::broken(text));
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
            | EventData::MappingEnd => return Err(YamlError::broken("event out of place")),
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

    /// Puts an error of the library into upstream's words.
    ///
    /// Upstream names the line of the context if there is one, else that of the problem, counted
    /// from 0 for the grammar and from 1 for the scanner, and keeps silent about line 0.
    fn library_problem(&self, error: &Error) -> YamlError {
        if let (ErrorKind::Io, Some(problem)) = (error.kind(), self.problem) {
            return YamlError::broken(problem);
        }
        let marks = [error.context_mark(), error.problem_mark()];
        let line = marks.into_iter().flatten().map(|mark| mark.line);
        let line = line.into_iter().find(|line| *line != 0);
        let line = line.map(|line| line + u64::from(error.kind() == ErrorKind::Scanner));
        let text = match line {
            Some(line) => format!("line {line}: {}", error.problem()),
            None => error.problem().to_owned(),
        };
        YamlError::Broken(Problem {
            place: error.problem_mark().map(place),
            text,
        })
    }
}

fn parser_problem(problem: &str, mark: Mark) -> YamlError {
    let text = match mark.line {
        0 => problem.to_owned(),
        line => format!("line {line}: {problem}"),
    };
    YamlError::Broken(Problem {
        place: Some(place(mark)),
        text,
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
    match style {
        ScalarStyle::SingleQuoted
        | ScalarStyle::DoubleQuoted
        | ScalarStyle::Literal
        | ScalarStyle::Folded => STR,
        _ if value == "<<" => MERGE,
        _ => scalar::plain(value).tag(),
    }
}

fn place(mark: Mark) -> Place {
    let count = |number: u64| usize::try_from(number).unwrap_or(usize::MAX).saturating_add(1);
    Place {
        line: count(mark.line),
        column: count(mark.column),
    }
}
