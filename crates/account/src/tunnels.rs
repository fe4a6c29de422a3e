//! Sans-IO. Tunnels, their connections and the connectors that serve them.

use std::collections::BTreeMap;
use std::net::IpAddr;

use adit_config::{Credentials, Secret};
use adit_dialect::base64;
use adit_dialect::query::Query;
use http::Method;

use crate::Id;
use crate::account::Account;
use crate::answer::{Call, Pages};
use crate::error::Error;
use crate::moment::Moment;
use crate::read::{self, object};
use crate::request::Response;
use crate::tree::{Part, Tree};

/// A tunnel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tunnel {
    /// What it is known by.
    pub id: Id,
    /// What people call it.
    pub name: String,
    /// When it was made.
    pub created_at: Moment,
    /// When it was deleted, if it was.
    pub deleted_at: Moment,
    /// Its connections.
    pub connections: Option<Vec<Connection>>,
    /// What runs it; only a new tunnel tells.
    pub token: Secret<String>,
}

/// A connection of a tunnel to the edge.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Connection {
    /// The data centre.
    pub colo: String,
    /// What it is known by.
    pub id: Id,
    /// Whether the edge has lost it and waits for it.
    pub is_pending_reconnect: bool,
    /// Where it comes from.
    pub origin_ip: Option<IpAddr>,
    /// When it was made.
    pub opened_at: Moment,
}

/// A connector that serves a tunnel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Connector {
    /// What it is known by.
    pub id: Id,
    /// What it can do.
    pub features: Option<Vec<String>>,
    /// Its version.
    pub version: String,
    /// What it runs on.
    pub arch: String,
    /// Since when it runs.
    pub run_at: Moment,
    /// Its connections.
    pub connections: Option<Vec<Connection>>,
}

/// Which tunnels are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Whether deleted ones are left out.
    pub only_existing: bool,
    /// Of this name.
    pub name: Option<String>,
    /// Whose name begins like this.
    pub prefix: Option<String>,
    /// Whose name does not begin like this.
    pub without_prefix: Option<String>,
    /// Of this identity.
    pub id: Option<Id>,
    /// That were there at this time.
    pub existed_at: Option<Moment>,
    /// How many come at once.
    pub per_page: Option<u64>,
}

impl Account {
    /// Asks for a new tunnel.
    ///
    /// # Errors
    ///
    /// Fails for a name that no tunnel can have.
    pub fn create_tunnel(&self, name: &str, secret: &Secret<Vec<u8>>) -> Result<Call<Tunnel>, Error> {
        if name.is_empty() {
            return Err(Error::NoName);
        }
        if Id::parse(name).is_ok() {
            return Err(Error::NameIsId);
        }
        let encoded = Secret::new(base64::encode(secret.expose()));
        let url = self.of_account("cfd_tunnel");
        let request = self.send(Method::POST, &url, |body| {
            body.key("name").string(name);
            body.key("tunnel_secret").string(encoded.expose());
        });
        Ok(Call::new(request, "create tunnel"))
    }

    /// Asks for a tunnel.
    #[must_use]
    pub fn tunnel(&self, id: Id) -> Call<Tunnel> {
        let url = self.of_account(&format!("cfd_tunnel/{id}"));
        Call::new(self.request(Method::GET, &url), "get tunnel")
    }

    /// Asks for the token of a tunnel.
    #[must_use]
    pub fn tunnel_token(&self, id: Id) -> Call<Secret<String>> {
        let url = self.of_account(&format!("cfd_tunnel/{id}/token"));
        Call::new(self.request(Method::GET, &url), "get tunnel token")
    }

    /// Asks for a token with which a connector answers questions: `logs`, `admin` or `host_details`.
    #[must_use]
    pub fn management_token(&self, id: Id, resource: &str) -> Call<Secret<String>> {
        let url = self.of_account(&format!("cfd_tunnel/{id}/management/{resource}"));
        Call::new(self.request(Method::POST, &url), "get tunnel token")
    }

    /// Asks for the tunnels that match.
    #[must_use]
    pub fn tunnels(&self, filter: &Filter) -> Pages<Tunnel> {
        let query = Query::default()
            .maybe("is_deleted", filter.only_existing.then_some("false"))
            .maybe("name", filter.name.clone())
            .maybe("name_prefix", filter.prefix.clone())
            .maybe("exclude_prefix", filter.without_prefix.clone())
            .maybe("uuid", filter.id.map(|id| id.to_string()))
            .maybe("existed_at", filter.existed_at.map(|moment| moment.short()))
            .maybe("per_page", filter.per_page.map(|count| count.to_string()));
        let url = self.of_account("cfd_tunnel");
        let request = self.request(Method::GET, &url);
        Pages::new(request, url, query, "list tunnels")
    }

    /// Deletes a tunnel, even one with connections if that is wanted.
    #[must_use]
    pub fn delete_tunnel(&self, id: Id, cascade: bool) -> Call<()> {
        let query = Query::default().maybe("cascade", cascade.then_some("true"));
        let url = self.of_account(&format!("cfd_tunnel/{id}"));
        Call::blind(self.request(Method::DELETE, &query.behind(&url)), "delete tunnel")
    }

