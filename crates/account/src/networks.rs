//! Sans-IO. Virtual networks, which keep private networks with the same addresses apart.

use adit_dialect::query::Query;
use http::Method;

use crate::Id;
use crate::account::Account;
use crate::answer::Call;
use crate::moment::Moment;
use crate::read::object;
use crate::routes::deleted;
use crate::tree::{Part, Tree};

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
        let url = self.of_account("teamnet/virtual_networks");
        let request = self.send(Method::POST, &url, |body| {
            body.key("name").string(name);
            body.key("comment").string(comment);
            body.key("is_default_network").boolean(is_default);
        });
        Call::new(request, "add virtual network")
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
        Call::new(
            self.request(Method::GET, &query.behind(&url)),
            "list virtual networks",
        )
    }

    /// Deletes a virtual network, even one with routes if that is wanted.
    #[must_use]
    pub fn delete_network(&self, id: Id, force: bool) -> Call<VirtualNetwork> {
        let query = Query::default().maybe("force", force.then_some("true"));
        let url = self.of_account(&format!("teamnet/virtual_networks/{id}"));
        Call::new(
            self.request(Method::DELETE, &query.behind(&url)),
            "delete virtual network",
        )
    }

    /// Changes a virtual network.
    #[must_use]
    pub fn change_network(&self, id: Id, change: &Change) -> Call<VirtualNetwork> {
        let url = self.of_account(&format!("teamnet/virtual_networks/{id}"));
        let request = self.send(Method::PATCH, &url, |body| {
            if let Some(name) = &change.name {
                body.key("name").string(name);
            }
            if let Some(comment) = &change.comment {
                body.key("comment").string(comment);
            }
            if let Some(is_default) = change.is_default {
                body.key("is_default_network").boolean(is_default);
            }
        });
        Call::new(request, "update virtual network")
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
            Part::new("id", "id", self.id),
            Part::new("comment", "comment", self.comment.as_str()),
            Part::new("name", "name", self.name.as_str()),
            Part::new("is_default_network", "isdefault", self.is_default),
            Part::new("created_at", "createdat", &self.created_at),
            Part::new("deleted_at", "deletedat", &self.deleted_at),
        ])
    }
}

object!(VirtualNetwork, "cfapi.VirtualNetwork", "[]*", {
    "id" => id,
    "comment" => comment,
    "name" => name,
    "is_default_network" => is_default,
    "created_at" => created_at,
    "deleted_at" => deleted_at,
});
