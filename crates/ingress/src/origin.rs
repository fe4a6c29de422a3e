//! What a rule leads to, ready to be used.

pub(crate) mod bastion;
pub(crate) mod date;
pub(crate) mod hello;
pub(crate) mod http;
pub(crate) mod multiplexed;
pub(crate) mod socks;
pub(crate) mod status;
pub(crate) mod tcp;
pub(crate) mod unix;
