//! Reads and writes text the way upstream's runtime, the Go standard library, does.
//!
//! Everything here is a pure function of its arguments. Each module is one text form: what is
//! accepted, what it means, how it is printed, and the error text that users and scripts know.
//! Nobody else in the program decides such a question again.
//!
//! | Module | Text |
//! | --- | --- |
//! | [`url`], [`query`] | URLs: services, request destinations, arguments |
//! | [`hostport`], [`ip`] | `host:port`, IP addresses |
//! | [`idna`] | names with letters outside ASCII |
//! | [`header`], [`status`] | names and values of header fields, words of a status |
//! | [`regex`] | the `path` of a rule |
//! | [`json`], [`base64`] | credentials, tokens, remote configuration |
//! | [`duration`], [`number`], [`quote`] | flags, settings, messages |
//! | [`errno`] | failures of the system |

pub mod base64;
pub mod duration;
pub mod errno;
pub mod error;
pub mod header;
pub mod hostport;
pub mod idna;
pub mod ip;
pub mod json;
pub mod number;
pub mod query;
pub mod quote;
pub mod regex;
pub mod status;
pub mod url;

pub use error::{AddressError, Base64Error, DurationError, HostPortError, JsonError, NumberError};
pub use error::{NumberProblem, RegexError, RegexProblem, UrlError, UrlProblem};
