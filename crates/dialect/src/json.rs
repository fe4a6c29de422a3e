//! Sans-IO. JSON as upstream reads and writes it.
//!
//! Reading has two steps. [`Document::parse`] accepts or refuses the text as a whole. [`decode()`]
//! then lays its values over something that may already hold values, as upstream does it: names
//! match without regard to case, a name that occurs twice is laid over twice, `null` changes
//! nothing, and a value of the wrong type is reported after everything else has been read.
//!
//! ```
//! use adit_dialect::json;
//!
//! let (mut tag, mut ports) = (String::new(), Vec::new());
//! let outcome = json::decode(br#"{"TAG":"x","ports":[80,"y"]}"#, |decoder, value| {
//!     decoder.object(value, "main.Thing", &["tag", "ports"], |decoder, name, value| {
//!         match name {
//!             "tag" => decoder.string(value, &mut tag),
//!             _ => decoder.list(value, "[]int", &mut ports, |decoder, value, port| {
//!                 decoder.integer(value, "int", port);
//!                 Ok(())
//!             })?,
//!         }
//!         Ok(())
//!     })
//! });
//! assert_eq!((tag.as_str(), ports), ("x", vec![80, 0]));
//! let text = "json: cannot unmarshal string into Go struct field Thing.ports of type int";
//! assert_eq!(outcome.map_err(|error| error.to_string()), Err(text.to_owned()));
//! ```

mod decode;
mod scan;
mod text;
mod value;
mod write;

pub use decode::{Decoder, decode};
pub use value::{Document, Kind, Value};
pub use write::Writer;

#[cfg(test)]
mod tests;
