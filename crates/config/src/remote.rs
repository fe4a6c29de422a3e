//! Sans-IO. Configurations that the edge pushes, and what they mean.
//!
//! Which of them count is decided where they come into force: one is not even looked at unless it
//! is newer.

use crate::error::ConfigError;
use crate::file::File;
use crate::origin::OriginRequest;
use crate::overrides::ConfigurationFlags;
use crate::resolve::{Written, warp_routing};
use crate::rule::{Provenance, Rules};

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
