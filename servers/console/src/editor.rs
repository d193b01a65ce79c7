//! A line that is being typed.

use alloc::string::String;

use libsel::proto::MAX_TEXT_BYTES;
use libsel::proto::console::Key;

/// Bytes of a line at most; what is typed beyond is ignored.
pub const LINE_BYTES: usize = 512;
const _: () = assert!(LINE_BYTES <= MAX_TEXT_BYTES, "a line travels in one message");

/// The line and the place in it.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Editor {
    text: String,
    /// In bytes, between two characters.
    cursor: usize,
    /// What was cut last.
    cut: String,
}

/// What a key did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Change {
    /// Nothing.
    None,
    /// This character was put at the end.
    Appended(char),
    /// Something else.
    Changed,
}

impl Editor {
    /// The whole line.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What stands before the cursor.
    pub fn before(&self) -> &str {
        self.text.get(..self.cursor).unwrap_or_default()
    }

    fn after(&self) -> &str {
        self.text.get(self.cursor..).unwrap_or_default()
    }

    /// Another line, with the cursor at its end.
    pub fn set(&mut self, text: &str) {
        self.text.clear();
        self.text.push_str(text);
        self.cursor = self.text.len();
    }

    /// Takes the line away.
    pub fn take(&mut self) -> String {
        self.cursor = 0;
        core::mem::take(&mut self.text)
    }

    /// Inserts text at the cursor, as much of it as fits; control characters are left out.
    pub fn insert(&mut self, text: &str) {
        for character in text.chars().filter(|character| !character.is_control()) {
            if self.text.len() + character.len_utf8() > LINE_BYTES {
                break;
            }
            self.text.insert(self.cursor, character);
            self.cursor += character.len_utf8();
        }
    }

    /// Lets a key change line or cursor.
    pub fn key(&mut self, key: Key) -> Change {
        let (cursor, bytes) = (self.cursor, self.text.len());
        match key {
            Key::Left | Key::Char('\x02') => self.cursor -= last_bytes(self.before()),
            Key::Right | Key::Char('\x06') => self.cursor += first_bytes(self.after()),
            Key::Home | Key::Char('\x01') => self.cursor = 0,
            Key::End | Key::Char('\x05') => self.cursor = bytes,
            Key::Char('\x08') => self.remove(cursor - last_bytes(self.before()), cursor),
            Key::Delete | Key::Char('\x04') => self.remove(cursor, cursor + first_bytes(self.after())),
            Key::Char('\x0b') => self.cut(cursor, bytes),
            Key::Char('\x15') => self.cut(0, cursor),
            Key::Char('\x17') => self.cut(word_start(self.before()), cursor),
            Key::Char('\x19') => {
                let cut = core::mem::take(&mut self.cut);
                self.insert(&cut);
                self.cut = cut;
            }
            Key::Char(character) if !character.is_control() => {
                let mut bytes = [0; 4];
                self.insert(character.encode_utf8(&mut bytes));
                if self.cursor > cursor && self.cursor == self.text.len() {
                    return Change::Appended(character);
                }
            }
            _ => {}
        }
        if self.cursor == cursor && self.text.len() == bytes { Change::None } else { Change::Changed }
    }

    fn remove(&mut self, start: usize, end: usize) {
        self.text.replace_range(start..end, "");
        self.cursor = start;
    }

    fn cut(&mut self, start: usize, end: usize) {
        if start < end {
            self.cut = self.text.get(start..end).unwrap_or_default().into();
            self.remove(start, end);
        }
    }
}

fn last_bytes(text: &str) -> usize {
    text.chars().next_back().map_or(0, char::len_utf8)
}

fn first_bytes(text: &str) -> usize {
    text.chars().next().map_or(0, char::len_utf8)
}

/// Where the last word of a text begins; blanks behind it belong to it.
fn word_start(text: &str) -> usize {
    text.trim_end()
        .rfind(char::is_whitespace)
        .map_or(0, |blank| blank + first_bytes(text.get(blank..).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A line in which `|` is the cursor.
    fn editor(line: &str) -> Editor {
        let (before, after) = line.split_once('|').unwrap();
        Editor { text: format!("{before}{after}"), cursor: before.len(), cut: String::new() }
    }

    fn shown(editor: &Editor) -> String {
        format!("{}|{}", editor.before(), editor.after())
    }

    #[test]
    fn every_editing_key_does_what_it_is_for() {
        let control = Key::control;
        for (before, key, after) in [
            ("ab|c", Key::Left, "a|bc"),
            ("aü|c", Key::Left, "a|üc"),
            ("|abc", Key::Left, "|abc"),
            ("a|üc", Key::Right, "aü|c"),
            ("abc|", Key::Right, "abc|"),
            ("ab|c", Key::Home, "|abc"),
            ("ab|c", control(b'a'), "|abc"),
            ("a|bc", Key::End, "abc|"),
            ("a|bc", control(b'e'), "abc|"),
            ("aü|c", Key::Char('\x08'), "a|c"),
            ("|abc", Key::Char('\x08'), "|abc"),
            ("a|üc", Key::Delete, "a|c"),
            ("a|bc", control(b'd'), "a|c"),
            ("abc|", Key::Delete, "abc|"),
            ("a|bc", control(b'k'), "a|"),
            ("ab|c", control(b'u'), "|c"),
            ("one two|x", control(b'w'), "one |x"),
            ("one two  |x", control(b'w'), "one |x"),
            ("one|", control(b'w'), "|"),
            ("  |", control(b'w'), "|"),
            ("a|c", Key::Char('b'), "ab|c"),
            ("a|c", Key::Char('\x1b'), "a|c"),
            ("a|c", Key::PageUp, "a|c"),
        ] {
            let mut line = editor(before);
            let change = line.key(key);
            assert_eq!(shown(&line), after, "{before} {key:?}");
            assert_eq!(change == Change::None, before == after, "{before} {key:?}");
        }
    }

    #[test]
    fn what_was_cut_comes_back() {
        let mut line = editor("one |two");
        line.key(Key::control(b'k'));
        line.key(Key::Home);
        line.key(Key::control(b'y'));
        assert_eq!(shown(&line), "two|one ");
        // Cutting nothing keeps what was cut before.
        line.set("");
        line.key(Key::control(b'u'));
        line.key(Key::control(b'y'));
        assert_eq!(shown(&line), "two|");
    }

    #[test]
    fn a_character_at_the_end_is_told_apart() {
        let mut line = editor("a|");
        assert_eq!(line.key(Key::Char('ü')), Change::Appended('ü'));
        line.key(Key::Home);
        assert_eq!(line.key(Key::Char('b')), Change::Changed);
        assert_eq!(line.take(), "baü");
        assert_eq!(shown(&line), "|");
    }

    #[test]
    fn a_line_is_bounded_and_holds_no_control_characters() {
        let mut line = Editor::default();
        line.insert(&"x".repeat(LINE_BYTES - 1));
        assert_eq!(line.key(Key::Char('ü')), Change::None);
        line.insert("a\nb");
        assert_eq!(line.text().len(), LINE_BYTES);
        line.set("");
        line.insert("a\n\x1bb");
        assert_eq!(line.text(), "ab");
    }
}
