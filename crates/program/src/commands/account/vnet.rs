//! `tunnel vnet`: keep private networks with the same addresses apart.

use adit_account::networks::{Change, Filter, VirtualNetwork};
use adit_account::{Id, Table, Tree};

use super::session;
use super::{behind, given, lookup, switched};
use crate::commands::Call;
use crate::failure::Failure;
use crate::program::print;

/// Makes a virtual network.
pub(crate) fn add(call: &Call<'_>) -> Result<(), Failure> {
    let [name, comment @ ..] = call.options.arguments.as_slice() else {
        return Err(Failure::new(
            "You must supply at least 1 argument, the name of the virtual network you wish to add.",
        ));
    };
    let session = session::open_behind(call, "Could not add virtual network")?;
    let comment = comment.first().map_or("", String::as_str);
    let wanted = session
        .account
        .add_network(name, comment, call.options.switch("default"));
    let made = session
        .call(wanted)
        .map_err(behind("Could not add virtual network"))?;
    let default = if made.is_default {
        " (as the new default for this account) "
    } else {
        ""
    };
    let program = &call.program.name;
    print(&format!(
        "Successfully added virtual 'network' {} with ID: {}{default}\nYou can now add IP routes attached to this \
         virtual network. See `{program} tunnel route ip add -help`\n",
        made.name, made.id
    ));
    Ok(())
}

/// Shows the virtual networks that the user wants to see.
pub(crate) fn list(call: &Call<'_>) -> Result<(), Failure> {
    let filter = Filter {
        id: match call.options.some_text("id") {
            Some(text) => Some(identify(&text)?),
            None => None,
        },
        name: call.options.some_text("name"),
        is_default: switched(call, "is-default"),
        deleted: call.options.switch("show-deleted"),
        per_page: super::per_page(call),
    };
    let session = session::open_backend(call)?;
    let networks = session
        .call(session.account.networks(&filter))
        .map_err(super::plain)?;
    let trees = || {
        networks
            .as_ref()
            .map(|all| all.iter().map(VirtualNetwork::tree).collect())
    };
    if super::print_tree(call, || Tree::List(trees()))? {
        return Ok(());
    }
    let networks = networks.unwrap_or_default();
    if networks.is_empty() {
        let name = &call.program.name;
        print(&format!(
            "No virtual networks were found for the given filter flags. You can use '{name} tunnel vnet add' to add a \
             virtual network.\n"
        ));
        return Ok(());
    }
    let mut table = Table::new(&VirtualNetwork::COLUMNS);
    for network in &networks {
        table.row(network.cells());
    }
    print(&table.write());
    Ok(())
}

fn identify(text: &str) -> Result<Id, Failure> {
    Id::parse(text).map_err(|error| {
        Failure::new(format!(
            "invalid flags for filtering virtual networks: {text} is not a valid virtual network ID: {error}"
        ))
    })
}

/// Deletes a virtual network.
pub(crate) fn delete(call: &Call<'_>) -> Result<(), Failure> {
    let [reference, ..] = call.options.arguments.as_slice() else {
        return Err(Failure::new(
            "You must supply exactly one argument, either the ID or name of the virtual network to delete",
        ));
    };
    let session = session::open_backend(call)?;
    let id = lookup::network(&session, reference)?;
    let wanted = session.account.delete_network(id, call.options.switch("force"));
    session.call(wanted).map_err(behind("API error"))?;
    print(&format!("Successfully deleted virtual network '{reference}'\n"));
    Ok(())
}

/// Changes a virtual network.
pub(crate) fn update(call: &Call<'_>) -> Result<(), Failure> {
    let [reference] = call.options.arguments.as_slice() else {
        // The space is upstream's.
        return Err(Failure::new(
            " You must supply exactly one argument, either the ID or (current) name of the virtual network to update",
        ));
    };
    let session = session::open_backend(call)?;
    let id = lookup::network(&session, reference)?;
    let change = Change {
        name: given(call, "name"),
        comment: given(call, "comment"),
        is_default: switched(call, "default"),
    };
    session
        .call(session.account.change_network(id, &change))
        .map_err(behind("API error"))?;
    print(&format!("Successfully updated virtual network '{reference}'\n"));
    Ok(())
}
