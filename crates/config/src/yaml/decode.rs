//! Sans-IO. Fits a tree to types: collects every misfit, reports unknown keys, merges maps, and
//! stops at documents that blow themselves up through aliases.

use std::collections::{HashMap, HashSet};

use adit_dialect::quote::quote;

use super::error::{Problem, YamlError};
use super::scalar::{self, Plain};
use super::tree::{Content, Document, MAP, Node, NodeId, SEQ};
use crate::error::Place;
use crate::nearest::nearest;

/// Something a node can be decoded into.
pub(crate) trait Target {
    /// Returns the name of the type, as misfits tell it.
    fn type_name(&self) -> &'static str;

    /// Takes an explicit nothing; returns whether that counts as a value.
    fn null(&mut self) -> bool {
        false
    }

    /// Takes a scalar; returns whether it fits.
    fn scalar(&mut self, _scalar: &Scalar<'_>) -> bool {
        false
    }

    /// Takes a list; nothing if none is wanted here.
    fn sequence(&mut self, _decoder: &mut Decoder<'_>, _items: &[NodeId]) -> Option<Decoded> {
        None
    }

    /// Takes a map; nothing if none is wanted here.
    fn mapping(&mut self, _decoder: &mut Decoder<'_>, _id: NodeId) -> Option<Decoded> {
        None
    }
}

/// A structure with named fields.
pub(crate) trait Record {
    /// Returns the field of this name.
    fn field(&mut self, name: &str) -> Option<&mut dyn Target>;

    /// Returns the names of its fields.
    fn names(&self) -> &'static [&'static str];

    /// Notes where the structure begins.
    fn begins(&mut self, _place: Place) {}

    /// Notes where the field of this name stands.
    fn placed(&mut self, _name: &str, _place: Place) {}

    /// Returns where values of unknown keys are kept; nothing to report such keys.
    fn others(&mut self) -> Option<&mut Vec<(String, super::Value)>> {
        None
    }
}

/// Whether a value was taken; an error ends the whole document.
pub(crate) type Decoded = Result<bool, YamlError>;

/// A scalar as a target sees it.
#[derive(Debug)]
pub(crate) struct Scalar<'a> {
    /// The source text.
    pub text: &'a str,
    /// What it is.
    pub value: Plain<'a>,
}

/// The state of decoding one document.
#[derive(Debug)]
pub(crate) struct Decoder<'d> {
    document: &'d Document,
    misfits: Vec<Problem>,
    unknown: Vec<Problem>,
    /// Aliases being followed.
    following: HashSet<NodeId>,
    /// Keys that a map being merged must not set, because something nearer has.
    taken: Option<HashSet<String>>,
    decoded: usize,
    aliased: usize,
}

impl<'d> Decoder<'d> {
    /// Fits the document to `target`; returns what is said about unknown keys.
    pub(crate) fn run(document: &'d Document, target: &mut dyn Target) -> Result<Vec<Problem>, YamlError> {
        let mut decoder = Self {
            document,
            misfits: Vec::new(),
            unknown: Vec::new(),
            following: HashSet::new(),
            taken: None,
            decoded: 0,
            aliased: 0,
        };
        decoder.decode(document.root(), target)?;
        if decoder.misfits.is_empty() {
            Ok(decoder.unknown)
        } else {
            Err(YamlError::Misfits(decoder.misfits))
        }
    }

