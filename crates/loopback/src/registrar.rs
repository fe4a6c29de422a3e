//! Lets connections in: holds each registration against the rules and against the orders.

mod rules;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use adit_wire::registration::{Details, Refused as Refusal, Register, Registered};
use bytes::Bytes;
use uuid::Uuid;

use crate::credentials::Credentials;
use crate::faults::{Answer, Attempt, Orders};
use crate::link::Link;
use crate::roster::{Refused, Registration, Roster};

/// Decides on registrations, for the whole edge.
#[derive(Debug)]
pub(crate) struct Registrar {
    pub(crate) roster: Arc<Roster>,
    pub(crate) orders: Orders,
    credentials: Mutex<Credentials>,
    /// How many connections a connector may have.
    limit: u8,
    remotely_managed: bool,
}

/// What is said to a registration.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// This, after this time.
    Says(Registered, Duration),
    /// The call fails with this text.
    Fails(String),
    /// Nothing, ever.
    Nothing,
}

impl Registrar {
    pub(crate) fn new(
        roster: Arc<Roster>,
        credentials: Credentials,
        limit: u8,
        remotely_managed: bool,
    ) -> Arc<Self> {
        Arc::new(Self {
            roster,
            orders: Orders::default(),
            credentials: Mutex::new(credentials),
            limit,
            remotely_managed,
        })
    }

    pub(crate) fn credentials(&self) -> Credentials {
        self.credentials
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Lets only those in who know these from now on.
    pub(crate) fn accept_only(&self, credentials: Credentials) {
        *self.credentials.lock().unwrap_or_else(PoisonError::into_inner) = credentials;
    }

    /// Decides on one registration.
    pub(crate) fn decide(&self, link: &Link, register: &Register) -> Verdict {
        let attempt = Attempt {
            index: register.index,
            transport: link.transport(),
            address: link.place.address,
        };
        if let Err(rule) = rules::check(register, self.limit) {
            link.violated(&rule);
            return self.refuse(&attempt, rule, None);
        }
        if !self.knows(register) {
            return self.refuse(&attempt, UNAUTHORIZED.to_owned(), None);
        }
        match self.orders.take(&attempt) {
            None => self.accept(link, Duration::ZERO),
            Some(Answer::Late(delay)) => self.accept(link, delay),
            Some(Answer::Refused(cause)) => self.refuse(&attempt, cause, None),
            Some(Answer::Later { cause, after }) => self.refuse(&attempt, cause, Some(after)),
            Some(Answer::Duplicate) => self.refuse(&attempt, DUPLICATE.to_owned(), None),
            Some(Answer::Exception(reason)) => {
                self.note(&attempt, &reason);
                Verdict::Fails(reason)
            }
            Some(Answer::Silence) => {
                self.note(&attempt, "");
                Verdict::Nothing
            }
        }
    }

    fn knows(&self, register: &Register) -> bool {
        let known = self.credentials();
        register.auth.account == known.account_tag
            && register.tunnel == known.tunnel_id
            && register.auth.secret == known.secret
    }

    fn accept(&self, link: &Link, delay: Duration) -> Verdict {
        let details = Details {
            id: Uuid::new_v4(),
            location: location(link.place.site),
            remotely_managed: self.remotely_managed,
        };
        Verdict::Says(Registered::Accepted(details), delay)
    }

    fn refuse(&self, attempt: &Attempt, cause: String, after: Option<Duration>) -> Verdict {
        self.note(attempt, &cause);
        let refusal = Refusal {
            cause,
            retry: after.is_some(),
            after: after.unwrap_or_default(),
        };
        Verdict::Says(Registered::Refused(refusal), Duration::ZERO)
    }

    fn note(&self, attempt: &Attempt, cause: &str) {
        self.roster.refuse(Refused {
            index: attempt.index,
            transport: attempt.transport,
            address: attempt.address,
            cause: cause.to_owned(),
            at: Instant::now(),
        });
    }

    /// Lists a registration that has been accepted.
    pub(crate) fn enter(&self, link: &Link, register: Register, connection_id: Uuid) {
        let Register {
            auth,
            tunnel,
            index,
            options,
        } = register;
        self.roster.register(Registration {
            serial: link.serial,
            index,
            account_tag: auth.account,
            tunnel_id: tunnel,
            client_id: options.client.id,
            features: options.client.features,
            version: options.client.version,
            arch: options.client.platform,
            origin_local_ip: options.local_address,
            previous_attempts: options.previous_attempts,
            transport: link.transport(),
            site: link.place.site,
            address: link.place.address,
            peer: link.place.peer,
            connection_id,
            at: Instant::now(),
        });
    }

    /// Lists the configuration that a connector runs with.
    pub(crate) fn configured(&self, link: &Link, configuration: Bytes) {
        if let Err(error) = serde_json::from_slice::<serde_json::Value>(&configuration) {
            link.violated(&format!("the local configuration is no JSON: {error}"));
        }
        self.roster.configure(link.serial, configuration);
    }
}

/// What a connector with wrong credentials is told.
const UNAUTHORIZED: &str = "Unauthorized: Invalid tunnel secret";
/// What a connector is told that is connected to this server already.
const DUPLICATE: &str = "EDUPCONN";

/// Names a data centre.
fn location(site: usize) -> String {
    format!("loop{:02}", site + 1)
}
