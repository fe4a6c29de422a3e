//! Sans-IO. Lines in a frame, for what must not be overlooked.

/// Returns lines in a frame; widths are counted in bytes, as tools that look for them expect.
#[must_use]
pub fn frame(lines: &[&str], title: Option<&str>) -> Vec<String> {
    let width = lines
        .iter()
        .chain(&title)
        .map(|line| line.len())
        .max()
        .unwrap_or_default();
    let border = format!("+{}+", "-".repeat(width + 2 * PADDING));
    let mut out = vec![border.clone()];
    if let Some(title) = title {
        let free = width - title.len();
        out.push(within(title, free / 2 + PADDING, free - free / 2 + PADDING));
        out.push(border.clone());
    }
    out.extend(
        lines
            .iter()
            .map(|line| within(line, PADDING, width - line.len() + PADDING)),
    );
    out.push(border);
    out
}

/// Spaces between a line and its frame.
const PADDING: usize = 2;

fn within(line: &str, before: usize, after: usize) -> String {
    format!("|{}{line}{}|", " ".repeat(before), " ".repeat(after))
}
