//! The control sequences that this server sends: few enough for any terminal, and for [`crate::screen`].

/// Where output goes.
pub trait Output {
    /// Shows text with the sequences below. A line ends with `\r\n`.
    fn write(&mut self, bytes: &[u8]);
}

/// To the first column.
pub const LINE_START: &[u8] = b"\r";
/// To the first column of the next line.
pub const LINE_END: &[u8] = b"\r\n";
/// Erases from the cursor to the end of its line.
pub const ERASE_TO_END: &[u8] = b"\x1b[K";
/// Erases everything; the cursor goes to the first column of the first line.
pub const CLEAR: &[u8] = b"\x1b[H\x1b[2J";

/// Moves the cursor to the right. By nothing it moves as well on a terminal, so nothing is sent for it.
pub fn right(columns: usize, output: &mut impl Output) {
    if columns > 0 {
        output.write(alloc::format!("\x1b[{columns}C").as_bytes());
    }
}

/// Writes text that somebody else chose: control characters are shown as `?`, and line ends are those of a terminal.
/// Returns whether the text ended in the middle of a line, if there was any.
pub fn harmless(text: &[u8], output: &mut impl Output) -> Option<bool> {
    for part in text.split_inclusive(|byte| byte.is_ascii_control()) {
        match part.split_last() {
            Some((b'\n', before)) => {
                output.write(before);
                output.write(LINE_END);
            }
            Some((b'\r', before)) => output.write(before),
            Some((byte, before)) if byte.is_ascii_control() && *byte != b'\t' => {
                output.write(before);
                output.write(b"?");
            }
            _ => output.write(part),
        }
    }
    text.last().map(|byte| *byte != b'\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Output for Vec<u8> {
        fn write(&mut self, bytes: &[u8]) {
            self.extend_from_slice(bytes);
        }
    }

    #[test]
    fn text_of_others_cannot_move_the_cursor() {
        let mut shown: Vec<u8> = Vec::new();
        assert_eq!(harmless(b"a\x1b[2J\tb\r\nc\x7f\n", &mut shown), Some(false));
        assert_eq!(harmless("ü".as_bytes(), &mut shown), Some(true));
        assert_eq!(harmless(b"", &mut shown), None);
        assert_eq!(String::from_utf8(shown).unwrap(), "a?[2J\tb\r\nc?\r\nü");
    }
}
