//! Sans-IO. A configuration in the two JSON forms that others read, byte for byte as upstream
//! writes them: what the metrics server shows, and what the edge is told.

use adit_dialect::json::Writer;

use crate::ip::IpRule;
use crate::origin::{AccessSettings, OriginRequest};
use crate::overrides::ConfigurationFlags;
use crate::rule::{PathPattern, Rule, Rules};
use crate::warp::WarpRouting;

/// Returns what `/config` of the metrics server shows.
#[must_use]
pub fn in_force(version: i32, rules: &Rules) -> String {
    let mut out = Writer::new();
    out.begin_object().key("version").integer(version.into());
    out.key("config").begin_object().key("ingress").begin_array();
    for rule in &rules.rules {
        full_rule(&mut out, rule);
    }
    out.end_array().key("warp-routing");
    warp_routing(&mut out, &rules.warp_routing);
    out.key("originRequest");
    full_origin(&mut out, &rules.defaults);
    out.end_object().end_object();
    out.finish()
}

/// Returns what the edge is told about the local configuration.
#[must_use]
pub fn local(rules: &Rules, flags: &ConfigurationFlags) -> String {
    let mut out = Writer::new();
    out.begin_object();
    if !flags.is_empty() {
        out.key("__configuration_flags").begin_object();
        for (name, value) in flags.iter() {
            out.key(name).string(value);
        }
        out.end_object();
    }
    out.key("ingress").begin_array();
    for rule in &rules.rules {
        short_rule(&mut out, rule);
    }
    out.end_array().key("warp-routing");
    warp_routing(&mut out, &rules.warp_routing);
    out.end_object();
    out.finish()
}

fn full_rule(out: &mut Writer, rule: &Rule) {
    out.begin_object().key("hostname").string(&rule.hostname.text);
    out.key("path");
    match &rule.path {
        Some(path) => out.string(path.source()),
        None => out.null(),
    };
    out.key("service").string(rule.service.to_string());
    out.key("Handlers");
    if rule.access_is_own {
        out.begin_array().begin_object().end_object().end_array();
    } else {
        out.null();
    }
    out.key("originRequest");
    full_origin(out, &rule.origin);
    out.end_object();
}

fn full_origin(out: &mut Writer, origin: &OriginRequest) {
    out.begin_object();
    out.key("connectTimeout").float(origin.connect_timeout.seconds());
    out.key("tlsTimeout").float(origin.tls_timeout.seconds());
    out.key("tcpKeepAlive").float(origin.tcp_keep_alive.seconds());
    out.key("noHappyEyeballs").boolean(origin.no_happy_eyeballs);
    out.key("keepAliveTimeout")
        .float(origin.keep_alive_timeout.seconds());
    out.key("keepAliveConnections")
        .integer(origin.keep_alive_connections);
    out.key("httpHostHeader").string(&origin.http_host_header);
    out.key("originServerName").string(&origin.origin_server_name);
    out.key("matchSNItoHost").boolean(origin.match_sni_to_host);
    out.key("caPool").string(&origin.ca_pool);
    out.key("noTLSVerify").boolean(origin.no_tls_verify);
    out.key("disableChunkedEncoding")
        .boolean(origin.disable_chunked_encoding);
    out.key("bastionMode").boolean(origin.bastion_mode);
    out.key("proxyAddress").string(&origin.proxy_address);
    out.key("proxyPort").unsigned(origin.proxy_port);
    out.key("proxyType").string(&origin.proxy_type);
    out.key("ipRules");
    hidden_rules(out, &origin.ip_rules);
    out.key("http2Origin").boolean(origin.http2_origin);
    if origin.http2_prior_knowledge {
        // What reads this may know upstream's keys alone.
        out.key("http2PriorKnowledge").boolean(true);
    }
    out.key("access");
    access(out, &origin.access);
    out.end_object();
}

/// Writes how many address rules there are, which is all that shows.
fn hidden_rules(out: &mut Writer, rules: &[IpRule]) {
    if rules.is_empty() {
        out.null();
        return;
    }
    out.begin_array();
    for _ in rules {
        out.begin_object().end_object();
    }
    out.end_array();
}