    /// Asks for the connectors of a tunnel.
    #[must_use]
    pub fn connectors(&self, id: Id) -> Call<Option<Vec<Connector>>> {
        let url = self.of_account(&format!("cfd_tunnel/{id}/connections"));
        Call::new(self.request(Method::GET, &url), "list connection details")
    }

    /// Removes the connections of a tunnel, or those of one connector.
    #[must_use]
    pub fn clean_up(&self, id: Id, connector: Option<Id>) -> Call<()> {
        let query = Query::default().maybe("client_id", connector.map(|id| id.to_string()));
        let url = self.of_account(&format!("cfd_tunnel/{id}/connections"));
        Call::blind(
            self.request(Method::DELETE, &query.behind(&url)),
            "cleanup connections",
        )
    }
}

/// Returns what the response to [`Account::create_tunnel`] gives.
///
/// # Errors
///
/// Fails when there is no tunnel.
pub fn created(call: &Call<Tunnel>, response: &Response) -> Result<Tunnel, Error> {
    if response.status == 409 {
        return Err(Error::NameTaken);
    }
    call.answer(response)
}

impl Tunnel {
    /// Returns the credentials of a new tunnel.
    #[must_use]
    pub fn credentials(&self, account: &Account, secret: Secret<Vec<u8>>, endpoint: &str) -> Credentials {
        let mut credentials = Credentials::new(account.tag().to_owned(), secret.expose().clone(), self.id);
        endpoint.clone_into(&mut credentials.endpoint);
        credentials
    }

    /// Returns what programs are shown.
    #[must_use]
    pub fn tree(&self) -> Tree {
        Tree::Object(self.parts())
    }

    /// Returns what programs are shown of a new tunnel; the two formats differ.
    #[must_use]
    pub fn created_tree(&self) -> Tree {
        let mut parts: Vec<Part> = self.parts();
        for part in &mut parts {
            part.yaml = None;
        }
        parts.push(Part::yaml("tunnel", self.tree()));
        parts.push(Part::new("token", "token", self.token.expose().as_str()));
        Tree::Object(parts)
    }

    fn parts(&self) -> Vec<Part> {
        vec![
            Part::new("id", "id", self.id),
            Part::new("name", "name", self.name.as_str()),
            Part::new("created_at", "createdat", &self.created_at),
            Part::new("deleted_at", "deletedat", &self.deleted_at),
            Part::new("connections", "connections", connection_trees(&self.connections)),
        ]
    }
}

impl Connector {
    /// Returns what programs are shown.
    #[must_use]
    pub fn tree(&self) -> Tree {
        let features = self.features.as_ref();
        let features =
            features.map(|features| features.iter().map(|feature| feature.as_str().into()).collect());
        Tree::Object(vec![
            Part::new("id", "id", self.id),
            Part::new("features", "features", Tree::List(features)),
            Part::new("version", "version", self.version.as_str()),
            Part::new("arch", "arch", self.arch.as_str()),
            Part::new("run_at", "runat", &self.run_at),
            Part::new("conns", "connections", connection_trees(&self.connections)),
        ])
    }
}

impl Connection {
    fn tree(&self) -> Tree {
        let address = self.origin_ip.map(|address| address.to_string());
        Tree::Object(vec![
            Part::new("colo_name", "coloname", self.colo.as_str()),
            Part::new("id", "id", self.id),
            Part::new(
                "is_pending_reconnect",
                "ispendingreconnect",
                self.is_pending_reconnect,
            ),
            Part::new("origin_ip", "originip", address.unwrap_or_default()),
            Part::new("opened_at", "openedat", &self.opened_at),
        ])
    }
}

fn connection_trees(connections: &Option<Vec<Connection>>) -> Tree {
    let connections = connections.as_ref();
    Tree::List(connections.map(|connections| connections.iter().map(Connection::tree).collect()))
}

/// Returns how many connections there are to each data centre, such as `2xAMS01, 1xLHR02`.
#[must_use]
pub fn summary(connections: Option<&[Connection]>, with_pending: bool) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let wanted = |connection: &&Connection| with_pending || !connection.is_pending_reconnect;
    for connection in connections.unwrap_or_default().iter().filter(wanted) {
        *counts.entry(&connection.colo).or_default() += 1;
    }
    let counts = counts.iter().map(|(colo, count)| format!("{count}x{colo}"));
    counts.collect::<Vec<_>>().join(", ")
}

object!(Tunnel, "cfapi.Tunnel", "[]*", {
    "id" => id,
    "name" => name,
    "created_at" => created_at,
    "deleted_at" => deleted_at,
    "connections" => connections,
    "token" => token,
});

object!(Connector, "cfapi.ActiveClient", "[]*", {
    "id" => id,
    "features" => features,
    "version" => version,
    "arch" => arch,
    "run_at" => run_at,
    "conns" => connections,
});

object!(Connection, "cfapi.Connection", "[]", {
    "colo_name" => colo,
    "id" => id,
    "is_pending_reconnect" => is_pending_reconnect,
    "origin_ip" => origin_ip by read::address,
    "opened_at" => opened_at,
});
