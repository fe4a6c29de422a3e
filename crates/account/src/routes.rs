//! Sans-IO. What reaches a tunnel: DNS names, load balancers, private networks.

use std::net::IpAddr;

use adit_config::Network;
use adit_dialect::ip;
use adit_dialect::query::Query;
use http::Method;

use crate::Id;
use crate::account::Account;
use crate::answer::{Call, Pages};
use crate::moment::Moment;
use crate::read::{self, object};
use crate::tree::{Part, Tree};

/// What happened to a DNS name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DnsChange {
    /// What happened.
    pub change: String,
    /// The whole name.
    pub name: String,
}

/// What happened to a load balancer and to its pool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BalancerChange {
    /// What happened to the load balancer.
    pub balancer: String,
    /// What happened to the pool.
    pub pool: String,
}

/// A private network that a tunnel leads to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Route {
    /// What it is known by.
    pub id: Id,
    /// The range.
    pub network: Option<Network>,
    /// The tunnel.
    pub tunnel: Id,
    /// The virtual network, if not the default one.
    pub virtual_network: Option<Id>,
    /// What its maker says about it.
    pub comment: String,
    /// When it was made.
    pub created_at: Moment,
    /// When it was deleted, if it was.
    pub deleted_at: Moment,
    /// The name of the tunnel.
    pub tunnel_name: String,
}

/// A route that is wanted.
#[derive(Clone, Copy, Debug)]
pub struct NewRoute<'a> {
    /// The range.
    pub network: Network,
    /// The tunnel.
    pub tunnel: Id,
    /// The virtual network.
    pub virtual_network: Option<Id>,
    /// What its maker says about it.
    pub comment: &'a str,
}

/// Which routes are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Whether deleted ones are wanted, not the others.
    pub deleted: bool,
    /// Over this tunnel.
    pub tunnel: Option<Id>,
    /// Within this range.
    pub subset_of: Option<Network>,
    /// Around this range.
    pub superset_of: Option<Network>,
    /// With this comment.
    pub comment: Option<String>,
    /// In this virtual network.
    pub virtual_network: Option<Id>,
    /// How many come at once.
    pub per_page: Option<u64>,
}

impl Account {
    /// Points a DNS name at a tunnel.
    #[must_use]
    pub fn route_dns(&self, tunnel: Id, hostname: &str, overwrite: bool) -> Call<DnsChange> {
        let url = self.of_zone(&format!("tunnels/{tunnel}/routes"));
        let request = self.send(Method::PUT, &url, |body| {
            body.key("type").string("dns");
            body.key("user_hostname").string(hostname);
            body.key("overwrite_existing").boolean(overwrite);
        });
        Call::new(request, "add route")
    }

    /// Adds a tunnel to the pool of a load balancer.
    #[must_use]
    pub fn route_balancer(&self, tunnel: Id, balancer: &str, pool: &str) -> Call<BalancerChange> {
        let url = self.of_zone(&format!("tunnels/{tunnel}/routes"));
        let request = self.send(Method::PUT, &url, |body| {
            body.key("type").string("lb");
            body.key("lb_name").string(balancer);
            body.key("lb_pool").string(pool);
        });
        Call::new(request, "add route")
    }

    /// Asks for the routes that match.
    #[must_use]
    pub fn routes(&self, filter: &Filter) -> Pages<Route> {
        let text = |network: Option<Network>| network.map(|network| network.to_string());
        let query = Query::default()
            .with("tun_types", "cfd_tunnel")
            .with("is_deleted", filter.deleted.to_string())
            .maybe("tunnel_id", filter.tunnel.map(|id| id.to_string()))
            .maybe("network_subset", text(filter.subset_of))
            .maybe("network_superset", text(filter.superset_of))
            .maybe("comment", filter.comment.clone())
            .maybe(
                "virtual_network_id",
                filter.virtual_network.map(|id| id.to_string()),
            )
            .maybe("per_page", filter.per_page.map(|count| count.to_string()));
        let url = self.of_account("teamnet/routes");
        let request = self.request(Method::GET, &url);
        Pages::new(request, url, query, "list routes")
    }

    /// Routes a private network through a tunnel.
    #[must_use]
    pub fn add_route(&self, route: NewRoute<'_>) -> Call<Option<Route>> {
        let url = self.of_account("teamnet/routes");
        let request = self.send(Method::POST, &url, |body| {
            body.key("network").string(route.network.to_string());
            body.key("tunnel_id").string(route.tunnel.to_string());
            body.key("comment").string(route.comment);
            if let Some(id) = route.virtual_network {
                body.key("virtual_network_id").string(id.to_string());
            }
        });
        Call::new(request, "add route")
    }

    /// Deletes a route.
    #[must_use]
    pub fn delete_route(&self, id: Id) -> Call<Option<Route>> {
        let url = self.of_account(&format!("teamnet/routes/{id}"));
        Call::new(self.request(Method::DELETE, &url), "delete route")
    }

    /// Asks which route an address takes.
    #[must_use]
    pub fn route_of(&self, address: IpAddr, virtual_network: Option<Id>) -> Call<Option<Route>> {
        let query = Query::default().maybe("virtual_network_id", virtual_network.map(|id| id.to_string()));
        let url = self.of_account(&format!("teamnet/routes/ip/{address}"));
        Call::new(self.request(Method::GET, &query.behind(&url)), "get route by IP")
    }
}

