//! Sans-IO. Which names a route may have.

use adit_dialect::idna;

/// Returns whether a text may be the DNS name of a route.
#[must_use]
pub fn is_hostname(text: &str) -> bool {
    idna::registered(text).is_some_and(|name| {
        let begins = |first: char| first == '*' || first == '_' || first.is_ascii_alphanumeric();
        name.starts_with(begins) && name.chars().skip(1).all(is_inner)
    })
}

/// Returns whether a text may be the name of a pool of a load balancer.
#[must_use]
pub fn is_pool(text: &str) -> bool {
    let begins = |first: char| first == '_' || first.is_ascii_alphanumeric();
    text.starts_with(begins) && text.chars().skip(1).all(is_inner)
}

const fn is_inner(letter: char) -> bool {
    matches!(letter, '-' | '_' | '.') || letter.is_ascii_alphanumeric()
}
