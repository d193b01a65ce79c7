//! The characters on a screen: takes text with the control sequences of [`crate::output`], and scrolls.

use alloc::vec::Vec;

/// Columns between two tabulator stops.
const TAB: usize = 8;

/// What came of a control sequence so far.
#[derive(Clone, Copy, Default, Debug)]
enum State {
    #[default]
    Text,
    Escape,
    Control(usize),
}

/// Rows of characters, and where the next one goes.
#[derive(Clone, Debug)]
pub struct Grid {
    columns: usize,
    cells: Vec<char>,
    column: usize,
    row: usize,
    state: State,
}

impl Grid {
    /// Blanks. There has to be at least one cell.
    pub fn new(columns: usize, rows: usize) -> Self {
        let (columns, rows) = (columns.max(1), rows.max(1));
        Grid { columns, cells: alloc::vec![' '; columns * rows], column: 0, row: 0, state: State::Text }
    }

    /// Characters in a row.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// All characters, row by row.
    pub fn cells(&self) -> &[char] {
        &self.cells
    }

    /// The rows.
    pub fn rows(&self) -> impl Iterator<Item = &[char]> {
        self.cells.chunks(self.columns)
    }

    /// Column and row of the cursor. Behind the last column it is on it.
    pub fn cursor(&self) -> (usize, usize) {
        (self.column.min(self.columns - 1), self.row)
    }

    /// Takes text in. Bytes that are not UTF-8 are shown as `?`.
    pub fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.utf8_chunks() {
            for character in chunk.valid().chars() {
                self.character(character);
            }
            if !chunk.invalid().is_empty() {
                self.put('?');
            }
        }
    }

    fn character(&mut self, character: char) {
        match (core::mem::take(&mut self.state), character) {
            (State::Text, '\x1b') => self.state = State::Escape,
            (State::Text, '\r') => self.column = 0,
            (State::Text, '\n') => self.next_row(),
            (State::Text, '\t') => self.column = (self.column / TAB + 1) * TAB,
            (State::Text, character) => self.put(character),
            (State::Escape, '[') => self.state = State::Control(0),
            (State::Control(number), digit) if digit.is_ascii_digit() => {
                let digit = digit as usize - '0' as usize;
                self.state = State::Control(number.saturating_mul(10).saturating_add(digit));
            }
            (State::Control(number), last) => self.sequence(last, number),
            (State::Escape, _) => {}
        }
    }

    fn sequence(&mut self, last: char, number: usize) {
        let here = self.row * self.columns + self.column.min(self.columns);
        match last {
            'K' => self.blank(here, (self.row + 1) * self.columns),
            'C' => self.column = self.column.saturating_add(number.max(1)).min(self.columns - 1),
            'H' => (self.column, self.row) = (0, 0),
            'J' => self.blank(0, self.cells.len()),
            _ => {}
        }
    }

    fn blank(&mut self, start: usize, end: usize) {
        if let Some(cells) = self.cells.get_mut(start..end) {
            cells.fill(' ');
        }
    }

    /// Puts a character; behind the last column it goes to the next row.
    fn put(&mut self, character: char) {
        if self.column >= self.columns {
            self.column = 0;
            self.next_row();
        }
        if let Some(cell) = self.cells.get_mut(self.row * self.columns + self.column) {
            *cell = character;
        }
        self.column += 1;
    }

    /// Goes to the next row; below the last one all move up.
    fn next_row(&mut self) {
        if (self.row + 1) * self.columns < self.cells.len() {
            self.row += 1;
            return;
        }
        self.cells.copy_within(self.columns.., 0);
        self.blank(self.cells.len() - self.columns, self.cells.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> Vec<String> {
        let mut grid = Grid::new(10, 3);
        grid.write(text.as_bytes());
        grid.rows().map(|row| row.iter().collect::<String>().trim_end().to_string()).collect()
    }

    #[test]
    fn text_wraps_and_scrolls() {
        assert_eq!(rows("abc\r\nd"), ["abc", "d", ""]);
        assert_eq!(rows("0123456789"), ["0123456789", "", ""], "the next row begins with the next character");
        assert_eq!(rows("0123456789ab"), ["0123456789", "ab", ""]);
        assert_eq!(rows("1\r\n2\r\n3\r\n4"), ["2", "3", "4"]);
        assert_eq!(rows("a\tb\tc"), ["a       b", "c", ""]);
    }

    #[test]
    fn control_sequences_do_what_the_terminals_do() {
        assert_eq!(rows("abcdef\r\x1b[3C\x1b[K"), ["abc", "", ""]);
        assert_eq!(rows("abc\r\x1b[Cx"), ["axc", "", ""]);
        assert_eq!(rows("abc\r\nd\x1b[H\x1b[2Jx"), ["x", "", ""]);
        assert_eq!(rows("\x1b[99999999999999999999999Cx\x1b[5z\x1bqy"), ["         x", "y", ""]);
        let mut grid = Grid::new(4, 1);
        grid.write(b"a\xffb");
        assert_eq!(grid.cells(), ['a', '?', 'b', ' ']);
        assert_eq!(grid.cursor(), (3, 0));
    }
}
