//! How values become message words and values again. Decoding trusts nothing: what is missing, too large or not
//! defined gives an error.

use core::fmt;

use crate::abi::Word;

/// Where encoded words go.
pub trait Sink {
    /// Appends a word.
    fn put(&mut self, word: Word);
}

/// Where words to be decoded come from.
pub trait Source {
    /// Takes the next word; an error at the end of the message.
    fn take(&mut self) -> Result<Word, DecodeError>;
}

/// A value that travels as message words.
pub trait Field: Sized {
    /// Words that it takes at most.
    const MAX_WORDS: usize;
    /// Appends it.
    fn put(&self, sink: &mut impl Sink);
    /// Takes it.
    fn take(source: &mut impl Source) -> Result<Self, DecodeError>;
}

/// A message with a label of its own.
pub trait Message: Field {
    /// The label.
    const LABEL: Word;
}

/// A message that is answered.
pub trait Request: Message {
    /// What the answer carries.
    type Reply: Field;
}

/// The words of a message are not what its label promises.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DecodeError;

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("malformed message")
    }
}

impl core::error::Error for DecodeError {}

impl Field for () {
    const MAX_WORDS: usize = 0;
    fn put(&self, _: &mut impl Sink) {}
    fn take(_: &mut impl Source) -> Result<Self, DecodeError> {
        Ok(())
    }
}

impl Field for u64 {
    const MAX_WORDS: usize = 1;
    #[inline]
    fn put(&self, sink: &mut impl Sink) {
        sink.put(*self);
    }
    #[inline]
    fn take(source: &mut impl Source) -> Result<Self, DecodeError> {
        source.take()
    }
}

/// Smaller integers take a word each and are refused when they do not fit.
macro_rules! integer_fields {
    ($($integer:ty)*) => {$(
        impl Field for $integer {
            const MAX_WORDS: usize = 1;
            #[inline]
            fn put(&self, sink: &mut impl Sink) {
                sink.put(Word::from(*self));
            }
            #[inline]
            fn take(source: &mut impl Source) -> Result<Self, DecodeError> {
                <$integer>::try_from(source.take()?).map_err(|_| DecodeError)
            }
        }
    )*};
}
integer_fields!(u8 u16 u32);

impl Field for bool {
    const MAX_WORDS: usize = 1;
    fn put(&self, sink: &mut impl Sink) {
        sink.put(Word::from(*self));
    }
    fn take(source: &mut impl Source) -> Result<Self, DecodeError> {
        match source.take()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(DecodeError),
        }
    }
}

/// Why a service did not do what it was asked: the label of its reply. The labels are none of the kernel's errors: one of
/// those says that there is no service any more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u64)]
pub enum ServiceError {
    /// The request's words are malformed.
    BadRequest = 0x41,
    /// The service has no request with this label.
    UnknownRequest = 0x42,
    /// No memory is left, or not for this client.
    OutOfMemory = 0x43,
    /// A value is not possible.
    InvalidArgument = 0x44,
    /// There is nothing of this name or address.
    NotFound = 0x45,
    /// The name or address is taken.
    InUse = 0x46,
    /// This client may not.
    Refused = 0x47,
    /// No capability slot is left.
    NoSlot = 0x48,
    /// The reply could not be decoded, or has a label that no error has.
    BadReply = 0x49,
    /// The server is gone, or another one runs in its place.
    Gone = 0x4a,
    /// There are as many as the manifest allows.
    TooMany = 0x4b,
}

impl ServiceError {
    /// The error that a reply's label names; `None` for 0, success. The kernel's own errors (abi.md 5) mean that the call
    /// reached no server.
    #[inline]
    pub const fn from_label(label: Word) -> Option<Self> {
        Some(match label {
            0 => return None,
            0x41 => ServiceError::BadRequest,
            0x42 => ServiceError::UnknownRequest,
            0x43 => ServiceError::OutOfMemory,
            0x44 => ServiceError::InvalidArgument,
            0x45 => ServiceError::NotFound,
            0x46 => ServiceError::InUse,
            0x47 => ServiceError::Refused,
            0x48 => ServiceError::NoSlot,
            0x4a | 1..=10 => ServiceError::Gone,
            0x4b => ServiceError::TooMany,
            _ => ServiceError::BadReply,
        })
    }

    /// The label of a reply that carries this error.
    #[inline]
    pub const fn label(self) -> Word {
        self as Word
    }
}

impl fmt::Display for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ServiceError::BadRequest => "the service could not decode the request",
            ServiceError::UnknownRequest => "the service does not know this request",
            ServiceError::OutOfMemory => "out of memory",
            ServiceError::InvalidArgument => "a value of the request is not possible",
            ServiceError::NotFound => "not found",
            ServiceError::InUse => "in use",
            ServiceError::Refused => "not allowed",
            ServiceError::NoSlot => "no capability slot is left",
            ServiceError::Gone => "the server is gone or was restarted; look it up again",
            ServiceError::TooMany => "there are as many as the manifest allows",
            ServiceError::BadReply => "the service's reply could not be decoded",
        })
    }
}

impl core::error::Error for ServiceError {}
