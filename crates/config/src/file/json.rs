//! Sans-IO. The same structures as JSON: pushed by the edge, or given to `ingress validate --json`.

use adit_dialect::json::{self, Decoder, Value};
use adit_dialect::{JsonError, number};

use super::keys;
use super::{AccessWritten, File, IpRuleWritten, OriginRequestWritten, RuleWritten, WarpRoutingWritten};
use crate::duration::Span;

/// The outcome of reading one value; an error ends the reading at once.
type Read = Result<(), JsonError>;

/// Reads a configuration whose keys have no names of their own in JSON.
pub(super) fn local(text: &[u8]) -> Result<File, JsonError> {
    const NAMES: &[&str] = &["TunnelID", "Ingress", "WarpRouting", "OriginRequest"];
    let mut file = File::default();
    json::decode(text, |decoder, value| {
        decoder.object(value, "config.Configuration", NAMES, |decoder, name, value| {
            match name {
                "TunnelID" => decoder.string(value, &mut file.tunnel),
                "Ingress" => rules(decoder, value, &mut file.ingress)?,
                "WarpRouting" => warp_routing(decoder, value, &mut file.warp_routing)?,
                _ => origin_request(decoder, value, &mut file.origin_request)?,
            }
            Ok(())
        })
    })?;
    Ok(file)
}

/// Reads a configuration as the edge pushes it.
pub(super) fn remote(text: &[u8]) -> Result<File, JsonError> {
    const NAMES: &[&str] = &["originRequest", "ingress", "warp-routing"];
    let mut file = File::default();
    json::decode(text, |decoder, value| {
        decoder.object(
            value,
            "ingress.RemoteConfigJSON",
            NAMES,
            |decoder, name, value| {
                match name {
                    // The only one of the three that `null` resets.
                    "originRequest" if value.is_null() => {
                        file.origin_request = OriginRequestWritten::default();
                        Ok(())
                    }
                    "originRequest" => origin_request(decoder, value, &mut file.origin_request),
                    "ingress" => rules(decoder, value, &mut file.ingress),
                    _ => warp_routing(decoder, value, &mut file.warp_routing),
                }
            },
        )
    })?;
    Ok(file)
}

fn rules(decoder: &mut Decoder, value: Value<'_>, rules: &mut Vec<RuleWritten>) -> Read {
    decoder.list(value, "[]config.UnvalidatedIngressRule", rules, rule)
}

fn rule(decoder: &mut Decoder, value: Value<'_>, rule: &mut RuleWritten) -> Read {
    decoder.object(
        value,
        "config.UnvalidatedIngressRule",
        keys::RULE,
        |decoder, name, value| {
            match name {
                "hostname" => decoder.string(value, &mut rule.hostname),
                "path" => decoder.string(value, &mut rule.path),
                "service" => decoder.string(value, &mut rule.service),
                _ => origin_request(decoder, value, &mut rule.origin_request)?,
            }
            Ok(())
        },
    )
}

fn origin_request(decoder: &mut Decoder, value: Value<'_>, origin: &mut OriginRequestWritten) -> Read {
    decoder.object(
        value,
        "config.OriginRequestConfig",
        keys::ORIGIN_REQUEST,
        |decoder, name, value| match name {
            "connectTimeout" => span(value, &mut origin.connect_timeout),
            "tlsTimeout" => span(value, &mut origin.tls_timeout),
            "tcpKeepAlive" => span(value, &mut origin.tcp_keep_alive),
            "noHappyEyeballs" => boolean(decoder, value, &mut origin.no_happy_eyeballs),
            "keepAliveConnections" => integer(decoder, value, &mut origin.keep_alive_connections),
            "keepAliveTimeout" => span(value, &mut origin.keep_alive_timeout),
            "httpHostHeader" => string(decoder, value, &mut origin.http_host_header),
            "originServerName" => string(decoder, value, &mut origin.origin_server_name),
            "matchSNItoHost" => boolean(decoder, value, &mut origin.match_sni_to_host),
            "caPool" => string(decoder, value, &mut origin.ca_pool),
            "noTLSVerify" => boolean(decoder, value, &mut origin.no_tls_verify),
            "disableChunkedEncoding" => boolean(decoder, value, &mut origin.disable_chunked_encoding),
            "bastionMode" => boolean(decoder, value, &mut origin.bastion_mode),
            "proxyAddress" => string(decoder, value, &mut origin.proxy_address),
            "proxyPort" => optional(value, &mut origin.proxy_port, |port| {
                decoder.unsigned(value, "uint", &mut port.0);
                Ok(())
            }),
            "proxyType" => string(decoder, value, &mut origin.proxy_type),
            "ipRules" => decoder.list(value, "[]config.IngressIPRule", &mut origin.ip_rules, ip_rule),
            "http2Origin" => boolean(decoder, value, &mut origin.http2_origin),
            "http2PriorKnowledge" => boolean(decoder, value, &mut origin.http2_prior_knowledge),
            _ => optional(value, &mut origin.access, |access| {
                self::access(decoder, value, access)
            }),
        },
    )
}

