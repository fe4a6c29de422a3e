//! Sans-IO. As written → as meant: whose word counts for the rules.
//!
//! A configuration pushed by the edge replaces all of this ([`crate::remote`]). Before one comes,
//! the list `ingress` of the file counts if it has entries, else the flags that name a single
//! origin, else the built-in rule that answers 503.

use crate::error::ConfigError;
use crate::file::{File, OriginRequestWritten, RuleWritten, WarpRoutingWritten};
use crate::origin::OriginRequest;
use crate::overrides::{ConfigurationFlags, Overrides};
use crate::rule::{Provenance, Rules};
use crate::single;
use crate::validate::Validation;
use crate::warp::WarpRouting;

/// Decides which rules hold before the edge says anything.
///
/// # Errors
///
/// Says what is wrong with the rules of the file, with the origin that flags name, or with the
/// limit of flows.
pub fn resolve(file: &File, said: &Overrides, flags: &ConfigurationFlags) -> Result<Rules, ConfigError> {
    let warp_routing = warp_routing(&file.warp_routing, flags)?;
    if !file.ingress.is_empty() {
        let written = Written {
            rules: &file.ingress,
            origin_request: &file.origin_request,
            provenance: Provenance::File,
        };
        return written.meant(warp_routing);
    }
    Ok(match single::rule(said)? {
        Some(rule) => Rules {
            rules: vec![rule],
            defaults: single::origin(said),
            warp_routing,
            provenance: Provenance::SingleOrigin,
        },
        None => Rules::built_in(OriginRequest::new(), warp_routing),
    })
}

/// Checks the rules of a file and nothing else, as `tunnel ingress` does.
///
/// # Errors
///
/// Says what is wrong with the rules, or that there are none.
pub fn rules_of_file(file: &File) -> Result<Rules, ConfigError> {
    if file.ingress.is_empty() {
        let problem = "The config file doesn't contain any ingress rules";
        return Err(ConfigError::new(problem).hint("add a list `ingress` of rules"));
    }
    let written = Written {
        rules: &file.ingress,
        origin_request: &file.origin_request,
        provenance: Provenance::File,
    };
    written.meant(WarpRouting::meant(&file.warp_routing))
}

/// Rules and what they inherit, as written.
pub(crate) struct Written<'w> {
    pub(crate) rules: &'w [RuleWritten],
    pub(crate) origin_request: &'w OriginRequestWritten,
    pub(crate) provenance: Provenance,
}

impl Written<'_> {
    pub(crate) fn meant(self, warp_routing: WarpRouting) -> Result<Rules, ConfigError> {
        let defaults = OriginRequest::of_top_level(self.origin_request);
        let validation = Validation {
            rules: self.rules,
            global: self.origin_request,
            defaults: &defaults,
        };
        Ok(Rules {
            rules: validation.run()?,
            defaults,
            warp_routing,
            provenance: self.provenance,
        })
    }
}

/// Fills the settings of private traffic; a limit among the flags outranks the written one.
pub(crate) fn warp_routing(
    written: &WarpRoutingWritten,
    flags: &ConfigurationFlags,
) -> Result<WarpRouting, ConfigError> {
    let mut meant = WarpRouting::meant(written);
    if let Some(limit) = flags.max_active_flows()? {
        meant.max_active_flows = limit;
    }
    Ok(meant)
}
