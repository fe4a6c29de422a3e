//! Sans-IO. The known word that an unknown one was probably meant to be.

/// Returns the word of `known` that is nearest to `word`, if one is near.
pub(crate) fn nearest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    let near = known.iter().map(|known| (distance(word, known), *known)).min()?;
    (near.0 <= 1 + word.len() / 4).then_some(near.1)
}

/// Counts the letters to insert, delete or replace, whatever their case.
fn distance(one: &str, other: &str) -> usize {
    let (one, other) = (one.to_ascii_lowercase(), other.to_ascii_lowercase());
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (done, letter) in one.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = done + 1;
        for (at, candidate) in other.bytes().enumerate() {
            let replaced = diagonal + usize::from(letter != candidate);
            diagonal = row[at + 1];
            row[at + 1] = replaced.min(row[at] + 1).min(diagonal + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognised() {
        let known = ["hostname", "path", "service", "originRequest"];
        let rows = [
            ("Hostname", Some("hostname")),
            ("hostnames", Some("hostname")),
            ("sevice", Some("service")),
            ("origin", None),
            ("x", None),
        ];
        for (word, expected) in rows {
            assert_eq!(nearest(word, &known), expected, "{word}");
        }
    }
}