fn ip_rule(decoder: &mut Decoder, value: Value<'_>, rule: &mut IpRuleWritten) -> Read {
    decoder.object(
        value,
        "config.IngressIPRule",
        keys::IP_RULE,
        |decoder, name, value| {
            match name {
                "prefix" => string(decoder, value, &mut rule.prefix)?,
                "ports" => decoder.list(value, "[]int", &mut rule.ports, |decoder, value, port| {
                    decoder.integer(value, "int", port);
                    Ok(())
                })?,
                _ => decoder.boolean(value, &mut rule.allow),
            }
            Ok(())
        },
    )
}

fn access(decoder: &mut Decoder, value: Value<'_>, access: &mut AccessWritten) -> Read {
    decoder.object(
        value,
        "config.AccessConfig",
        keys::ACCESS,
        |decoder, name, value| {
            match name {
                "required" => decoder.boolean(value, &mut access.required),
                "teamName" => decoder.string(value, &mut access.team_name),
                "audTag" => optional(value, &mut access.aud_tag, |tags| {
                    decoder.list(value, "[]string", tags, |decoder, value, tag| {
                        decoder.string(value, tag);
                        Ok(())
                    })
                })?,
                _ => decoder.string(value, &mut access.environment),
            }
            Ok(())
        },
    )
}

fn warp_routing(decoder: &mut Decoder, value: Value<'_>, warp: &mut WarpRoutingWritten) -> Read {
    decoder.object(
        value,
        "config.WarpRoutingConfig",
        keys::WARP_ROUTING,
        |decoder, name, value| match name {
            "connectTimeout" => span(value, &mut warp.connect_timeout),
            "maxActiveFlows" => optional(value, &mut warp.max_active_flows, |limit| {
                decoder.unsigned(value, "uint64", limit);
                Ok(())
            }),
            _ => span(value, &mut warp.tcp_keep_alive),
        },
    )
}

/// Reads over an optional value; `null` takes it away.
fn optional<T: Default>(value: Value<'_>, target: &mut Option<T>, read: impl FnOnce(&mut T) -> Read) -> Read {
    if value.is_null() {
        *target = None;
        return Ok(());
    }
    read(target.get_or_insert_default())
}

fn boolean(decoder: &mut Decoder, value: Value<'_>, target: &mut Option<bool>) -> Read {
    optional(value, target, |target| {
        decoder.boolean(value, target);
        Ok(())
    })
}

fn string(decoder: &mut Decoder, value: Value<'_>, target: &mut Option<String>) -> Read {
    optional(value, target, |target| {
        decoder.string(value, target);
        Ok(())
    })
}

fn integer(decoder: &mut Decoder, value: Value<'_>, target: &mut Option<i64>) -> Read {
    optional(value, target, |target| {
        decoder.integer(value, "int", target);
        Ok(())
    })
}

/// Reads whole seconds. A number too large for nanoseconds wraps, as upstream has it.
fn span(value: Value<'_>, target: &mut Option<Span>) -> Read {
    optional(value, target, |target| {
        let seconds =
            number::decimal_i64(value.raw()).map_err(|error| JsonError::Value(error.to_string()))?;
        *target = Span::from_nanos(seconds.wrapping_mul(1_000_000_000));
        Ok(())
    })
}
