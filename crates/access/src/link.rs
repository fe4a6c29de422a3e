//! Sans-IO. The link that a browser is sent to.

use crate::address::Address;

/// The path where the edge takes a request to sign in.
const SIGN_IN: &str = "/cdn-cgi/access/cli";

/// Returns the link under which a user signs in to an application.
pub(crate) fn sign_in(application: &Address, public_key: &str, audience: &str, auto_close: bool) -> String {
    let keyed = keyed(application, "token", public_key, audience);
    let back = keyed.to_string();
    let link = keyed.with_query(|query| {
        query.set("redirect_url", &back);
        query.set("send_org_token", "true");
        query.set("edge_token_transfer", "true");
        if auto_close {
            query.set("close_interstitial", "true");
        }
    });
    link.with_path(SIGN_IN).to_string()
}

fn keyed(base: &Address, key: &str, value: &str, audience: &str) -> Address {
    base.with_query(|query| {
        query.set(key, value);
        query.set("aud", audience);
    })
}
