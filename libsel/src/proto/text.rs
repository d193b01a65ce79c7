//! Bytes in messages: names of fixed size and texts with a length.

use core::fmt;

use super::wire::{DecodeError, Field, Sink, Source};
use crate::abi::Word;

/// Bytes of a name at most.
pub const NAME_BYTES: usize = 32;
/// Bytes of a text at most.
pub const MAX_TEXT_BYTES: usize = 904;

const WORD_BYTES: usize = size_of::<Word>();

/// A name or text does not fit its place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TooLong;

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name or text is too long")
    }
}

impl core::error::Error for TooLong {}

/// A name: 1 to 32 bytes of UTF-8 without NUL, in four words.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Name([u8; NAME_BYTES]);

impl Name {
    /// Makes a name; `None` if the text is empty, too long or has a NUL in it.
    pub const fn new(text: &str) -> Option<Self> {
        let text = text.as_bytes();
        if text.is_empty() || text.len() > NAME_BYTES {
            return None;
        }
        let mut name = [0; NAME_BYTES];
        let mut index = 0;
        while index < text.len() {
            if text[index] == 0 {
                return None;
            }
            name[index] = text[index];
            index += 1;
        }
        Some(Name(name))
    }

    /// The name in NUL-padded bytes; `None` if they are no name.
    pub fn from_bytes(bytes: [u8; NAME_BYTES]) -> Option<Self> {
        let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(NAME_BYTES);
        let (text, padding) = bytes.split_at_checked(end)?;
        let valid =
            !text.is_empty() && padding.iter().all(|byte| *byte == 0) && core::str::from_utf8(text).is_ok();
        valid.then_some(Name(bytes))
    }

    /// The name with its padding.
    pub const fn to_bytes(self) -> [u8; NAME_BYTES] {
        self.0
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        let end = self.0.iter().position(|byte| *byte == 0).unwrap_or(NAME_BYTES);
        self.0.get(..end).and_then(|text| core::str::from_utf8(text).ok()).unwrap_or_default()
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Field for Name {
    const MAX_WORDS: usize = NAME_BYTES / WORD_BYTES;

    fn put(&self, sink: &mut impl Sink) {
        put_bytes(&self.0, sink);
    }

    fn take(source: &mut impl Source) -> Result<Self, DecodeError> {
        let mut bytes = [0; NAME_BYTES];
        take_bytes(&mut bytes, source)?;
        Name::from_bytes(bytes).ok_or(DecodeError)
    }
}

/// Up to [`MAX_TEXT_BYTES`] bytes, on the wire as their number and then eight to a word. Usually UTF-8, but nobody
/// promises it.
#[derive(Clone, Copy)]
pub struct Text {
    length: usize,
    bytes: [u8; MAX_TEXT_BYTES],
}

impl Text {
    /// A text of these bytes, or of as many of them as fit.
    pub fn cut(bytes: &[u8]) -> Self {
        let length = bytes.len().min(MAX_TEXT_BYTES);
        let mut text = Text { length, bytes: [0; MAX_TEXT_BYTES] };
        for (to, from) in text.bytes.iter_mut().zip(bytes) {
            *to = *from;
        }
        text
    }

    /// The bytes.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}
impl Eq for Text {}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.as_bytes().escape_ascii())
    }
}

impl Field for Text {
    const MAX_WORDS: usize = 1 + MAX_TEXT_BYTES / WORD_BYTES;

    fn put(&self, sink: &mut impl Sink) {
        sink.put(self.length as Word);
        put_bytes(self.as_bytes(), sink);
    }

    fn take(source: &mut impl Source) -> Result<Self, DecodeError> {
        let length = usize::try_from(source.take()?).map_err(|_| DecodeError)?;
        let mut text = Text { length, bytes: [0; MAX_TEXT_BYTES] };
        take_bytes(text.bytes.get_mut(..length).ok_or(DecodeError)?, source)?;
        Ok(text)
    }
}

fn put_bytes(bytes: &[u8], sink: &mut impl Sink) {
    for chunk in bytes.chunks(WORD_BYTES) {
        let mut word = [0; WORD_BYTES];
        for (to, from) in word.iter_mut().zip(chunk) {
            *to = *from;
        }
        sink.put(Word::from_le_bytes(word));
    }
}

fn take_bytes(bytes: &mut [u8], source: &mut impl Source) -> Result<(), DecodeError> {
    for chunk in bytes.chunks_mut(WORD_BYTES) {
        let word = source.take()?.to_le_bytes();
        for (to, from) in chunk.iter_mut().zip(word) {
            *to = from;
        }
    }
    Ok(())
}
