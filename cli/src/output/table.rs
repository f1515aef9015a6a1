//! Tables as kubectl prints them: upper-case headings, columns three spaces apart, no lines.

use console::measure_text_width;

use super::style::{Style, Tone, tame};

/// What is shown where there is nothing.
pub const NOTHING: &str = "-";

const GAP: usize = 3;

/// One cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    /// A cell in a tone; an empty text shows as [`NOTHING`].
    pub fn new(text: impl AsRef<str>, tone: Tone) -> Self {
        let text = tame(text.as_ref());
        let text = if text.is_empty() { NOTHING.into() } else { text };
        Self { text: text.into_owned(), tone }
    }

    /// A cell that may have nothing to show.
    pub fn optional(text: Option<&str>) -> Self {
        Self::new(text.unwrap_or_default(), Tone::Normal)
    }
}

impl<T: AsRef<str>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::new(text, Tone::Normal)
    }
}

/// Rows below headings.
#[derive(Clone, Debug)]
pub struct Table {
    headings: Vec<&'static str>,
    rows: Vec<Vec<Cell>>,
}

/// Whether a table starts with its headings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Headings {
    /// It does.
    Shown,
    /// `--no-headers`.
    Hidden,
}

impl Table {
    /// A table without rows.
    pub fn new(headings: impl IntoIterator<Item = &'static str>) -> Self {
        Self { headings: headings.into_iter().collect(), rows: Vec::new() }
    }

    /// Adds a row, which has as many cells as there are headings.
    pub fn row(&mut self, cells: Vec<Cell>) {
        self.rows.push(cells);
    }

    /// The text, each line ended.
    pub fn text(&self, style: Style, headings: Headings) -> String {
        let headings = (headings == Headings::Shown).then(|| self.headings.iter().map(Cell::from).collect());
        let rows: Vec<&Vec<Cell>> = headings.iter().chain(&self.rows).collect();
        let mut widths = vec![0; self.headings.len()];
        for row in &rows {
            for (width, cell) in widths.iter_mut().zip(row.iter()) {
                *width = (*width).max(measure_text_width(&cell.text));
            }
        }
        let mut text = String::new();
        for row in rows {
            for (index, (cell, width)) in row.iter().zip(&widths).enumerate() {
                text.push_str(&style.paint(cell.tone, &cell.text));
                if index + 1 < row.len() {
                    let padding = width - measure_text_width(&cell.text) + GAP;
                    text.extend(std::iter::repeat_n(' ', padding));
                }
            }
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_by_what_is_seen() {
        let mut table = Table::new(["NAME", "HEALTH", "MESSAGE"]);
        table.row(vec!["größe".into(), Cell::new("Healthy", Tone::Good), Cell::optional(None)]);
        table.row(vec!["web".into(), Cell::new("Degraded", Tone::Bad), "two\nlines".into()]);
        insta::assert_snapshot!(table.text(Style::Plain, Headings::Shown), @r"
        NAME    HEALTH     MESSAGE
        größe   Healthy    -
        web     Degraded   two lines
        ");
        let coloured = table.text(Style::Colour, Headings::Hidden);
        assert_eq!(
            anstream::adapter::strip_str(&coloured).to_string(),
            "größe   Healthy    -\nweb     Degraded   two lines\n"
        );
    }
}
