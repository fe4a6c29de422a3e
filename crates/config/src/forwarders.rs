//! Sans-IO. The listeners that a configuration without a tunnel asks for.

use crate::error::ConfigError;
use crate::secret::Secret;
use crate::yaml::{Decoded, Decoder, Document, Item, NodeId, Record, Target, Value, YamlError};

/// A listener whose connections go to an application.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forwarder {
    /// Where the application is.
    pub url: String,
    /// Where connections are taken.
    pub listener: String,
    /// The id of a service token; empty for none.
    pub service_token_id: String,
    /// Its secret.
    pub service_token_secret: Secret<String>,
    /// What is behind the application, if that is a bastion.
    pub destination: String,
    /// Whether logins are those of the separate cloud of the United States' government.
    pub is_fedramp: bool,
}

/// Reads the forwarders of the file called `name`.
///
/// # Errors
///
/// Says what is wrong with the text: the problem begins with upstream's words.
pub fn read(name: &str, text: &[u8]) -> Result<Vec<Forwarder>, ConfigError> {
    let told = |error: YamlError| {
        let problem = format!("error parsing YAML in config file at {name}: {}", error.text());
        error.into_error(problem).in_file(name)
    };
    let Some(document) = Document::parse(text).map_err(told)? else {
        return Ok(Vec::new());
    };
    let mut root = Root::default();
    Decoder::run(&document, &mut root).map_err(told)?;
    Ok(root.forwarders.into_iter().map(Written::into_forwarder).collect())
}

/// The top level of the file.
#[derive(Default)]
struct Root {
    forwarders: Vec<Written>,
    others: Vec<(String, Value)>,
}

/// An entry as written.
#[derive(Default)]
struct Written {
    url: String,
    listener: String,
    service_token_id: String,
    service_token_secret: String,
    destination: String,
    is_fedramp: bool,
}

impl Written {
    fn into_forwarder(self) -> Forwarder {
        Forwarder {
            url: self.url,
            listener: self.listener,
            service_token_id: self.service_token_id,
            service_token_secret: Secret::new(self.service_token_secret),
            destination: self.destination,
            is_fedramp: self.is_fedramp,
        }
    }
}

impl Target for Root {
    fn type_name(&self) -> &'static str {
        "config.Root"
    }

    fn mapping(&mut self, decoder: &mut Decoder<'_>, id: NodeId) -> Option<Decoded> {
        Some(decoder.fill(id, "config.Root", self))
    }
}

impl Record for Root {
    fn names(&self) -> &'static [&'static str] {
        &["forwarders"]
    }

    fn field(&mut self, name: &str) -> Option<&mut dyn Target> {
        (name == "forwarders").then_some(&mut self.forwarders)
    }

    fn others(&mut self) -> Option<&mut Vec<(String, Value)>> {
        Some(&mut self.others)
    }
}

impl Item for Written {
    const LIST: &'static str = "[]config.Forwarder";
}

impl Target for Written {
    fn type_name(&self) -> &'static str {
        "config.Forwarder"
    }

    fn mapping(&mut self, decoder: &mut Decoder<'_>, id: NodeId) -> Option<Decoded> {
        Some(decoder.fill(id, "config.Forwarder", self))
    }
}

impl Record for Written {
    fn names(&self) -> &'static [&'static str] {
        &[
            "url",
            "listener",
            "serviceTokenID",
            "serviceTokenSecret",
            "destination",
            "isFedramp",
        ]
    }

    fn field(&mut self, name: &str) -> Option<&mut dyn Target> {
        Some(match name {
            "url" => &mut self.url,
            "listener" => &mut self.listener,
            "serviceTokenID" => &mut self.service_token_id,
            "serviceTokenSecret" => &mut self.service_token_secret,
            "destination" => &mut self.destination,
            "isFedramp" => &mut self.is_fedramp,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forwarders_stand_among_other_keys() {
        let text = b"tunnel: x\nforwarders:\n - url: https://a\n   listener: 127.0.0.1:1\n   serviceTokenSecret: s\n - {}\n";
        let found = read("f", text).unwrap_or_default();
        let expected = Forwarder {
            url: "https://a".into(),
            listener: "127.0.0.1:1".into(),
            service_token_secret: Secret::new("s".into()),
            ..Forwarder::default()
        };
        assert_eq!(found, [expected, Forwarder::default()]);
        assert_eq!(read("f", b"# nothing\n").ok(), Some(Vec::new()));
        let problem = read("f", b"forwarders: 3\n").map_err(|error| error.problem);
        let expected = "error parsing YAML in config file at f: yaml: unmarshal errors:\n  \
                        line 1: cannot unmarshal !!int `3` into []config.Forwarder";
        assert_eq!(problem, Err(expected.into()));
    }
}