    /// Returns a node.
    pub(crate) fn node(&self, id: NodeId) -> &'d Node {
        self.document.node(id)
    }

    /// Returns the tag of a node, looking through an alias.
    pub(crate) fn tag(&self, id: NodeId) -> &'d str {
        self.document.tag(id)
    }

    /// Fits a node to `target`; returns whether it counts as a value.
    pub(crate) fn decode(&mut self, id: NodeId, target: &mut dyn Target) -> Decoded {
        self.count()?;
        let node = self.node(id);
        let taken = match &node.content {
            Content::Alias { anchor, target: to } => {
                return self.follow(id, anchor, *to, target);
            }
            Content::Scalar(text) => return self.scalar(node, text, target),
            Content::Sequence(items) => target.sequence(self, items),
            Content::Mapping(pairs) => {
                if self.has_duplicates(pairs) {
                    return Ok(false);
                }
                target.mapping(self, id)
            }
        };
        taken.unwrap_or_else(|| {
            self.misfit(node, target.type_name());
            Ok(false)
        })
    }

    /// Fits a map to the fields of `record`, then merges into it what the map merges.
    pub(crate) fn fill<T: Target + Record>(
        &mut self,
        id: NodeId,
        type_name: &'static str,
        record: &mut T,
    ) -> Decoded {
        if self.taken.is_none() {
            record.begins(self.node(id).place);
        }
        let merged = self.record(id, type_name, record)?;
        self.merge(id, merged, record)?;
        Ok(true)
    }

    fn record(
        &mut self,
        id: NodeId,
        type_name: &'static str,
        record: &mut dyn Record,
    ) -> Result<Option<NodeId>, YamlError> {
        let mut taken = self.taken.take();
        let mut done = HashSet::new();
        let mut merged = None;
        for &(key, value) in pairs(self.node(id)) {
            if self.is_merge(key) {
                merged = Some(value);
                continue;
            }
            let mut name = String::new();
            if !self.decode(key, &mut name)? {
                continue;
            }
            let new = taken.as_mut().is_none_or(|taken| taken.insert(named(&name)));
            if new {
                self.field((key, value), &name, (type_name, &mut *record, &mut done))?;
            }
        }
        self.taken = taken;
        Ok(merged)
    }

    fn field(
        &mut self,
        (key, value): (NodeId, NodeId),
        name: &str,
        (type_name, record, done): (&str, &mut dyn Record, &mut HashSet<String>),
    ) -> Result<(), YamlError> {
        let line = self.node(key).place.line;
        if let Some(field) = record.field(name) {
            if done.insert(name.to_owned()) {
                self.decode(value, field)?;
                record.placed(name, self.node(value).place);
            } else {
                let text = format!("line {line}: field {name} already set in type {type_name}");
                self.misfits.push(self.problem(key, text));
            }
        } else if let Some(others) = record.others() {
            let mut other = super::Value::Null;
            self.decode(value, &mut other)?;
            others.retain(|(known, _)| known != name);
            others.push((name.to_owned(), other));
            record.placed(name, self.node(value).place);
        } else {
            let text = format!("line {line}: field {name} not found in type {type_name}");
            let near = nearest(name, record.names());
            self.unknown.push(Problem {
                hint: near.map(|near| format!("did you mean `{near}`?")),
                ..self.problem(key, text)
            });
        }
        Ok(())
    }

    /// Merges into `target` what the value of `<<` names; `id` is the map that says so.
    pub(crate) fn merge(
        &mut self,
        id: NodeId,
        merged: Option<NodeId>,
        target: &mut dyn Target,
    ) -> Result<(), YamlError> {
        let Some(merged) = merged else { return Ok(()) };
        let outer = self.taken.is_some();
        if !outer {
            self.taken = Some(self.keys(id)?);
        }
        match &self.node(merged).content {
            Content::Sequence(items) => {
                for &item in items {
                    self.merge_one(item, target)?;
                }
            }
            Content::Mapping(_) | Content::Alias { .. } | Content::Scalar(_) => {
                self.merge_one(merged, target)?;
            }
        }
        if !outer {
            self.taken = None;
        }
        Ok(())
    }

    fn merge_one(&mut self, id: NodeId, target: &mut dyn Target) -> Result<(), YamlError> {
        let node = match self.node(id).content {
            Content::Alias { target, .. } => self.node(target),
            Content::Scalar(_) | Content::Sequence(_) | Content::Mapping(_) => self.node(id),
        };
        if !matches!(node.content, Content::Mapping(_)) {
            let text = "map merge requires map or sequence of maps as the value";
            return Err(YamlError::broken(text));
        }
        self.decode(id, target)?;
        Ok(())
    }

    fn keys(&mut self, id: NodeId) -> Result<HashSet<String>, YamlError> {
        let mut keys = HashSet::new();
        for &(key, _) in pairs(self.node(id)) {
            let mut value = super::Value::Null;
            if self.decode(key, &mut value)? {
                keys.insert(value.identity());
            }
        }
        Ok(keys)
    }

    /// Returns whether a key merges the map that is its value.
    pub(crate) fn is_merge(&self, key: NodeId) -> bool {
        let node = self.node(key);
        matches!(&node.content, Content::Scalar(text) if scalar::is_merge(&node.tag, text))
    }

    /// Returns whether a key of a map being merged may be set, and notes it.
    pub(crate) fn may_set(taken: &mut Option<HashSet<String>>, key: &super::Value) -> bool {
        taken.as_mut().is_none_or(|taken| taken.insert(key.identity()))
    }

    /// Takes the keys that are not to be set, for the time of one map.
    pub(crate) fn take_keys(&mut self) -> Option<HashSet<String>> {
        self.taken.take()
    }

    /// Gives back what [`Self::take_keys`] took.
    pub(crate) fn give_keys(&mut self, taken: Option<HashSet<String>>) {
        self.taken = taken;
    }

    fn follow(&mut self, id: NodeId, anchor: &str, to: NodeId, target: &mut dyn Target) -> Decoded {
        if !self.following.insert(id) {
            let text = format!("anchor '{anchor}' value contains itself");
            return Err(YamlError::broken(text));
        }
        let decoded = self.decode(to, target);
        self.following.remove(&id);
        decoded
    }

    fn scalar(&mut self, node: &Node, text: &str, target: &mut dyn Target) -> Decoded {
        let value = scalar::tagged(&node.tag, text)?;
        if value == Plain::Null {
            return Ok(target.null());
        }
        if target.scalar(&Scalar { text, value }) {
            return Ok(true);
        }
        self.misfit(node, target.type_name());
        Ok(false)
    }

    fn misfit(&mut self, node: &Node, type_name: &str) {
        let Node { tag, place, .. } = node;
        let value = match &node.content {
            _ if tag == SEQ || tag == MAP => String::new(),
            Content::Scalar(text) => format!(" `{}`", shortened(text)),
            Content::Sequence(_) | Content::Mapping(_) | Content::Alias { .. } => String::from(" ``"),
        };
        let line = place.line;
        self.misfits.push(Problem {
            place: Some(*place),
            text: format!("line {line}: cannot unmarshal {tag}{value} into {type_name}"),
            hint: hint(node, type_name),
        });
    }

    fn problem(&self, id: NodeId, text: String) -> Problem {
        Problem {
            place: Some(self.node(id).place),
            text,
            hint: None,
        }
    }

    /// Reports every key that stands twice in a map, whatever its type.
    fn has_duplicates(&mut self, pairs: &[(NodeId, NodeId)]) -> bool {
        let before = self.misfits.len();
        let mut seen: HashMap<(u8, &str), Vec<NodeId>> = HashMap::new();
        let mut doubled = false;
        for &(key, _) in pairs {
            let places = seen.entry(self.spelling(key)).or_default();
            doubled |= !places.is_empty();
            places.push(key);
        }
        if !doubled {
            return false;
        }
        for &(first, _) in pairs {
            let Some(same) = seen.get(&self.spelling(first)) else {
                continue;
            };
            let at = same.iter().position(|key| *key == first).unwrap_or(0);
            for &second in &same[at + 1..] {
                if self.misfits.len() - before < MAX_DUPLICATES {
                    self.duplicate(first, second);
                }
            }
        }
        true
    }

    fn duplicate(&mut self, first: NodeId, second: NodeId) {
        let place = self.node(second).place;
        let text = quote(self.spelling(second).1.as_bytes());
        let (line, earlier) = (place.line, self.node(first).place.line);
        self.misfits.push(Problem {
            place: Some(place),
            text: format!("line {line}: mapping key {text} already defined at line {earlier}"),
            hint: None,
        });
    }

    fn spelling(&self, key: NodeId) -> (u8, &'d str) {
        match &self.node(key).content {
            Content::Scalar(text) => (0, text),
            Content::Alias { anchor, .. } => (1, anchor),
            Content::Sequence(_) => (2, ""),
            Content::Mapping(_) => (3, ""),
        }
    }

    fn count(&mut self) -> Result<(), YamlError> {
        self.decoded += 1;
        if !self.following.is_empty() {
            self.aliased += 1;
        }
        if excessive(self.aliased, self.decoded) {
            return Err(YamlError::broken("document contains excessive aliasing"));
        }
        Ok(())
    }
}

