//! Sans-IO. Configurations that the edge pushes: which of them count, and what they mean.

use std::sync::Arc;

use crate::error::ConfigError;
use crate::file::File;
use crate::origin::OriginRequest;
use crate::overrides::ConfigurationFlags;
use crate::resolve::{Written, warp_routing};
use crate::rule::{Provenance, Rules};

/// The version of a configuration that was not pushed.
pub const LOCAL_VERSION: i32 = -1;

/// The configuration in force and its version.
#[derive(Clone, Debug)]
pub struct Versioned {
    /// The version; [`LOCAL_VERSION`] before the first push.
    pub version: i32,
    /// The configuration.
    pub rules: Arc<Rules>,
}

/// What becomes of a push.
#[derive(Debug)]
pub enum Push {
    /// It is not newer than what is in force, and was not looked at.
    Stale,
    /// It is wrong; what is in force stays.
    Refused(ConfigError),
    /// It may come into force once the services of its rules have started.
    New(Box<Rules>),
}

impl Versioned {
    /// Starts with the local configuration.
    #[must_use]
    pub fn local(rules: Rules) -> Self {
        Self {
            version: LOCAL_VERSION,
            rules: Arc::new(rules),
        }
    }

    /// Judges a push; nothing changes until it is put [`in force`](Self::put_in_force).
    #[must_use]
    pub fn judge(&self, version: i32, config: &[u8], flags: &ConfigurationFlags) -> Push {
        if version <= self.version {
            return Push::Stale;
        }
        match read(config, flags) {
            Ok(rules) => Push::New(Box::new(rules)),
            Err(error) => Push::Refused(error),
        }
    }

    /// Puts a configuration in force.
    pub fn put_in_force(&mut self, version: i32, rules: Rules) {
        self.version = version;
        self.rules = Arc::new(rules);
    }
}

/// Reads the JSON text of a pushed configuration.
///
/// # Errors
///
/// Says what is wrong with the text or with the rules, in the words that the edge is told.
pub fn read(config: &[u8], flags: &ConfigurationFlags) -> Result<Rules, ConfigError> {
    let file = File::read_push(config).map_err(|error| ConfigError::new(error.to_string()))?;
    let warp_routing = warp_routing(&file.warp_routing, flags)?;
    if file.ingress.is_empty() {
        let defaults = OriginRequest::of_top_level(&file.origin_request);
        return Ok(Rules::built_in(defaults, warp_routing));
    }
    let written = Written {
        rules: &file.ingress,
        origin_request: &file.origin_request,
        provenance: Provenance::Remote,
    };
    written.meant(warp_routing)
}
