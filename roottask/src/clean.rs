//! Text of servers on its way to the console: what they wrote, and nothing that acts on a terminal.
use core::fmt::{self, Write};

/// Shows one line of bytes: control characters and what is not UTF-8 become `?`, so that it cannot look like another
/// line or move the cursor.
pub struct Clean<'a>(pub &'a [u8]);

impl fmt::Display for Clean<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for character in chunk.valid().chars() {
                f.write_char(if character.is_control() { '?' } else { character })?;
            }
            if !chunk.invalid().is_empty() {
                f.write_char('?')?;
            }
        }
        Ok(())
    }
}

/// The lines of a text, without an empty end.
pub fn lines(text: &[u8]) -> impl Iterator<Item = Clean<'_>> {
    text.trim_ascii_end().split(|byte| *byte == b'\n').map(Clean)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_acts_on_a_terminal() {
        assert_eq!(Clean("grün\x1b[2J\r\u{9b}x".as_bytes()).to_string(), "grün?[2J??x");
        assert_eq!(Clean(b"a\xff\xfeb\xc3").to_string(), "a??b?");
        let shown: Vec<String> = lines(b"one\ntwo\r\n\n").map(|line| line.to_string()).collect();
        assert_eq!(shown, ["one", "two"]);
        assert_eq!(lines(b"").map(|line| line.to_string()).collect::<Vec<_>>(), [""]);
    }
}
