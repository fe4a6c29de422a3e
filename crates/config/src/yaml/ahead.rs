//! Sans-IO. Scanning ahead of the parser, as upstream's library does for the sake of comments.
//!
//! Its scanner is two tokens ahead of the token that the parser looks at, so that an error of the
//! scanner is told before one of the parser just in front of it, and one right behind the first
//! document is told although the document is whole.

use libyaml_safer::{Error, Mark, Scanner, TokenData};

use super::reader::{Reader, Text};

/// Tokens that are read beyond the one that is looked at.
const AHEAD: usize = 2;

/// Returns what the scanner stumbles over from the token at `mark` on, as far as it reads ahead.
pub(super) fn problem(text: &Text, mark: Mark) -> Option<Error> {
    let mut scanner = Scanner::new();
    scanner.set_input(Reader::new(text));
    loop {
        let token = scanner.next()?.ok()?;
        if matches!(token.data, TokenData::StreamEnd) {
            return None;
        }
        let stands_for_itself = !matches!(token.data, TokenData::StreamStart { .. } | TokenData::BlockEnd);
        if stands_for_itself && token.start_mark.index >= mark.index {
            break;
        }
    }
    for step in 1..=AHEAD {
        match scanner.next()? {
            // For the last token it is too early to ask whether it is a key and lacks its colon.
            Err(error) if step == AHEAD && error.problem() == "could not find expected ':'" => break,
            Err(error) => return Some(error),
            Ok(token) if matches!(token.data, TokenData::StreamEnd) => break,
            Ok(_) => {}
        }
    }
    None
}