impl DnsChange {
    /// Returns what happened, in a sentence.
    #[must_use]
    pub fn tell(&self, asked: &str) -> String {
        let name = if self.name.is_empty() { asked } else { &self.name };
        match self.change.as_str() {
            "new" => format!("Added CNAME {name} which will route to this tunnel"),
            "unchanged" => format!("{name} is already configured to route to your tunnel"),
            _ => format!("{name} updated to route to your tunnel"),
        }
    }
}

impl BalancerChange {
    /// Returns what happened, in a sentence.
    #[must_use]
    pub fn tell(&self, balancer: &str, pool: &str) -> String {
        match (self.balancer.as_str(), self.pool.as_str()) {
            ("new", "new") => {
                format!(
                    "Created load balancer {balancer} and added a new pool {pool} with this tunnel as an origin"
                )
            }
            ("new", "updated") => format!(
                "Created load balancer {balancer} with an existing pool {pool} which was updated to use this tunnel \
                 as an origin"
            ),
            ("new", "unchanged") => format!(
                "Created load balancer {balancer} with an existing pool {pool} which already has this tunnel as an \
                 origin"
            ),
            ("updated", "new") => {
                format!("Added new pool {pool} with this tunnel as an origin to load balancer {balancer}")
            }
            ("updated", "updated") => {
                format!(
                    "Updated pool {pool} to use this tunnel as an origin and added it to load balancer {balancer}"
                )
            }
            ("updated", "unchanged") => format!(
                "Added pool {pool}, which already has this tunnel as an origin, to load balancer {balancer}"
            ),
            ("unchanged", "updated") => format!(
                "Added this tunnel as an origin in pool {pool} which is already used by load balancer {balancer}"
            ),
            ("unchanged", "unchanged") => format!(
                "Load balancer {balancer} already uses pool {pool} which has this tunnel as an origin"
            ),
            _ => format!(
                "Something went wrong: failed to modify load balancer {balancer} with pool {pool}; please check \
                 traffic manager configuration in the dashboard"
            ),
        }
    }
}

impl Route {
    /// The columns of a table of routes.
    pub const COLUMNS: [&'static str; 8] = [
        "ID",
        "NETWORK",
        "VIRTUAL NET ID",
        "COMMENT",
        "TUNNEL ID",
        "TUNNEL NAME",
        "CREATED",
        "DELETED",
    ];

    /// Returns the cells of its row.
    #[must_use]
    pub fn cells(&self) -> [String; 8] {
        let default = || "default".to_owned();
        [
            self.id.to_string(),
            self.range(),
            self.virtual_network.map_or_else(default, |id| id.to_string()),
            self.comment.clone(),
            self.tunnel.to_string(),
            self.tunnel_name.clone(),
            self.created_at.short(),
            deleted(&self.deleted_at),
        ]
    }

    /// Returns what programs are shown.
    #[must_use]
    pub fn tree(&self) -> Tree {
        let mut parts = vec![
            Part::new("id", "id", self.id),
            Part::json("network", self.range()),
            Part::yaml("network", self.pieces()),
            Part::new("tunnel_id", "tunnelid", self.tunnel),
        ];
        parts.push(match self.virtual_network {
            Some(id) => Part::new("virtual_network_id", "vnetid", id),
            None => Part::yaml("vnetid", Tree::Nothing),
        });
        parts.extend([
            Part::new("comment", "comment", self.comment.as_str()),
            Part::new("created_at", "createdat", &self.created_at),
            Part::new("deleted_at", "deletedat", &self.deleted_at),
            Part::new("tunnel_name", "tunnelname", self.tunnel_name.as_str()),
        ]);
        Tree::Object(parts)
    }

    fn range(&self) -> String {
        self.network
            .map_or_else(|| "<nil>".into(), |network| network.to_string())
    }

    /// Returns the range as address and mask.
    fn pieces(&self) -> Tree {
        let read = self
            .network
            .and_then(|network| ip::parse_network(&network.to_string()));
        let Some((address, length)) = read else {
            let nothing = vec![Part::yaml("ip", ""), Part::yaml("mask", Tree::List(None))];
            return Tree::Object(nothing);
        };
        let bytes = if address.is_ipv4() { 4 } else { 16 };
        let byte = |index: u8| {
            let ones = length.saturating_sub(index * 8).min(8);
            Tree::Number(i64::from(!(0xff_u8.checked_shr(u32::from(ones)).unwrap_or(0))))
        };
        Tree::Object(vec![
            Part::yaml("ip", address.to_string()),
            Part::yaml("mask", Tree::List(Some((0..bytes).map(byte).collect()))),
        ])
    }
}

/// Returns the cell of a moment of deletion.
pub(crate) fn deleted(moment: &Moment) -> String {
    if moment.is_none() {
        "-".into()
    } else {
        moment.short()
    }
}

object!(DnsChange, "cfapi.DNSRouteResult", "[]", {
    "cname" => change,
    "name" => name,
});

object!(BalancerChange, "cfapi.LBRouteResult", "[]", {
    "load_balancer" => balancer,
    "pool" => pool,
});

object!(Route, "cfapi.DetailedRoute", "[]*", {
    "id" => id,
    "network" => network by read::network,
    "tunnel_id" => tunnel,
    "virtual_network_id" => virtual_network,
    "comment" => comment,
    "created_at" => created_at,
    "deleted_at" => deleted_at,
    "tunnel_name" => tunnel_name,
});
