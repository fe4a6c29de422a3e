//! Answers requests: the rules in force, the first that matches, its origin.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use adit_config::{Provenance, Rule, Rules, Service};
use adit_exchange::{Answer, Class, Kind, Proxy, Refusal, Reply, Request};
use tracing::warn;

use crate::error::{Failure, StartError};
use crate::headers::Tag;
use crate::incoming::Incoming;
use crate::live::Live;
use crate::metrics::Metrics;
use crate::origin::hello::Hello;
use crate::origin::http::HttpOrigin;
use crate::origin::status;
use crate::resolve::Resolve;
use crate::router::Router;
use crate::telling::Telling;
use crate::tls::Roots;

/// How long a request waits for the first configuration.
const FIRST_RULES: Duration = Duration::from_secs(10);

/// What is told when a request is answered because there are no rules.
const NO_RULES: &str = "No ingress rules were defined in provided config (if any) nor from the cli, \
                        cloudflared will return 503 for all incoming HTTP requests";

/// What the way to origins needs to know beside the rules.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Turns names into addresses.
    pub resolver: Arc<dyn Resolve>,
    /// Returns the certificates that every rule trusts; called once, when the first rule needs it.
    pub roots: fn() -> Roots,
    /// What is sent to origins with every request.
    pub tags: Vec<Tag>,
}

/// Answers requests by the rules in force.
#[derive(Debug)]
pub struct Ingress {
    settings: Settings,
    metrics: Metrics,
    roots: OnceLock<Roots>,
    live: Live<Active>,
}

/// A configuration in force.
#[derive(Debug)]
struct Active {
    rules: Arc<Rules>,
    router: Router,
    services: Vec<ActiveRule>,
}

/// A rule in force.
#[derive(Debug)]
struct ActiveRule {
    display: Arc<str>,
    origin: Origin,
}

/// What a rule leads to.
#[derive(Debug)]
enum Origin {
    Http(Box<HttpOrigin>),
    Status(u16),
    Hello(Hello),
}

impl Ingress {
    /// Returns a proxy without rules: requests wait for the first.
    #[must_use]
    pub fn new(settings: Settings, metrics: Metrics) -> Self {
        Self {
            settings,
            metrics,
            roots: OnceLock::new(),
            live: Live::new(),
        }
    }

    /// Puts the rules of this machine in force.
    ///
    /// # Errors
    ///
    /// Fails when a service cannot be started; what was in force stays.
    pub fn start(&self, rules: Rules) -> Result<(), StartError> {
        self.live.apply(None, || self.activate(rules)).map(drop)
    }

    /// Puts rules that the edge sent in force, if their version is newer than what is.
    ///
    /// Returns whether they were.
    ///
    /// # Errors
    ///
    /// Fails when a service cannot be started; what was in force stays.
    pub fn update(&self, version: i32, rules: Rules) -> Result<bool, StartError> {
        self.live.apply(Some(version), || self.activate(rules))
    }

    /// Returns the version in force: minus one before the first that the edge sent.
    #[must_use]
    pub fn version(&self) -> i32 {
        self.live.version()
    }

    /// Returns the rules in force.
    #[must_use]
    pub fn rules(&self) -> Option<Arc<Rules>> {
        self.live.now().map(|active| Arc::clone(&active.rules))
    }

    fn activate(&self, rules: Rules) -> Result<Active, StartError> {
        let router = Router::new(&rules.rules);
        let services = rules.rules.iter().map(|rule| self.activate_rule(rule));
        Ok(Active {
            services: services.collect::<Result<_, _>>()?,
            router,
            rules: Arc::new(rules),
        })
    }

    fn activate_rule(&self, rule: &Rule) -> Result<ActiveRule, StartError> {
        let display = rule.service.to_string();
        let origin = self.origin(rule).map_err(|cause| StartError::Service {
            service: display.clone(),
            cause,
        })?;
        Ok(ActiveRule {
            display: display.into(),
            origin,
        })
    }

    fn origin(&self, rule: &Rule) -> Result<Origin, String> {
        let roots = || self.roots.get_or_init(self.settings.roots).clone();
        let resolver = Arc::clone(&self.settings.resolver);
        if let Some(http) = HttpOrigin::new(&rule.service, &rule.origin, resolver, roots)? {
            return Ok(Origin::Http(Box::new(http)));
        }
        match &rule.service {
            Service::Status(status) => Ok(Origin::Status(*status)),
            Service::HelloWorld => Ok(Origin::Hello(Hello::new())),
            Service::Http(_) | Service::Unix(_) | Service::Tcp(_) | Service::Socks(_) | Service::Bastion => {
                Ok(Origin::Status(501))
            }
        }
    }

    async fn answer(&self, request: Request) -> Result<Reply, Refusal> {
        if request.kind == Kind::Tcp {
            return Err(Refusal::new(Class::Internal, "private TCP"));
        }
        let incoming = Incoming::read(request, &self.settings.tags)?;
        let Some(active) = self.live.get(FIRST_RULES).await else {
            return Err(Refusal::new(Class::NoRule, "no configuration has arrived yet"));
        };
        let index = active.router.find(&incoming.host, &incoming.path);
        let rule = &active.services[index];
        if active.rules.provenance == Provenance::BuiltIn {
            warn!("{NO_RULES}");
        }
        let label = i64::try_from(index).unwrap_or(i64::MAX);
        let telling = Telling::begin(&self.metrics, &incoming, label, Arc::clone(&rule.display));
        match rule.origin.call(incoming).await {
            Ok(Reply::Response(response)) => Ok(Reply::Response(telling.answered(response))),
            Ok(Reply::Connected(connected)) => Ok(Reply::Connected(telling.connected(connected))),
            Err(refusal) => {
                telling.failed(&refusal);
                Err(refusal)
            }
        }
    }
}

impl Origin {
    async fn call(&self, incoming: Incoming) -> Result<Reply, Refusal> {
        match self {
            Self::Http(origin) => origin.call(incoming).await.map_err(Failure::unreachable),
            Self::Status(code) => status::reply(*code),
            Self::Hello(hello) => Ok(hello.call(incoming).await),
        }
    }
}

impl Proxy for Ingress {
    fn call(&self, request: Request) -> Answer<'_> {
        Box::pin(self.answer(request))
    }
}
