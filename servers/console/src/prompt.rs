//! How prompt and line look: one row of the terminal. Of a line that is longer, the part around the cursor is shown.

use alloc::string::String;

use crate::editor::{Change, Editor};
use crate::output::{ERASE_TO_END, LINE_START, Output, harmless, right};

/// Columns that a terminal has at least. The last one stays empty: some terminals go to the next line behind it.
const COLUMNS: usize = 80;
/// Columns that the prompt takes at most.
const PROMPT_COLUMNS: usize = 40;

/// The text before the line.
#[derive(Clone, Default, Debug)]
pub struct Prompt {
    text: String,
    columns: usize,
}

impl Prompt {
    /// A prompt; one that is too long is cut.
    pub fn new(text: &str) -> Self {
        let text: String =
            text.chars().filter(|character| !character.is_control()).take(PROMPT_COLUMNS).collect();
        let columns = text.chars().count();
        Prompt { text, columns }
    }

    /// Columns that are left for the line.
    fn room(&self) -> usize {
        COLUMNS - 1 - self.columns
    }

    /// Draws prompt and line over whatever is in the cursor's row.
    pub fn draw(&self, line: &Editor, output: &mut impl Output) {
        let cursor = line.before().chars().count();
        let first = cursor.saturating_sub(self.room());
        let shown: String = line.text().chars().skip(first).take(self.room()).collect();
        output.write(LINE_START);
        output.write(self.text.as_bytes());
        harmless(shown.as_bytes(), output);
        output.write(ERASE_TO_END);
        if cursor - first < shown.chars().count() {
            output.write(LINE_START);
            right(self.columns + cursor - first, output);
        }
    }

    /// Draws what a key changed.
    pub fn update(&self, line: &Editor, change: Change, output: &mut impl Output) {
        match change {
            Change::None => {}
            Change::Appended(character) if line.text().chars().count() <= self.room() => {
                output.write(character.encode_utf8(&mut [0; 4]).as_bytes());
            }
            _ => self.draw(line, output),
        }
    }
}

/// Takes the prompt away.
pub fn erase(output: &mut impl Output) {
    output.write(LINE_START);
    output.write(ERASE_TO_END);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::Terminal;
    use libsel::proto::console::Key;

    #[test]
    fn the_cursor_is_where_the_next_character_goes() {
        let (prompt, mut line, mut terminal) = (Prompt::new("$ "), Editor::default(), Terminal::default());
        line.set("abc");
        line.key(Key::Left);
        prompt.draw(&line, &mut terminal);
        assert_eq!(terminal.with_cursor(), "$ ab|c");
        line.key(Key::Home);
        prompt.draw(&line, &mut terminal);
        assert_eq!(terminal.with_cursor(), "$ |abc");
        line.set("x");
        prompt.draw(&line, &mut terminal);
        assert_eq!(terminal.with_cursor(), "$ x|");
        erase(&mut terminal);
        assert_eq!(terminal.with_cursor(), "|");
    }

    #[test]
    fn of_a_long_line_the_part_around_the_cursor_is_shown() {
        let (prompt, mut line, mut terminal) = (Prompt::new("$ "), Editor::default(), Terminal::default());
        let text: String = ('a'..='z').cycle().take(100).collect();
        for character in text.chars() {
            let change = line.key(Key::Char(character));
            prompt.update(&line, change, &mut terminal);
        }
        assert_eq!(terminal.with_cursor(), format!("$ {}|", &text[23..]));
        line.key(Key::Home);
        prompt.draw(&line, &mut terminal);
        assert_eq!(terminal.with_cursor(), format!("$ |{}", &text[..77]));
        assert_eq!(terminal.lines().len(), 1, "it never goes to the next line");
    }

    #[test]
    fn a_prompt_is_one_short_line() {
        let prompt = Prompt::new("a\nb\x1b");
        assert_eq!((prompt.text.as_str(), prompt.columns), ("ab", 2));
        assert_eq!(Prompt::new(&"x".repeat(100)).columns, PROMPT_COLUMNS);
    }
}
