//! What a rule leads to, ready to be used.

pub(crate) mod bastion;
pub(crate) mod date;
pub(crate) mod hello;
pub(crate) mod http;
pub(crate) mod inner;
pub(crate) mod multiplexed;
pub(crate) mod outgoing;
pub(crate) mod socks;
pub(crate) mod status;
pub(crate) mod tcp;
pub(crate) mod unix;

use std::fmt;
use std::time::SystemTime;

use adit_config::{Rule, Service};
use adit_dial::{Environment, Names, Roots};
use adit_exchange::{Refusal, Reply};

use self::hello::Hello;
use self::http::HttpOrigin;
use self::tcp::StreamOrigin;
use crate::incoming::Incoming;
use crate::telling::Telling;
use crate::trace::{Attribute, Trace};

/// What a rule leads to.
#[derive(Debug)]
pub(crate) enum Origin {
    Http(Box<HttpOrigin>),
    Stream(Box<StreamOrigin>),
    Status(u16),
    Hello(Hello),
}

/// What origins are reached with.
#[derive(Clone, Copy)]
pub(crate) struct World<'w> {
    pub(crate) names: &'w Names,
    pub(crate) environment: &'w Environment,
    /// Returns the certificates that every rule trusts.
    pub(crate) roots: &'w dyn Fn() -> Roots,
}

impl Origin {
    /// Returns what `rule` leads to.
    ///
    /// # Errors
    ///
    /// Fails when its settings cannot be put to use.
    pub(crate) fn new(rule: &Rule, world: &World<'_>) -> Result<Self, String> {
        let settings = &rule.origin;
        Ok(match &rule.service {
            Service::Http(origin) => Self::Http(Box::new(HttpOrigin::tcp(origin, settings, world)?)),
            Service::Unix(origin) => Self::Http(Box::new(HttpOrigin::unix(origin, settings, world)?)),
            Service::Tcp(origin) => {
                let display = rule.service.to_string();
                Self::Stream(Box::new(StreamOrigin::fixed(origin, display, settings, world)))
            }
            Service::Bastion => Self::Stream(Box::new(StreamOrigin::bastion(settings, world))),
            Service::Socks(rules) => Self::Stream(Box::new(StreamOrigin::socks(rules, settings, world))),
            Service::Status(status) => Self::Status(*status),
            Service::HelloWorld => Self::Hello(Hello::new()),
        })
    }

    /// Carries a request there, and tells about it.
    ///
    /// # Errors
    ///
    /// Refuses what cannot be carried there.
    pub(crate) async fn call(&self, mut incoming: Incoming, telling: Telling) -> Result<Reply, Refusal> {
        let began = SystemTime::now();
        let trace = match self {
            Self::Stream(_) => None,
            Self::Http(_) | Self::Status(_) | Self::Hello(_) => incoming.trace.take(),
        };
        let reply = match self {
            // What requests for HTTP origins do not need is no part of what is kept for each.
            Self::Stream(origin) => return Box::pin(origin.call(incoming, telling)).await,
            Self::Http(origin) => origin.call(incoming).await,
            Self::Status(code) => status::reply(*code),
            Self::Hello(hello) => Ok(Box::pin(hello.call(incoming)).await),
        };
        match reply.map(|reply| traced(reply, trace, began)) {
            Ok(Reply::Response(response)) => Ok(Reply::Response(telling.answered(response))),
            Ok(Reply::Connected(connected)) => Ok(Reply::Connected(telling.connected(connected, None, None))),
            Err(refusal) => {
                telling.failed(&refusal);
                Err(refusal)
            }
        }
    }
}

/// Reports a trace in the headers of a reply.
fn traced(mut reply: Reply, trace: Option<Trace>, began: SystemTime) -> Reply {
    let Some(mut trace) = trace else {
        return reply;
    };
    let (status, headers) = match &mut reply {
        Reply::Response(response) => (i64::from(response.status), &mut response.headers),
        Reply::Connected(connected) => (SWITCHED, &mut connected.headers),
    };
    let attributes = vec![("upstreamStatusCode", Attribute::Number(status))];
    trace.add("ttfb_origin", began, attributes, true);
    trace.report(headers);
    reply
}

/// The status of an origin that accepted a two-way stream.
const SWITCHED: i64 = 101;

impl fmt::Debug for World<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("World")
            .field("names", &self.names)
            .finish_non_exhaustive()
    }
}
