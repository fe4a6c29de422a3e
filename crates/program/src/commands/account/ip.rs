//! `tunnel route ip`: lead private networks through tunnels.

use adit_account::read::{cidr, plain_address};
use adit_account::routes::{Filter, NewRoute, Route};
use adit_account::{Id, Table, Tree};
use adit_config::Network;

use super::session::{self, Session};
use super::{behind, lookup};
use crate::commands::Call;
use crate::failure::Failure;
use crate::program::print;

/// Routes a private network through a tunnel.
pub(crate) fn add(call: &Call<'_>) -> Result<(), Failure> {
    let [network, reference, comment @ ..] = call.options.arguments.as_slice() else {
        return Err(Failure::new(
            "You must supply at least 2 arguments, first the network you wish to route (in CIDR form e.g. 1.2.3.4/32) \
             and then the tunnel ID to proxy with",
        ));
    };
    let network = cidr(network).map_err(|error| Failure::new(format!("Invalid network CIDR: {error}")))?;
    let invalid = |reason: String| Failure::new(format!("Invalid tunnel: {reason}"));
    let session = Session::open(call).map_err(invalid)?;
    let tunnel =
        lookup::tunnel_in(call, &session, reference).map_err(|reason| invalid(reason.to_string()))?;
    let route = NewRoute {
        network,
        tunnel,
        virtual_network: virtual_network(call, &session)?,
        comment: comment.first().map_or("", String::as_str),
    };
    session
        .call(session.account.add_route(route))
        .map_err(behind("API error"))?;
    print(&format!(
        "Successfully added route for {network} over tunnel {tunnel}\n"
    ));
    Ok(())
}

/// Shows the routes that the user wants to see.
pub(crate) fn show(call: &Call<'_>) -> Result<(), Failure> {
    let filter = filter(call)
        .map_err(|reason| Failure::new(format!("invalid config for routing filters: {reason}")))?;
    let session = session::open_backend(call)?;
    let routes = session
        .collect(session.account.routes(&filter))
        .map_err(super::plain)?;
    let trees = || (!routes.is_empty()).then(|| routes.iter().map(Route::tree).collect());
    if super::print_tree(call, || Tree::List(trees()))? {
        return Ok(());
    }
    if routes.is_empty() {
        let name = &call.program.name;
        print(&format!(
            "No routes were found for the given filter flags. You can use '{name} tunnel route ip add' to add a \
             route.\n"
        ));
        return Ok(());
    }
    print(&table(&routes));
    Ok(())
}

fn filter(call: &Call<'_>) -> Result<Filter, String> {
    let options = &call.options;
    let network = |name| match options.some_text(name) {
        Some(text) => cidr(&text).map(Some),
        None => Ok(None),
    };
    let id = |name| match options.some_text(name) {
        Some(text) => Id::parse(&text)
            .map(Some)
            .map_err(|error| format!("Couldn't parse UUID from {name}: {error}")),
        None => Ok(None),
    };
    Ok(Filter {
        deleted: options.switch("filter-is-deleted"),
        subset_of: network("filter-network-is-subset-of")?,
        superset_of: network("filter-network-is-superset-of")?,
        comment: options.some_text("filter-comment-is"),
        tunnel: id("filter-tunnel-id")?,
        virtual_network: id("filter-vnet-id")?,
        per_page: super::per_page(call),
    })
}

/// Deletes a route.
pub(crate) fn delete(call: &Call<'_>) -> Result<(), Failure> {
    const WRONG: &str =
        "You must supply exactly one argument, the ID or CIDR of the route you want to delete";
    let [reference] = call.options.arguments.as_slice() else {
        return Err(Failure::new(WRONG));
    };
    let (session, id) = match (Id::parse(reference), cidr(reference)) {
        (Ok(id), _) => (session::open_behind(call, "API error")?, id),
        (Err(_), Ok(network)) => {
            let session = session::open_backend(call)?;
            let id = find(call, &session, network)?;
            (session, id)
        }
        (Err(_), Err(_)) => return Err(Failure::new(WRONG)),
    };
    session
        .call(session.account.delete_route(id))
        .map_err(behind("API error"))?;
    print(&format!("Successfully deleted route with ID {id}\n"));
    Ok(())
}

/// Returns the one route of a network.
fn find(call: &Call<'_>, session: &Session, network: Network) -> Result<Id, Failure> {
    let filter = Filter {
        subset_of: Some(network),
        superset_of: Some(network),
        virtual_network: virtual_network(call, session)?,
        per_page: super::per_page(call),
        ..Filter::default()
    };
    let found = session
        .collect(session.account.routes(&filter))
        .map_err(super::plain)?;
    match found.as_slice() {
        [only] => Ok(only.id),
        _ => Err(Failure::new("unable to find route for provided network and vnet")),
    }
}

/// Shows the route that an address takes.
pub(crate) fn get(call: &Call<'_>) -> Result<(), Failure> {
    let [text] = call.options.arguments.as_slice() else {
        return Err(Failure::new(
            "You must supply exactly one argument, an IP whose route will be queried (e.g. 1.2.3.4 or \
             2001:0db8:::7334)",
        ));
    };
    let Some(address) = plain_address(text) else {
        return Err(Failure::new(format!("Invalid IP {text}")));
    };
    let session = match call.options.some_text("vnet") {
        Some(_) => session::open_backend(call)?,
        None => session::open_behind(call, "API error")?,
    };
    let virtual_network = virtual_network(call, &session)?;
    let route = session.call(session.account.route_of(address, virtual_network));
    match route
        .map_err(behind("API error"))?
        .filter(|route| !route.tunnel.is_nil())
    {
        Some(route) => print(&table(&[route])),
        None => print(&format!("No route matches the IP {text}\n")),
    }
    Ok(())
}

/// Returns the virtual network that the user names.
fn virtual_network(call: &Call<'_>, session: &Session) -> Result<Option<Id>, Failure> {
    match call.options.some_text("vnet") {
        Some(reference) => lookup::network(session, &reference).map(Some),
        None => Ok(None),
    }
}

fn table(routes: &[Route]) -> String {
    let mut table = Table::new(&Route::COLUMNS);
    for route in routes {
        table.row(route.cells());
    }
    table.write()
}
