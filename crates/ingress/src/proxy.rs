//! Answers requests: the rules in force, the first that matches, its origin.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use adit_config::{Access, Provenance, Rule, Rules};
use adit_dial::{Environment, Names, Roots};
use adit_exchange::{Answer, Class, Kind, Proxy, Refusal, Reply, Request};
use prometheus::Histogram;
use tokio::sync::watch;
use tracing::{error, warn};

use crate::access::fetch::OverHttps;
use crate::access::{Denial, Validator};
use crate::error::StartError;
use crate::explain;
use crate::flows::Flows;
use crate::headers::Tag;
use crate::incoming::Incoming;
use crate::live::Live;
use crate::metrics::Metrics;
use crate::origin::inner;
use crate::origin::{Origin, World, status};
use crate::private::Private;
use crate::router::Router;
use crate::telling::Telling;
use crate::trace::Attribute;

/// How long a request waits for the first configuration.
const FIRST_RULES: Duration = Duration::from_secs(10);

/// What is told when a request is answered because there are no rules.
const NO_RULES: &str = "No ingress rules were defined in provided config (if any) nor from the cli, \
                        cloudflared will return 503 for all incoming HTTP requests";

/// What the way to origins needs to know beside the rules.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Turns names into addresses.
    pub names: Names,
    /// Returns the certificates that every rule trusts; called once, when the first rule needs it.
    pub roots: fn() -> Roots,
    /// What is sent to origins with every request.
    pub tags: Vec<Tag>,
    /// Counts private flows; the configuration in force sets its limit.
    pub flows: Flows,
    /// What the environment says about proxies.
    pub environment: Environment,
    /// Whether answers that are made here say what class of failure they are about.
    pub explain_failures: bool,
}

/// Answers requests by the rules in force.
#[derive(Debug)]
pub struct Ingress {
    settings: Settings,
    metrics: Arc<Metrics>,
    roots: OnceLock<Roots>,
    flows: Flows,
    write_limit: Option<Duration>,
    live: Live<Active>,
}

/// A configuration in force.
#[derive(Debug)]
struct Active {
    rules: Arc<Rules>,
    router: Router,
    services: Vec<ActiveRule>,
    private: Private,
}

/// A rule in force.
#[derive(Debug)]
struct ActiveRule {
    display: Arc<str>,
    first_byte: Histogram,
    access: Option<Validator>,
    origin: Origin,
}

impl Ingress {
    /// Returns a proxy without rules: requests wait for the first.
    #[must_use]
    pub fn new(settings: Settings, metrics: Metrics) -> Self {
        Self {
            roots: OnceLock::new(),
            flows: settings.flows.clone(),
            write_limit: None,
            settings,
            metrics: Arc::new(metrics),
            live: Live::new(),
        }
    }

    /// Lets a service inside the program answer a request, which is counted and told as any other.
    ///
    /// # Errors
    ///
    /// Refuses as the service does.
    pub async fn answer_inside(&self, service: &dyn Proxy, request: Request) -> Result<Reply, Refusal> {
        inner::call(service, request, &self.metrics).await
    }

    /// Lets origins of private streams take at most this long to accept what they are sent.
    #[must_use]
    pub const fn with_write_limit(mut self, limit: Option<Duration>) -> Self {
        self.write_limit = limit;
        self
    }

    /// Puts the rules of this machine in force.
    ///
    /// # Errors
    ///
    /// Fails when a service cannot be started; what was in force stays.
    pub fn start(&self, rules: Rules) -> Result<(), StartError> {
        self.live.apply(None, || self.activate(rules)).map(drop)
    }

    /// Puts rules in place that answer only if the edge sends none within a while: until then, or
    /// until [`Self::settle`], requests wait.
    ///
    /// # Errors
    ///
    /// Fails when a service cannot be started.
    pub fn stand_in(&self, rules: Rules) -> Result<(), StartError> {
        self.live.stand_in(self.activate(rules)?);
        Ok(())
    }

    /// Takes note that the edge will send no rules: those that are there are meant to be used.
    pub fn settle(&self) {
        self.live.settle();
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

    /// Returns what changes whenever rules are put in force.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<()> {
        self.live.changes()
    }

    /// Returns the rules in force.
    #[must_use]
    pub fn rules(&self) -> Option<Arc<Rules>> {
        self.live.now().map(|active| Arc::clone(&active.rules))
    }

    fn activate(&self, rules: Rules) -> Result<Active, StartError> {
        let router = Router::new(&rules.rules);
        let services = (0..)
            .zip(&rules.rules)
            .map(|(index, rule)| self.activate_rule(index, rule));
        let active = Active {
            services: services.collect::<Result<_, _>>()?,
            private: Private::new(self.settings.names.clone(), &rules.warp_routing, self.write_limit),
            router,
            rules: Arc::new(rules),
        };
        self.flows.limit(active.rules.warp_routing.max_active_flows);
        Ok(active)
    }

