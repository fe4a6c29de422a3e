//! `tunnel info`: shows the connectors of a tunnel.

use adit_account::tree::Part;
use adit_account::tunnels::{Connector, Filter, Tunnel, summary};
use adit_account::{Id, Table, Tree};

use super::lookup;
use super::session::{self, Session};
use crate::commands::Call;
use crate::failure::Failure;
use crate::program::print;

/// Shows the connectors of the tunnel that the user names.
pub(crate) fn perform(call: &Call<'_>) -> Result<(), Failure> {
    let name = &call.program.name;
    let [reference] = call.options.arguments.as_slice() else {
        let text = format!(
            "\"{name} tunnel info\" accepts exactly one argument, the ID or name of the tunnel to get info about."
        );
        return Err(Failure::arguments(text, name, "tunnel info"));
    };
    let session = session::open_for(call, reference)?;
    let id = lookup::tunnel_in(call, &session, reference)
        .map_err(|reason| Failure::new(format!("error parsing tunnel ID: {reason}")))?;
    let mut connectors = session
        .call(session.account.connectors(id))
        .map_err(super::plain)?;
    if let Some(connectors) = &mut connectors {
        sort(call, connectors);
    }
    let tunnel = only(&session, id)?;
    if super::print_tree(call, || tree(&tunnel, connectors.as_deref()))? {
        return Ok(());
    }
    print(&told(call, &tunnel, &connectors.unwrap_or_default()));
    Ok(())
}

/// Returns the one tunnel of an ID, deleted or not.
fn only(session: &Session, id: Id) -> Result<Tunnel, Failure> {
    let filter = Filter {
        id: Some(id),
        ..Filter::default()
    };
    let mut found = session
        .collect(session.account.tunnels(&filter))
        .map_err(super::plain)?;
    match (found.pop(), found.len()) {
        (Some(tunnel), 0) => Ok(tunnel),
        (last, others) => {
            let count = others + usize::from(last.is_some());
            let text = format!("Expected to find a single tunnel with uuid {id} but found {count} tunnels.");
            Err(Failure::new(text))
        }
    }
}

fn sort(call: &Call<'_>, connectors: &mut [Connector]) {
    let key = call.options.text("sort-by");
    match key.as_str() {
        "id" => connectors.sort_by_key(|connector| connector.id),
        "numConnections" => {
            connectors.sort_by_key(|connector| connector.connections.as_ref().map_or(0, Vec::len));
        }
        "version" => connectors.sort_by(|one, other| one.version.cmp(&other.version)),
        _ => {
            if !matches!(key.as_str(), "createdAt" | "startedAt") && connectors.len() > 1 {
                tracing::error!(
                    "{key} is not a valid sort field. Valid sort fields are id, startedAt, numConnections, version. \
                     Defaulting to 'name'."
                );
            }
            connectors.sort_by_key(|connector| connector.run_at.order());
        }
    }
    if call.options.switch("invert-sort") {
        connectors.reverse();
    }
}

fn tree(tunnel: &Tunnel, connectors: Option<&[Connector]>) -> Tree {
    let connectors = connectors.map(|connectors| connectors.iter().map(Connector::tree).collect());
    Tree::Object(vec![
        Part::new("id", "id", tunnel.id),
        Part::new("name", "name", tunnel.name.as_str()),
        Part::new("createdAt", "createdat", &tunnel.created_at),
        Part::new("conns", "connectors", Tree::List(connectors)),
    ])
}

fn told(call: &Call<'_>, tunnel: &Tunnel, connectors: &[Connector]) -> String {
    let id = tunnel.id;
    if connectors.is_empty() {
        return format!("Your tunnel {id} does not have any active connection.\n");
    }
    let head = format!(
        "NAME:     {}\nID:       {id}\nCREATED:  {}\n\n",
        tunnel.name,
        tunnel.created_at.long()
    );
    let with_pending = call.options.switch("show-recently-disconnected");
    let columns = [
        "CONNECTOR ID",
        "CREATED",
        "ARCHITECTURE",
        "VERSION",
        "ORIGIN IP",
        "EDGE",
    ];
    let mut table = Table::new(&columns);
    let mut shown = 0;
    for connector in connectors {
        let edges = summary(connector.connections.as_deref(), with_pending);
        if edges.is_empty() {
            continue;
        }
        shown += 1;
        let first = connector.connections.iter().flatten().next();
        let origin = first.and_then(|connection| connection.origin_ip);
        table.row([
            connector.id.to_string(),
            connector.run_at.short(),
            connector.arch.clone(),
            connector.version.clone(),
            origin.map(|address| address.to_string()).unwrap_or_default(),
            edges,
        ]);
    }
    if shown == 0 {
        return head + "This tunnel has no active connectors.\n";
    }
    head + &table.write()
}
