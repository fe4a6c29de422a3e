//! Recorded cases of upstream's behaviour, replayed against this crate.

mod command;
mod credentials;
mod effective;
mod flags;
mod remote;
mod single;
mod validate;
mod yaml;