    fn activate_rule(&self, index: usize, rule: &Rule) -> Result<ActiveRule, StartError> {
        let display = rule.service.to_string();
        let failed = |cause| StartError::Service {
            service: display.clone(),
            cause,
        };
        let access = rule.access.as_ref().map(|access| self.validator(access));
        Ok(ActiveRule {
            access: access.transpose().map_err(failed)?,
            origin: Origin::new(rule, &self.world(&|| self.roots())).map_err(failed)?,
            first_byte: self.metrics.first_byte(index),
            display: display.as_str().into(),
        })
    }

    fn validator(&self, access: &Access) -> Result<Validator, String> {
        let origin = OverHttps::new(&access.issuer(), &self.world(&|| self.roots()))?;
        Ok(Validator::new(access, Arc::new(origin)))
    }

    fn world<'w>(&'w self, roots: &'w dyn Fn() -> Roots) -> World<'w> {
        World {
            names: &self.settings.names,
            environment: &self.settings.environment,
            roots,
        }
    }

    fn roots(&self) -> Roots {
        self.roots.get_or_init(self.settings.roots).clone()
    }

    async fn answer(&self, request: Request) -> Result<Reply, Refusal> {
        if request.kind == Kind::Tcp {
            let active = self.active().await?;
            return Box::pin(active.private.call(request, &self.flows, &self.metrics)).await;
        }
        let mut incoming = Incoming::read(request, &self.settings.tags)?;
        let active = self.active().await?;
        let began = SystemTime::now();
        let index = active.router.find(&incoming.host, &incoming.path);
        let rule = &active.services[index];
        let ruleless = active.rules.provenance == Provenance::BuiltIn;
        if ruleless {
            warn!("{NO_RULES}");
        }
        let label = i64::try_from(index).unwrap_or(i64::MAX);
        if let Some(trace) = &mut incoming.trace {
            let host = Attribute::Text(String::from_utf8_lossy(&incoming.host).into_owned());
            let attributes = vec![("req-host", host), ("rule-num", Attribute::Number(label))];
            trace.add("ingress_match", began, attributes, false);
        }
        let service = (label, &rule.display, rule.first_byte.clone());
        let telling = Telling::begin(&self.metrics, &incoming, service);
        if let Some(access) = &rule.access
            && let Err(denial) = Box::pin(access.check(&incoming.headers)).await
        {
            return denied(denial, telling).map(|reply| self.named(reply, Class::Policy));
        }
        let reply = rule.origin.call(incoming, telling).await;
        if ruleless {
            return reply.map(|reply| self.named(reply, Class::NoRule));
        }
        reply
    }

    /// Adds what an answer is about that is made here, if visitors may know.
    fn named(&self, reply: Reply, class: Class) -> Reply {
        if self.settings.explain_failures {
            explain::named(reply, class)
        } else {
            reply
        }
    }

    /// Answers with the reason why there is no answer.
    async fn explained(&self, request: Request) -> Result<Reply, Refusal> {
        let connection = request.arrival.connection;
        let answered = self.answer(request).await;
        Ok(answered.unwrap_or_else(|refusal| {
            error!(
                connIndex = connection,
                class = refusal.class.name(),
                error = refusal.message,
                "Request failed"
            );
            explain::answer(&refusal)
        }))
    }

    async fn active(&self) -> Result<Arc<Active>, Refusal> {
        let active = self.live.get(FIRST_RULES).await;
        active.ok_or_else(|| Refusal::new(Class::NoRule, "no configuration has arrived yet"))
    }
}

/// Tells a visitor who is not let in.
fn denied(denial: Denial, telling: Telling) -> Result<Reply, Refusal> {
    match denial {
        Denial::Forbidden(reason) => {
            telling.failed(&Refusal::new(
                Class::Policy,
                format!("request filtered by middleware handler (AccessJWTValidator) due to: {reason}"),
            ));
            status::reply(FORBIDDEN)
        }
        Denial::Unverified(cause) => {
            telling.leave_unsaid(Class::Policy);
            Err(Refusal::new(
                Class::Policy,
                format!("error while processing middleware handler AccessJWTValidator: {cause}"),
            ))
        }
    }
}

/// The status of visitors who are not let in.
const FORBIDDEN: u16 = 403;

impl Proxy for Ingress {
    fn call(&self, request: Request) -> Answer<'_> {
        if self.settings.explain_failures && request.kind != Kind::Tcp {
            return Box::pin(self.explained(request));
        }
        Box::pin(self.answer(request))
    }
}
