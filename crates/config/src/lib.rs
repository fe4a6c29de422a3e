//! What the user wrote and what it means.
//!
//! Three stages, one function per step: *as written* ([`mod@file`], [`overrides`]), *as meant*
//! ([`rule::Rules`] and its parts), *as used* (the settings of the component that acts on them,
//! which live there). A file, flags and a configuration pushed by the edge all become the same
//! [`Rules`].
//!
//! This crate opens no socket, reads no environment and touches no disk: texts come in, meanings and
//! messages go out.
//!
//! Read [`rule`] first, then [`service`] and [`origin`]; [`mod@resolve`] is where everything meets, and
//! [`report`] is how others see it.
//!
//! # YAML
//!
//! Files are scanned by `libyaml-safer`, a maintained port of libyaml to safe Rust without
//! dependencies. Upstream's library descends from the same scanner, so both accept the same texts,
//! down to tabs, `?x`, unclosed quotes and `%YAML` lines, and refuse the others in the same words at
//! the same marks. It hands out events with style, tag, anchor and position, which the typing rules
//! need. Strict YAML 1.2 parsers (`saphyr-parser`, `yaml-rust2`) accept and refuse other texts, and
//! `serde` front ends (`serde_yaml`, deprecated by its author, and its successors) hide style, tag
//! and position. The few places where upstream's scanner left the common path are bridged in `yaml`.

pub mod access;
pub mod check;
pub mod credentials;
pub mod duration;
pub mod error;
pub mod file;
pub mod forwarders;
pub mod ip;
mod nearest;
pub mod origin;
pub mod overrides;
pub mod remote;
pub mod report;
pub mod resolve;
pub mod rule;
pub mod secret;
pub mod service;
pub mod setting;
mod single;
pub mod token;
pub mod tunnel_id;
mod validate;
pub mod warp;
mod yaml;

pub use access::Access;
pub use credentials::Credentials;
pub use duration::{Limit, Span};
pub use error::{ConfigError, Place};
pub use file::{File, Reading};
pub use forwarders::Forwarder;
pub use ip::{IpRule, Network};
pub use origin::{AccessSettings, OriginRequest};
pub use overrides::{ConfigurationFlags, Overrides};
pub use resolve::resolve;
pub use rule::{HostPattern, PathPattern, Provenance, Rule, Rules};
pub use secret::Secret;
pub use service::{HttpOrigin, Scheme, Service, TcpOrigin, UnixOrigin};
pub use setting::Setting;
pub use single::normalise;
pub use token::Token;
pub use tunnel_id::TunnelId;
pub use warp::WarpRouting;
pub use yaml::Value;
