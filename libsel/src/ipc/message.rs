//! A received message, and the composition of one to be sent.

use super::buffer::buffer;
use crate::abi::{CPtr, FAST_MESSAGE_REGISTERS, MSG_MAX_EXTRA_CAPS, MSG_MAX_LENGTH, MessageInfo, Word};
use crate::sys::{MessageRegisters, Registers};

/// A received message: the registers, and access to the words in the IPC buffer until the next system call.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Message {
    /// Badge of the sender's capability, or the word of a notification; 0 for replies.
    pub badge: Word,
    /// Label, length, capabilities.
    pub info: MessageInfo,
    /// MR0 to MR3.
    pub mrs: MessageRegisters,
}

impl From<Registers> for Message {
    #[inline(always)]
    fn from(Registers { badge, info, mrs }: Registers) -> Self {
        Message { badge, info, mrs }
    }
}

impl Message {
    /// User label, error number or fault type.
    #[inline(always)]
    pub fn label(&self) -> Word {
        self.info.label()
    }

    /// Number of message words, 0..=120.
    #[inline(always)]
    pub fn length(&self) -> usize {
        self.info.length()
    }

    /// Message word `index`, whether it came in a register or in the buffer. Words beyond the message's length read
    /// as whatever was there before; they are no secret, but they mean nothing.
    #[inline(always)]
    pub fn word(&self, index: usize) -> Word {
        match self.mrs.get(index) {
            Some(word) => *word,
            None => buffer().map_or(0, |buffer| buffer.word(index)),
        }
    }

    /// Copies the message's words to `words` as far as they fit, and returns that part of it.
    pub fn copy_words<'a>(&self, words: &'a mut [Word]) -> &'a [Word] {
        let length = self.length().min(words.len());
        let (words, _) = words.split_at_mut(length);
        for (index, word) in words.iter_mut().enumerate() {
            *word = self.word(index);
        }
        words
    }

    /// The badge of extra capability `index`, if it was unwrapped: a capability to the endpoint that the message came
    /// through (abi.md 2.8).
    pub fn unwrapped_badge(&self, index: usize) -> Option<Word> {
        let unwrapped = index < self.info.extra_caps() && self.info.caps_unwrapped() & (1 << index) != 0;
        if unwrapped { buffer().map(|buffer| buffer.cap_or_badge(index)) } else { None }
    }

    /// A capability was put into the receive slot.
    pub fn capability_received(&self) -> bool {
        self.info.extra_caps() > self.info.caps_unwrapped().count_ones() as usize
    }
}

/// Puts words from MR4 on and capabilities into the IPC buffer and gives back what goes into registers.
///
/// Without a buffer only the registers travel, and the kernel cuts the message accordingly (abi.md 2.7).
///
/// # Panics
/// On more than [`MSG_MAX_LENGTH`] words or [`MSG_MAX_EXTRA_CAPS`] capabilities.
#[inline(always)]
pub fn compose(label: Word, words: &[Word], caps: &[CPtr]) -> (MessageInfo, MessageRegisters) {
    assert!(words.len() <= MSG_MAX_LENGTH, "a message has at most 120 words");
    assert!(caps.len() <= MSG_MAX_EXTRA_CAPS, "a message has at most 3 capabilities");
    let mut mrs = [0; FAST_MESSAGE_REGISTERS];
    for (register, word) in mrs.iter_mut().zip(words) {
        *register = *word;
    }
    if (words.len() > FAST_MESSAGE_REGISTERS || !caps.is_empty())
        && let Some(buffer) = buffer()
    {
        for (index, word) in words.iter().enumerate().skip(FAST_MESSAGE_REGISTERS) {
            buffer.set_word(index, *word);
        }
        for (index, cptr) in caps.iter().enumerate() {
            buffer.set_cap(index, *cptr);
        }
    }
    (MessageInfo::new(label, 0, caps.len(), words.len()), mrs)
}
