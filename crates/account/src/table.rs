//! Sans-IO. What a command prints for people: columns as wide as their widest cell.

/// A table. Every cell is followed by its padding and one space, the last one too.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table(Vec<Vec<String>>);

impl Table {
    /// Begins a table with the names of its columns.
    #[must_use]
    pub fn new(columns: &[&str]) -> Self {
        Self(vec![columns.iter().map(|name| (*name).to_owned()).collect()])
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.0.push(cells.into_iter().collect());
    }

    /// Returns the lines.
    #[must_use]
    pub fn write(&self) -> String {
        let columns = self.0.iter().map(Vec::len).max().unwrap_or_default();
        let width = |column: usize| {
            let cells = self.0.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut out = String::new();
        for row in &self.0 {
            for (cell, width) in row.iter().zip(&widths) {
                out.push_str(cell);
                out.push_str(&" ".repeat(width - cell.chars().count() + 1));
            }
            out.push('\n');
        }
        out
    }
}
