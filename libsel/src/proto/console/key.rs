//! Keys, the same for a keyboard and for a terminal at the serial port.

use crate::proto::wire::{DecodeError, Field, Sink, Source};

/// A key that was pressed. On the wire it is one word: a character's number, or one beyond all characters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Key {
    /// A character. Enter is `\n`, backspace `\x08`, escape `\x1b`, and Ctrl with a letter the number of the letter.
    Char(char),
    /// Cursor left.
    Left,
    /// Cursor right.
    Right,
    /// Cursor up.
    Up,
    /// Cursor down.
    Down,
    /// To the beginning.
    Home,
    /// To the end.
    End,
    /// Insert.
    Insert,
    /// Delete the character under the cursor.
    Delete,
    /// A page up.
    PageUp,
    /// A page down.
    PageDown,
}

/// One past the last character.
const BEYOND: u32 = char::MAX as u32 + 1;

/// In the order of their numbers.
const WITHOUT_CHARACTER: [Key; 10] = [
    Key::Left,
    Key::Right,
    Key::Up,
    Key::Down,
    Key::Home,
    Key::End,
    Key::Insert,
    Key::Delete,
    Key::PageUp,
    Key::PageDown,
];

impl Key {
    /// Ctrl with a letter.
    pub const fn control(letter: u8) -> Self {
        Key::Char((letter & 0x1f) as char)
    }
}

impl Field for Key {
    const MAX_WORDS: usize = 1;

    fn put(&self, sink: &mut impl Sink) {
        let number = match self {
            Key::Char(character) => u32::from(*character),
            other => {
                let place = WITHOUT_CHARACTER.iter().position(|key| key == other);
                BEYOND + place.unwrap_or_default() as u32
            }
        };
        number.put(sink);
    }

    fn take(source: &mut impl Source) -> Result<Self, DecodeError> {
        let number = u32::take(source)?;
        let key = match number.checked_sub(BEYOND) {
            None => char::from_u32(number).map(Key::Char),
            Some(place) => WITHOUT_CHARACTER.get(place as usize).copied(),
        };
        key.ok_or(DecodeError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Word(Option<u64>);

    impl Sink for Word {
        fn put(&mut self, word: u64) {
            assert!(self.0.replace(word).is_none());
        }
    }

    impl Source for Word {
        fn take(&mut self) -> Result<u64, DecodeError> {
            self.0.take().ok_or(DecodeError)
        }
    }

    #[test]
    fn every_key_comes_back_and_numbers_of_none_are_refused() {
        let characters = ['a', '\n', '\x08', 'ü', char::MAX].map(Key::Char);
        for key in characters.into_iter().chain(WITHOUT_CHARACTER) {
            let mut word = Word(None);
            key.put(&mut word);
            assert_eq!(Key::take(&mut word), Ok(key));
        }
        for number in [0xd800, 0x11_0000 + 10, u64::MAX] {
            assert_eq!(Key::take(&mut Word(Some(number))), Err(DecodeError), "{number:#x}");
        }
        assert_eq!(Key::control(b'a'), Key::Char('\x01'));
    }
}