fn access(out: &mut Writer, access: &AccessSettings) {
    out.begin_object();
    if access.required {
        out.key("required").boolean(true);
    }
    out.key("teamName").string(&access.team_name).key("audTag");
    match &access.aud_tag {
        None => {
            out.null();
        }
        Some(tags) => {
            out.begin_array();
            for tag in tags {
                out.string(tag);
            }
            out.end_array();
        }
    }
    if !access.environment.is_empty() {
        out.key("environment").string(&access.environment);
    }
    out.end_object();
}

fn warp_routing(out: &mut Writer, warp: &WarpRouting) {
    let usual = WarpRouting::DEFAULT;
    out.begin_object();
    if warp.connect_timeout != usual.connect_timeout {
        out.key("connectTimeout").float(warp.connect_timeout.seconds());
    }
    if warp.max_active_flows != usual.max_active_flows {
        out.key("maxActiveFlows").unsigned(warp.max_active_flows);
    }
    if warp.tcp_keep_alive != usual.tcp_keep_alive {
        out.key("tcpKeepAlive").float(warp.tcp_keep_alive.seconds());
    }
    out.end_object();
}

fn short_rule(out: &mut Writer, rule: &Rule) {
    out.begin_object();
    let path = rule.path.as_ref().map_or("", PathPattern::source);
    let service = rule.service.to_string();
    for (name, text) in [
        ("hostname", rule.hostname.text.as_str()),
        ("path", path),
        ("service", &service),
    ] {
        if !text.is_empty() {
            out.key(name).string(text);
        }
    }
    out.key("originRequest");
    short_origin(out, &rule.origin);
    out.end_object();
}

/// Writes what differs from the usual settings.
fn short_origin(out: &mut Writer, origin: &OriginRequest) {
    let usual = OriginRequest::new();
    /// Writes fields that differ, each with the method for its type.
    macro_rules! differing {
        ($($name:literal $field:ident $method:ident $($convert:ident)?;)*) => {
            $(if origin.$field != usual.$field {
                out.key($name).$method(origin.$field$(.$convert())?);
            })*
        };
    }
    let text = |out: &mut Writer, name: &str, text: &str, usual: &str| {
        if text != usual {
            out.key(name).string(text);
        }
    };
    out.begin_object();
    differing! {
        "connectTimeout" connect_timeout float seconds;
        "tlsTimeout" tls_timeout float seconds;
        "tcpKeepAlive" tcp_keep_alive float seconds;
        "noHappyEyeballs" no_happy_eyeballs boolean;
        "keepAliveConnections" keep_alive_connections integer;
        "keepAliveTimeout" keep_alive_timeout float seconds;
    }
    text(out, "httpHostHeader", &origin.http_host_header, "");
    text(out, "originServerName", &origin.origin_server_name, "");
    differing! { "matchSNItoHost" match_sni_to_host boolean; }
    text(out, "caPool", &origin.ca_pool, "");
    differing! {
        "noTLSVerify" no_tls_verify boolean;
        "disableChunkedEncoding" disable_chunked_encoding boolean;
        "bastionMode" bastion_mode boolean;
    }
    text(out, "proxyAddress", &origin.proxy_address, &usual.proxy_address);
    differing! { "proxyPort" proxy_port unsigned; }
    text(out, "proxyType", &origin.proxy_type, "");
    if !origin.ip_rules.is_empty() {
        out.key("ipRules");
        ip_rules(out, &origin.ip_rules);
    }
    differing! {
        "http2Origin" http2_origin boolean;
        "http2PriorKnowledge" http2_prior_knowledge boolean;
    }
    if origin.access.required {
        out.key("access");
        access(out, &origin.access);
    }
    out.end_object();
}

fn ip_rules(out: &mut Writer, rules: &[IpRule]) {
    out.begin_array();
    for rule in rules {
        let network = rule
            .network
            .map_or(String::from("<nil>"), |network| network.to_string());
        out.begin_object().key("prefix").string(network).key("ports");
        if rule.ports.is_empty() {
            out.null();
        } else {
            out.begin_array();
            for port in &rule.ports {
                out.unsigned((*port).into());
            }
            out.end_array();
        }
        out.key("allow").boolean(rule.allow).end_object();
    }
    out.end_array();
}
