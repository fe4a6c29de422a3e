//! Sans-IO. The keys of each structure of a file, as YAML spells them.

use super::keys;
use super::{AccessWritten, File, IpRuleWritten, OriginRequestWritten, RuleWritten, WarpRoutingWritten};
use crate::error::Place;
use crate::yaml::{Decoded, Decoder, Item, NodeId, Record, Target};

/// Makes a structure a target that takes maps.
macro_rules! record {
    ($type:ty, $name:literal) => {
        impl Target for $type {
            fn type_name(&self) -> &'static str {
                $name
            }

            fn mapping(&mut self, decoder: &mut Decoder<'_>, id: NodeId) -> Option<Decoded> {
                Some(decoder.fill(id, $name, self))
            }
        }
    };
}

record!(File, "config.configFileSettings");
record!(RuleWritten, "config.UnvalidatedIngressRule");
record!(OriginRequestWritten, "config.OriginRequestConfig");
record!(IpRuleWritten, "config.IngressIPRule");
record!(AccessWritten, "config.AccessConfig");
record!(WarpRoutingWritten, "config.WarpRoutingConfig");

impl Item for RuleWritten {
    const LIST: &'static str = "[]config.UnvalidatedIngressRule";
}

impl Item for IpRuleWritten {
    const LIST: &'static str = "[]config.IngressIPRule";
}

impl Record for RuleWritten {
    fn names(&self) -> &'static [&'static str] {
        keys::RULE
    }

    fn field(&mut self, name: &str) -> Option<&mut dyn Target> {
        Some(match name {
            "hostname" => &mut self.hostname,
            "path" => &mut self.path,
            "service" => &mut self.service,
            "originRequest" => &mut self.origin_request,
            _ => return None,
        })
    }

    fn placed(&mut self, name: &str, place: Place) {
        let places = &mut self.places;
        match name {
            "hostname" => places.hostname = Some(place),
            "path" => places.path = Some(place),
            "service" => places.service = Some(place),
            "originRequest" => places.origin_request = Some(place),
            _ => {}
        }
    }

    fn begins(&mut self, place: Place) {
        self.places.rule = Some(place);
    }
}

impl Record for OriginRequestWritten {
    fn names(&self) -> &'static [&'static str] {
        keys::ORIGIN_REQUEST
    }

    fn field(&mut self, name: &str) -> Option<&mut dyn Target> {
        Some(match name {
            "connectTimeout" => &mut self.connect_timeout,
            "tlsTimeout" => &mut self.tls_timeout,
            "tcpKeepAlive" => &mut self.tcp_keep_alive,
            "noHappyEyeballs" => &mut self.no_happy_eyeballs,
            "keepAliveConnections" => &mut self.keep_alive_connections,
            "keepAliveTimeout" => &mut self.keep_alive_timeout,
            "httpHostHeader" => &mut self.http_host_header,
            "originServerName" => &mut self.origin_server_name,
            "matchSNItoHost" => &mut self.match_sni_to_host,
            "caPool" => &mut self.ca_pool,
            "noTLSVerify" => &mut self.no_tls_verify,
            "disableChunkedEncoding" => &mut self.disable_chunked_encoding,
            "bastionMode" => &mut self.bastion_mode,
            "proxyAddress" => &mut self.proxy_address,
            "proxyPort" => &mut self.proxy_port,
            "proxyType" => &mut self.proxy_type,
            "ipRules" => &mut self.ip_rules,
            "http2Origin" => &mut self.http2_origin,
            "http2PriorKnowledge" => &mut self.http2_prior_knowledge,
            "access" => &mut self.access,
            _ => return None,
        })
    }
}

impl Record for IpRuleWritten {
    fn names(&self) -> &'static [&'static str] {
        keys::IP_RULE
    }

    fn field(&mut self, name: &str) -> Option<&mut dyn Target> {
        Some(match name {
            "prefix" => &mut self.prefix,
            "ports" => &mut self.ports,
            "allow" => &mut self.allow,
            _ => return None,
        })
    }
}

impl Record for AccessWritten {
    fn names(&self) -> &'static [&'static str] {
        keys::ACCESS
    }

    fn field(&mut self, name: &str) -> Option<&mut dyn Target> {
        Some(match name {
            "required" => &mut self.required,
            "teamName" => &mut self.team_name,
            "audTag" => &mut self.aud_tag,
            "environment" => &mut self.environment,
            _ => return None,
        })
    }
}

impl Record for WarpRoutingWritten {
    fn names(&self) -> &'static [&'static str] {
        keys::WARP_ROUTING
    }

    fn field(&mut self, name: &str) -> Option<&mut dyn Target> {
        Some(match name {
            "connectTimeout" => &mut self.connect_timeout,
            "maxActiveFlows" => &mut self.max_active_flows,
            "tcpKeepAlive" => &mut self.tcp_keep_alive,
            _ => return None,
        })
    }
}
