//! `tunnel route dns` and `tunnel route lb`: lead visitors to a tunnel.

use adit_account::{Id, names};

use super::lookup;
use super::session::{self, Session};
use crate::commands::Call;
use crate::failure::Failure;

/// Points the DNS name that the user gives at a tunnel.
pub(crate) fn perform(call: &Call<'_>) -> Result<(), Failure> {
    let name = &call.program.name;
    let [reference, hostname] = call.options.arguments.as_slice() else {
        let text = format!(
            "This command expects the format \"{name} tunnel route dns <tunnel name/id> <hostname>\""
        );
        return Err(Failure::arguments(text, name, "route dns"));
    };
    let session = session::open(call)?;
    let tunnel = lookup::tunnel_in(call, &session, reference).map_err(Failure::new)?;
    if hostname.is_empty() {
        let text = "The third argument should be the hostname";
        return Err(Failure::arguments(text, name, "route dns"));
    }
    if !names::is_hostname(hostname) {
        return Err(Failure::new(format!("{hostname} is not a valid hostname")));
    }
    route(call, &session, tunnel, hostname)
}

/// Points a DNS name at a tunnel and tells what happened.
pub(super) fn route(call: &Call<'_>, session: &Session, tunnel: Id, hostname: &str) -> Result<(), Failure> {
    let overwrite = call.options.switch("overwrite-dns");
    let wanted = session.account.route_dns(tunnel, hostname, overwrite);
    let change = session.call(wanted).map_err(super::plain)?;
    tracing::info!(tunnelID = %tunnel, "{}", change.tell(hostname));
    Ok(())
}

/// Adds a tunnel to the pool of a load balancer.
pub(crate) fn balance(call: &Call<'_>) -> Result<(), Failure> {
    let name = &call.program.name;
    let [reference, balancer, pool] = call.options.arguments.as_slice() else {
        let text = format!(
            "This command expects the format \"{name} tunnel route lb <tunnel name/id> <hostname> <load balancer \
             pool>\""
        );
        return Err(Failure::arguments(text, name, "route lb"));
    };
    let session = session::open(call)?;
    let tunnel = lookup::tunnel_in(call, &session, reference).map_err(Failure::new)?;
    if balancer.is_empty() {
        let text = "The third argument should be the load balancer name";
        return Err(Failure::arguments(text, name, "route lb"));
    }
    if !names::is_hostname(balancer) {
        return Err(Failure::new(format!(
            "{balancer} is not a valid load balancer name"
        )));
    }
    if pool.is_empty() {
        let text = "The fourth argument should be the pool name";
        return Err(Failure::arguments(text, name, "route lb"));
    }
    if !names::is_pool(pool) {
        return Err(Failure::new(format!("{pool} is not a valid pool name")));
    }
    add_to_pool(&session, tunnel, balancer, pool)
}

/// Adds a tunnel to a pool and tells what happened.
pub(super) fn add_to_pool(session: &Session, tunnel: Id, balancer: &str, pool: &str) -> Result<(), Failure> {
    let wanted = session.account.route_balancer(tunnel, balancer, pool);
    let change = session.call(wanted).map_err(super::plain)?;
    tracing::info!(tunnelID = %tunnel, "{}", change.tell(balancer, pool));
    Ok(())
}
