//! `tunnel list`: shows the tunnels of the account.

use adit_account::tunnels::{Filter, Tunnel, summary};
use adit_account::{Id, Moment, Table, Tree};

use super::session;
use crate::commands::Call;
use crate::failure::Failure;
use crate::program::print;

/// Shows the tunnels that the user wants to see.
pub(crate) fn perform(call: &Call<'_>) -> Result<(), Failure> {
    let options = &call.options;
    let id = match options.some_text("id") {
        Some(text) => Some(identify(&text)?),
        None => None,
    };
    let filter = Filter {
        only_existing: !options.switch("show-deleted"),
        name: options.some_text("name"),
        prefix: options.some_text("name-prefix"),
        without_prefix: options.some_text("exclude-name-prefix"),
        id,
        existed_at: Moment::parse(&options.text("when")),
        per_page: super::per_page(call),
    };
    let session = session::open(call)?;
    let mut tunnels = session
        .collect(session.account.tunnels(&filter))
        .map_err(super::plain)?;
    sort(call, &mut tunnels);
    let trees = || (!tunnels.is_empty()).then(|| tunnels.iter().map(Tunnel::tree).collect());
    if super::print_tree(call, || Tree::List(trees()))? {
        return Ok(());
    }
    print(&told(call, &tunnels));
    Ok(())
}

fn identify(text: &str) -> Result<Id, Failure> {
    Id::parse(text).map_err(|error| Failure::new(format!("{text} is not a valid tunnel ID: {error}")))
}

fn sort(call: &Call<'_>, tunnels: &mut [Tunnel]) {
    let key = call.options.text("sort-by");
    match key.as_str() {
        "id" => tunnels.sort_by_key(|tunnel| tunnel.id),
        "createdAt" => tunnels.sort_by_key(|tunnel| tunnel.created_at.order()),
        "deletedAt" => tunnels.sort_by_key(|tunnel| tunnel.deleted_at.order()),
        "numConnections" => tunnels.sort_by_key(|tunnel| tunnel.connections.as_ref().map_or(0, Vec::len)),
        _ => {
            if key != "name" && tunnels.len() > 1 {
                tracing::error!(
                    "{key} is not a valid sort field. Valid sort fields are name, id, createdAt, deletedAt, \
                     numConnections. Defaulting to 'name'."
                );
            }
            tunnels.sort_by(|one, other| one.name.cmp(&other.name));
        }
    }
    if call.options.switch("invert-sort") {
        tunnels.reverse();
    }
}

fn told(call: &Call<'_>, tunnels: &[Tunnel]) -> String {
    let name = &call.program.name;
    if tunnels.is_empty() {
        return format!(
            "No tunnels were found for the given filter flags. You can use '{name} tunnel create' to create a tunnel.\n"
        );
    }
    let mut table = Table::new(&["ID", "NAME", "CREATED", "CONNECTIONS"]);
    let with_pending = call.options.switch("show-recently-disconnected");
    for tunnel in tunnels {
        table.row([
            tunnel.id.to_string(),
            tunnel.name.clone(),
            tunnel.created_at.short(),
            summary(tunnel.connections.as_deref(), with_pending),
        ]);
    }
    let hint = format!(
        "You can obtain more detailed information for each tunnel with `{name} tunnel info <name/uuid>`\n"
    );
    hint + &table.write()
}
