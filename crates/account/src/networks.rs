//! Sans-IO. Virtual networks, which keep private networks with the same addresses apart.

use adit_dialect::JsonError;
use adit_dialect::json::{Decoder, Value, Writer};
use adit_dialect::query::Query;

use http::Method;

use crate::account::Account;
use crate::answer::Call;
use crate::moment::Moment;
use crate::routes::deleted;
use crate::tree::{Part, Tree};
use crate::{Id, read};

/// A virtual network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VirtualNetwork {
    /// What it is known by.
    pub id: Id,
    /// What its maker says about it.
    pub comment: String,
    /// What people call it.
    pub name: String,
    /// Whether it is the one that routes without a network belong to.
    pub is_default: bool,
    /// When it was made.
    pub created_at: Moment,
    /// When it was deleted, if it was.
    pub deleted_at: Moment,
}

/// Which virtual networks are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of this identity.
    pub id: Option<Id>,
    /// Of this name.
    pub name: Option<String>,
    /// Whether it is the default one.
    pub is_default: Option<bool>,
    /// Whether deleted ones are wanted, not the others.
    pub deleted: bool,
    /// How many come at once.
    pub per_page: Option<u64>,
}

/// What is to change; what is not named stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// The name.
    pub name: Option<String>,
    /// The comment.
    pub comment: Option<String>,
    /// Whether it is the default one.
    pub is_default: Option<bool>,
}

impl Account {
    /// Makes a virtual network.
    #[must_use]
    pub fn add_network(&self, name: &str, comment: &str, is_default: bool) -> Call<VirtualNetwork> {
        let mut body = Writer::new();
        body.begin_object();
        body.key("name").string(name);
        body.key("comment").string(comment);
        body.key("is_default_network").boolean(is_default);
        body.end_object();
        let url = self.of_account("teamnet/virtual_networks");
        Call {
            request: self.send(Method::POST, &url, body.finish()),
            operation: "add virtual network",
            read: Some(network),
        }
    }

    /// Asks for the virtual networks that match.
    #[must_use]
    pub fn networks(&self, filter: &Filter) -> Call<Option<Vec<VirtualNetwork>>> {
        let query = Query::default()
            .maybe("id", filter.id.map(|id| id.to_string()))
            .maybe("name", filter.name.clone())
            .maybe("is_default", filter.is_default.map(|is| is.to_string()))
            .with("is_deleted", filter.deleted.to_string())
            .maybe("per_page", filter.per_page.map(|count| count.to_string()));
        let url = self.of_account("teamnet/virtual_networks");
        Call {
            request: self.request(Method::GET, &url, &query),
            operation: "list virtual networks",
            read: Some(networks),
        }
    }

    /// Deletes a virtual network, even one with routes if that is wanted.
    #[must_use]
    pub fn delete_network(&self, id: Id, force: bool) -> Call<VirtualNetwork> {
        let query = Query::default().maybe("force", force.then_some("true"));
        let url = self.of_account(&format!("teamnet/virtual_networks/{id}"));
        Call {
            request: self.request(Method::DELETE, &url, &query),
            operation: "delete virtual network",
            read: Some(network),
        }
    }

    /// Changes a virtual network.
    #[must_use]
    pub fn change_network(&self, id: Id, change: &Change) -> Call<VirtualNetwork> {
        let mut body = Writer::new();
        body.begin_object();
        if let Some(name) = &change.name {
            body.key("name").string(name);
        }
        if let Some(comment) = &change.comment {
            body.key("comment").string(comment);
        }
        if let Some(is_default) = change.is_default {
            body.key("is_default_network").boolean(is_default);
        }
        body.end_object();
        let url = self.of_account(&format!("teamnet/virtual_networks/{id}"));
        Call {
            request: self.send(Method::PATCH, &url, body.finish()),
            operation: "update virtual network",
            read: Some(network),
        }
    }
}

impl VirtualNetwork {
    /// The columns of a table of virtual networks.
    pub const COLUMNS: [&'static str; 6] = ["ID", "NAME", "IS DEFAULT", "COMMENT", "CREATED", "DELETED"];

    /// Returns the cells of its row.
    #[must_use]
    pub fn cells(&self) -> [String; 6] {
        [
            self.id.to_string(),
            self.name.clone(),
            self.is_default.to_string(),
            self.comment.clone(),
            self.created_at.short(),
            deleted(&self.deleted_at),
        ]
    }

    /// Returns what programs are shown.
    #[must_use]
    pub fn tree(&self) -> Tree {
        Tree::Object(vec![
            Part::new("id", "id", Tree::text(self.id.to_string())),
            Part::new("comment", "comment", Tree::text(&self.comment)),
            Part::new("name", "name", Tree::text(&self.name)),
            Part::new("is_default_network", "isdefault", Tree::Switch(self.is_default)),
            Part::new(
                "created_at",
                "createdat",
                Tree::Plain(self.created_at.to_string()),
            ),
            Part::new(
                "deleted_at",
                "deletedat",
                Tree::Plain(self.deleted_at.to_string()),
            ),
        ])
    }
}

fn networks(decoder: &mut Decoder, value: Value<'_>) -> Result<Option<Vec<VirtualNetwork>>, JsonError> {
    if value.is_null() {
        return Ok(None);
    }
    let mut networks = Vec::new();
    decoder.list(
        value,
        "[]*cfapi.VirtualNetwork",
        &mut networks,
        |decoder, value, target| {
            *target = network(decoder, value)?;
            Ok(())
        },
    )?;
    Ok(Some(networks))
}

fn network(decoder: &mut Decoder, value: Value<'_>) -> Result<VirtualNetwork, JsonError> {
    let mut network = VirtualNetwork::default();
    let fields = [
        "id",
        "comment",
        "name",
        "is_default_network",
        "created_at",
        "deleted_at",
    ];
    decoder.object(value, "cfapi.VirtualNetwork", &fields, |decoder, name, value| {
        match name {
            "id" => read::id(decoder, value, &mut network.id)?,
            "comment" => decoder.string(value, &mut network.comment),
            "name" => decoder.string(value, &mut network.name),
            "is_default_network" => decoder.boolean(value, &mut network.is_default),
            "created_at" => Moment::read(decoder, value, &mut network.created_at)?,
            _ => Moment::read(decoder, value, &mut network.deleted_at)?,
        }
        Ok(())
    })?;
    Ok(network)
}