/// Pairs of equal keys that are told for one map; their number grows with the square of the keys.
const MAX_DUPLICATES: usize = 10_000;

/// Returns the pairs of a map.
pub(crate) fn pairs(node: &Node) -> &[(NodeId, NodeId)] {
    match &node.content {
        Content::Mapping(pairs) => pairs,
        Content::Scalar(_) | Content::Sequence(_) | Content::Alias { .. } => &[],
    }
}

/// Returns what to write instead of a scalar that does not fit.
fn hint(node: &Node, type_name: &str) -> Option<String> {
    let Content::Scalar(text) = &node.content else {
        return None;
    };
    match (type_name, node.tag.as_str()) {
        ("time.Duration", super::tree::INT) => Some(format!("write `{text}s` for seconds")),
        ("bool", _) => Some(String::from("write `true` or `false`")),
        ("int" | "uint" | "uint64", super::tree::STR) => {
            Some(String::from("write the number without quotes"))
        }
        ("config.UnvalidatedIngressRule", _) => {
            Some(String::from("a key is followed by a colon and a space"))
        }
        _ => None,
    }
}

fn named(name: &str) -> String {
    format!("string:{name}")
}

fn shortened(text: &str) -> String {
    if text.len() <= SHOWN_IN_FULL {
        return text.to_owned();
    }
    let head = String::from_utf8_lossy(&text.as_bytes()[..SHOWN_OF_LONG]);
    format!("{head}...")
}

/// Bytes of a value up to which misfits show all of it, and how many they show of a longer one.
const SHOWN_IN_FULL: usize = 10;
const SHOWN_OF_LONG: usize = 7;

/// Returns whether too many of the decoded nodes came through aliases: above 99 % in documents of
/// common size, falling to 10 % in very large ones.
fn excessive(aliased: usize, decoded: usize) -> bool {
    const LOW: f64 = 400_000.0;
    const HIGH: f64 = 4_000_000.0;
    if aliased <= 100 || decoded <= 1000 {
        return false;
    }
    #[expect(
        clippy::cast_precision_loss,
        reason = "a share needs no more than these digits"
    )]
    let (aliased, decoded) = (aliased as f64, decoded as f64);
    let over = (decoded.clamp(LOW, HIGH) - LOW) / (HIGH - LOW);
    aliased / decoded > 0.99 - 0.89 * over
}
