//! What a rule leads to, ready to be used.

pub(crate) mod date;
pub(crate) mod hello;
pub(crate) mod http;
pub(crate) mod status;
pub(crate) mod unix;
