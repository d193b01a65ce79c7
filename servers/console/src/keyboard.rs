//! What a PS/2 keyboard sends (scan code set 1, US layout), as keys.

use libsel::proto::console::Key;
use pc_keyboard::layouts::Us104Key;
use pc_keyboard::{DecodedKey, EventDecoder, HandleControl, KeyCode, ScancodeSet, ScancodeSet1};

/// The keys that are held, and the bytes of one that is not complete.
pub struct Keyboard {
    codes: ScancodeSet1,
    events: EventDecoder<Us104Key>,
}

impl Keyboard {
    /// No key is held.
    pub const fn new() -> Self {
        Keyboard {
            codes: ScancodeSet1::new(),
            events: EventDecoder::new(Us104Key, HandleControl::MapLettersToUnicode),
        }
    }

    /// Takes a byte; the key that it completes. Codes of no key are dropped.
    pub fn byte(&mut self, byte: u8) -> Option<Key> {
        let event = self.codes.advance_state(byte).ok()??;
        Some(match self.events.process_keyevent(event)? {
            DecodedKey::Unicode('\r') => Key::Char('\n'),
            DecodedKey::Unicode('\x7f') => Key::Delete,
            DecodedKey::Unicode(character) => Key::Char(character),
            DecodedKey::RawKey(code) => without_character(code)?,
        })
    }
}

impl Default for Keyboard {
    fn default() -> Self {
        Self::new()
    }
}

fn without_character(code: KeyCode) -> Option<Key> {
    Some(match code {
        KeyCode::ArrowLeft => Key::Left,
        KeyCode::ArrowRight => Key::Right,
        KeyCode::ArrowUp => Key::Up,
        KeyCode::ArrowDown => Key::Down,
        KeyCode::Home => Key::Home,
        KeyCode::End => Key::End,
        KeyCode::Insert => Key::Insert,
        KeyCode::Delete => Key::Delete,
        KeyCode::PageUp => Key::PageUp,
        KeyCode::PageDown => Key::PageDown,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(bytes: &[u8]) -> Vec<Key> {
        let mut keyboard = Keyboard::new();
        bytes.iter().filter_map(|byte| keyboard.byte(*byte)).collect()
    }

    #[test]
    fn keys_come_once_with_what_is_held() {
        // a, then A with shift held, then b.
        assert_eq!(keys(&[0x1e, 0x9e, 0x2a, 0x1e, 0x9e, 0xaa, 0x30, 0xb0]), ['a', 'A', 'b'].map(Key::Char));
        // Ctrl-U, then u.
        assert_eq!(keys(&[0x1d, 0x16, 0x96, 0x9d, 0x16]), [Key::control(b'u'), Key::Char('u')]);
        // Enter, tab, backspace, escape.
        assert_eq!(keys(&[0x1c, 0x0f, 0x0e, 0x01]), ['\n', '\t', '\x08', '\x1b'].map(Key::Char));
    }

    #[test]
    fn cursor_keys_have_two_bytes() {
        let codes = [0x48, 0x50, 0x4b, 0x4d, 0x47, 0x4f, 0x53];
        let bytes: Vec<u8> = codes.into_iter().flat_map(|code| [0xe0, code, 0xe0, code | 0x80]).collect();
        let expected = [Key::Up, Key::Down, Key::Left, Key::Right, Key::Home, Key::End, Key::Delete];
        assert_eq!(keys(&bytes), expected);
    }

    #[test]
    fn nonsense_is_no_key() {
        let every: Vec<u8> = (0..=255).chain((0..=255).flat_map(|code| [0xe1, code])).collect();
        let last = keys(&[every.as_slice(), &[0x9d, 0xaa, 0xb6, 0x1e]].concat());
        assert!(!last.is_empty());
    }
}
