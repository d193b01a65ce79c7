//! What a terminal at the serial port sends, as keys: characters in UTF-8, and the sequences of xterm, VT220 and the
//! Linux console. Bytes may come one at a time, so an escape alone cannot be told from the beginning of a sequence; the
//! escape key has to be pressed twice.

use libsel::proto::console::Key;

/// The bytes of a key that is not complete.
#[derive(Clone, Copy, Default, Debug)]
pub struct Decoder {
    state: State,
}

#[derive(Clone, Copy, Default, Debug)]
enum State {
    #[default]
    Start,
    /// Behind an escape.
    Escape,
    /// Behind `ESC O`.
    Shift3,
    /// Behind `ESC [`: the first number, and whether it is over.
    Control { number: u16, over: bool },
    /// In a character of several bytes.
    Character { bytes: [u8; 4], length: usize, needed: usize },
    /// Behind a carriage return: a line feed belongs to it.
    Return,
}

impl Decoder {
    /// Takes a byte; the key that it completes. Bytes that make no sense are dropped.
    pub fn byte(&mut self, byte: u8) -> Option<Key> {
        let state = core::mem::take(&mut self.state);
        match state {
            State::Start => self.start(byte),
            State::Return if byte == b'\n' => None,
            State::Return => self.start(byte),
            State::Escape => match byte {
                b'[' => self.wait(State::Control { number: 0, over: false }),
                b'O' => self.wait(State::Shift3),
                0x1b => Some(Key::Char('\x1b')),
                _ => self.start(byte),
            },
            State::Shift3 => final_byte(byte, 0),
            State::Control { number, over } => match byte {
                b'0'..=b'9' if over => self.wait(state),
                b'0'..=b'9' => {
                    let number = number.saturating_mul(10).saturating_add(u16::from(byte - b'0'));
                    self.wait(State::Control { number, over })
                }
                b' '..=b'?' => self.wait(State::Control { number, over: true }),
                b'@'..=b'~' => final_byte(byte, number),
                _ => self.start(byte),
            },
            State::Character { mut bytes, length, needed } => {
                if byte & 0xc0 != 0x80 {
                    return self.start(byte);
                }
                if let Some(place) = bytes.get_mut(length) {
                    *place = byte;
                }
                if length + 1 < needed {
                    return self.wait(State::Character { bytes, length: length + 1, needed });
                }
                let text = core::str::from_utf8(bytes.get(..needed)?).ok()?;
                text.chars().next().map(Key::Char)
            }
        }
    }

    fn wait(&mut self, state: State) -> Option<Key> {
        self.state = state;
        None
    }

    fn start(&mut self, byte: u8) -> Option<Key> {
        let needed = match byte {
            b'\r' => {
                self.state = State::Return;
                return Some(Key::Char('\n'));
            }
            0x1b => return self.wait(State::Escape),
            // Terminals differ in which of the two they send for backspace.
            0x7f => return Some(Key::Char('\x08')),
            0..0x80 => return Some(Key::Char(char::from(byte))),
            0xc2..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf4 => 4,
            _ => return None,
        };
        self.wait(State::Character { bytes: [byte, 0, 0, 0], length: 1, needed })
    }
}

/// The key of a sequence by its last byte and first number.
fn final_byte(byte: u8, number: u16) -> Option<Key> {
    Some(match (byte, number) {
        (b'A', _) => Key::Up,
        (b'B', _) => Key::Down,
        (b'C', _) => Key::Right,
        (b'D', _) => Key::Left,
        (b'H', _) | (b'~', 1 | 7) => Key::Home,
        (b'F', _) | (b'~', 4 | 8) => Key::End,
        (b'~', 2) => Key::Insert,
        (b'~', 3) => Key::Delete,
        (b'~', 5) => Key::PageUp,
        (b'~', 6) => Key::PageDown,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(bytes: &[u8]) -> Vec<Key> {
        let mut decoder = Decoder::default();
        bytes.iter().filter_map(|byte| decoder.byte(*byte)).collect()
    }

    #[test]
    fn characters_and_sequences_are_told_apart() {
        assert_eq!(keys("aü€😀".as_bytes()), ['a', 'ü', '€', '😀'].map(Key::Char));
        assert_eq!(keys(b"\x1b[A\x1b[B\x1bOC\x1b[D"), [Key::Up, Key::Down, Key::Right, Key::Left]);
        assert_eq!(keys(b"\x1b[H\x1b[4~\x1b[1~\x1bOF"), [Key::Home, Key::End, Key::Home, Key::End]);
        assert_eq!(
            keys(b"\x1b[3~\x1b[2~\x1b[5~\x1b[6~"),
            [Key::Delete, Key::Insert, Key::PageUp, Key::PageDown]
        );
        // With Ctrl held.
        assert_eq!(keys(b"\x1b[1;5C"), [Key::Right]);
        assert_eq!(keys(b"\x7f\x08\t\x01"), ['\x08', '\x08', '\t', '\x01'].map(Key::Char));
    }

    #[test]
    fn a_line_ends_once_whatever_the_terminal_sends() {
        let enter = Key::Char('\n');
        assert_eq!(keys(b"\r\n\r\r\n\n"), [enter; 4]);
        assert_eq!(keys(b"\ra"), [enter, Key::Char('a')]);
    }

    #[test]
    fn two_escapes_are_a_key_and_nonsense_is_none() {
        assert_eq!(keys(b"\x1b\x1ba"), ['\x1b', 'a'].map(Key::Char));
        assert_eq!(keys(b"\x1b[99~\x1b[5nx\xff\x80"), [Key::Char('x')]);
        // A character that is broken off does not take the next one with it.
        assert_eq!(keys(b"\xe2\x82a"), [Key::Char('a')]);
        assert_eq!(keys(b"\xed\xa0\x80b"), [Key::Char('b')]);
        assert_eq!(keys(b"\x1b[99999999999\x1b[A"), [Key::Up]);
    }
}
