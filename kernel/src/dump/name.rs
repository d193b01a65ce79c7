//! Names of threads, for people.
use core::cell::Cell;

/// Bytes of a thread's name.
pub const NAME_BYTES: usize = 32;

/// A name as it stands in a TCB: NUL-padded; empty in zeroed memory.
#[repr(transparent)]
pub struct Name(Cell<[u8; NAME_BYTES]>);

impl Name {
    /// Sets the name, cut to what fits.
    pub fn set(&self, name: &[u8]) {
        let mut bytes = [0; NAME_BYTES];
        for (to, from) in bytes.iter_mut().zip(name) {
            *to = *from;
        }
        self.0.set(bytes);
    }

    /// The name of a new thread (abi.md 7.2): `child of: 'creator'`, cut to what fits.
    pub fn set_child_of(&self, creator: &Name) {
        const PREFIX: &[u8; 11] = b"child of: '";
        let mut bytes = [0; NAME_BYTES];
        let (prefix, rest) = bytes.split_at_mut(PREFIX.len());
        prefix.copy_from_slice(PREFIX);
        for (to, from) in rest.iter_mut().zip(creator.0.get()) {
            if from == 0 {
                *to = b'\'';
                break;
            }
            *to = from;
        }
        self.0.set(bytes);
    }

    /// The name, NUL-padded.
    pub fn bytes(&self) -> [u8; NAME_BYTES] {
        self.0.get()
    }

    /// The name, as far as it is text.
    pub fn text<'a>(&self, buffer: &'a mut [u8; NAME_BYTES]) -> &'a str {
        *buffer = self.0.get();
        let length = buffer.iter().position(|&byte| byte == 0).unwrap_or(NAME_BYTES);
        core::str::from_utf8(buffer.get(..length).unwrap_or_default()).unwrap_or("?")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(bytes: &[u8]) -> Name {
        let name = Name(Cell::new([0; NAME_BYTES]));
        name.set(bytes);
        name
    }

    fn child_of(bytes: &[u8]) -> String {
        let child = named(b"an older, longer name of thread");
        child.set_child_of(&named(bytes));
        child.text(&mut [0; NAME_BYTES]).to_string()
    }

    #[test]
    fn children_are_called_after_their_creators() {
        assert_eq!(child_of(b""), "child of: ''");
        assert_eq!(child_of(b"rootserver"), "child of: 'rootserver'");
        assert_eq!(child_of(b"12345678901234567890"), "child of: '12345678901234567890'");
        assert_eq!(child_of(b"123456789012345678901"), "child of: '123456789012345678901");
        assert_eq!(child_of(&[b'x'; NAME_BYTES]), "child of: 'xxxxxxxxxxxxxxxxxxxxx");
    }

    #[test]
    fn what_is_no_text_is_not_shown() {
        assert_eq!(named(&[0xff, 0xfe]).text(&mut [0; NAME_BYTES]), "?");
        assert_eq!(named(&[b'y'; 40]).text(&mut [0; NAME_BYTES]), "y".repeat(NAME_BYTES));
    }
}
