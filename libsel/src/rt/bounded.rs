//! Text in a fixed number of bytes.

use core::fmt;

/// A text that is cut when it is full. Writing to it never fails.
#[derive(Clone, Copy, Debug)]
pub struct Bounded<const BYTES: usize> {
    length: usize,
    bytes: [u8; BYTES],
}

impl<const BYTES: usize> Bounded<BYTES> {
    /// An empty one.
    pub const fn new() -> Self {
        Bounded { length: 0, bytes: [0; BYTES] }
    }

    /// What was written, as far as it fits.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

impl<const BYTES: usize> Default for Bounded<BYTES> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const BYTES: usize> fmt::Write for Bounded<BYTES> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = self.bytes.get_mut(self.length..).unwrap_or_default();
        let cut = text.floor_char_boundary(room.len());
        for (to, from) in room.iter_mut().zip(text.bytes().take(cut)) {
            *to = from;
        }
        self.length += cut;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::fmt::Write;

    #[test]
    fn a_text_is_cut_between_characters() {
        let mut text = Bounded::<5>::new();
        text.write_str("ab").unwrap();
        text.write_str("cü").unwrap();
        assert_eq!(text.as_bytes(), "abcü".as_bytes());
        text.write_str("x").unwrap();
        assert_eq!(text.as_bytes(), "abcü".as_bytes());
        let mut text = Bounded::<4>::new();
        text.write_str("abcü").unwrap();
        assert_eq!(text.as_bytes(), b"abc", "half a character is left out");
    }
}
