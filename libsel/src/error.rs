//! Errors of kernel invocations: the label of the reply with the words that go with it (abi.md 4), in plain words.

use core::fmt;

use crate::abi::{self, LookupFailureKind, Word};
use crate::ipc::Message;

/// The result of an invocation.
pub type Result<T> = core::result::Result<T, Error>;

/// Why an invocation failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Error {
    /// An argument has an illegal value: its number, counted as abi.md section 7 does.
    InvalidArgument(Word),
    /// A capability is of the wrong kind or lacks a right: 0 the invoked one, n the n-th extra capability.
    InvalidCapability(Word),
    /// Not possible on this object, or not now.
    IllegalOperation,
    /// A number is outside `min..=max`.
    RangeError {
        /// Least legal value.
        min: Word,
        /// Greatest legal value.
        max: Word,
    },
    /// An address is not aligned as the operation needs.
    AlignmentError,
    /// A slot or a paging structure could not be found.
    FailedLookup {
        /// The source was looked up, not the destination.
        source: bool,
        /// Why it was not found.
        failure: LookupFailure,
    },
    /// Fewer words or capabilities than the operation needs.
    TruncatedMessage,
    /// The destination is in use.
    DeleteFirst,
    /// The capability has children or copies.
    RevokeFirst,
    /// The untyped has too little memory left: bytes still free.
    NotEnoughMemory(Word),
    /// A label that is no kernel error, as a server's reply may carry.
    Unknown(Word),
}

/// Why a lookup failed (abi.md 4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LookupFailure {
    /// The root of the lookup is not a CNode (CSpace) or has no ASID (VSpace).
    InvalidRoot,
    /// Nothing is there.
    MissingCapability {
        /// Bits that were left to resolve; for paging structures 39, 30 or 21 names the missing level.
        bits_left: Word,
    },
    /// The address has too few or too many bits for the CNodes on its way.
    DepthMismatch {
        /// Bits that were left to resolve.
        bits_left: Word,
        /// Bits that the CNode resolves; 0 if a slot was reached with bits left over.
        bits_found: Word,
    },
    /// The address does not match a CNode's guard.
    GuardMismatch {
        /// Bits that were left to resolve.
        bits_left: Word,
        /// The guard of the CNode capability.
        guard: Word,
        /// Its size in bits.
        guard_bits: Word,
    },
    /// A number that abi.md does not know.
    Unknown(Word),
}

impl Error {
    /// The error of a reply with this label; `None` for label 0, success. `word` gives the reply's words.
    pub fn from_reply(label: Word, word: impl Fn(usize) -> Word) -> Option<Self> {
        let Some(error) = abi::Error::from_raw(label) else { return Some(Error::Unknown(label)) };
        Some(match error {
            abi::Error::NoError => return None,
            abi::Error::InvalidArgument => Error::InvalidArgument(word(0)),
            abi::Error::InvalidCapability => Error::InvalidCapability(word(0)),
            abi::Error::IllegalOperation => Error::IllegalOperation,
            abi::Error::RangeError => Error::RangeError { min: word(0), max: word(1) },
            abi::Error::AlignmentError => Error::AlignmentError,
            abi::Error::FailedLookup => Error::FailedLookup {
                source: word(0) != 0,
                failure: LookupFailure::from_words(|i| word(1 + i)),
            },
            abi::Error::TruncatedMessage => Error::TruncatedMessage,
            abi::Error::DeleteFirst => Error::DeleteFirst,
            abi::Error::RevokeFirst => Error::RevokeFirst,
            abi::Error::NotEnoughMemory => Error::NotEnoughMemory(word(0)),
        })
    }

    /// The level of paging structure that a failed map operation misses, as "bits left"
    /// ([`abi::error::MAPPING_LOOKUP_NO_PDPT`] and its neighbours).
    pub fn missing_paging_level(self) -> Option<Word> {
        match self {
            Error::FailedLookup { failure: LookupFailure::MissingCapability { bits_left }, .. } => {
                Some(bits_left)
            }
            _ => None,
        }
    }
}

impl LookupFailure {
    /// Decodes a lookup failure; `word(0)` is its kind.
    pub fn from_words(word: impl Fn(usize) -> Word) -> Self {
        let kind = word(0);
        match LookupFailureKind::from_raw(kind) {
            Some(LookupFailureKind::InvalidRoot) => LookupFailure::InvalidRoot,
            Some(LookupFailureKind::MissingCapability) => {
                LookupFailure::MissingCapability { bits_left: word(1) }
            }
            Some(LookupFailureKind::DepthMismatch) => {
                LookupFailure::DepthMismatch { bits_left: word(1), bits_found: word(2) }
            }
            Some(LookupFailureKind::GuardMismatch) => {
                LookupFailure::GuardMismatch { bits_left: word(1), guard: word(2), guard_bits: word(3) }
            }
            Some(LookupFailureKind::NoFailure) | None => LookupFailure::Unknown(kind),
        }
    }
}

impl Message {
    /// The reply of an invocation as a result.
    #[inline(always)]
    pub fn result(self) -> Result<Message> {
        if self.label() == 0 { Ok(self) } else { Err(self.error()) }
    }

    #[cold]
    #[inline(never)]
    fn error(self) -> Error {
        Error::from_reply(self.label(), |index| self.word(index)).unwrap_or(Error::Unknown(0))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Error::InvalidArgument(n) => write!(f, "argument {n} has an illegal value"),
            Error::InvalidCapability(0) => {
                f.write_str("the invoked capability is of the wrong kind, lacks a right, or is in use")
            }
            Error::InvalidCapability(n) => {
                write!(f, "capability {n} of the message is of the wrong kind, lacks a right, or is in use")
            }
            Error::IllegalOperation => f.write_str("not possible on this object now"),
            Error::RangeError { min, max } => write!(f, "a value is outside {min}..={max}"),
            Error::AlignmentError => f.write_str("an address is not aligned as needed"),
            Error::FailedLookup { source, failure } => {
                write!(f, "lookup of the {}: {failure}", if source { "source" } else { "destination" })
            }
            Error::TruncatedMessage => f.write_str("fewer words or capabilities than the operation needs"),
            Error::DeleteFirst => f.write_str("the destination is in use"),
            Error::RevokeFirst => f.write_str("the capability has children or copies"),
            Error::NotEnoughMemory(bytes) => {
                write!(f, "the untyped has too little memory: {bytes} bytes left")
            }
            Error::Unknown(label) => write!(f, "unknown error {label}"),
        }
    }
}

impl fmt::Display for LookupFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            LookupFailure::InvalidRoot => f.write_str("the root is no CNode"),
            LookupFailure::MissingCapability { bits_left } => {
                write!(f, "nothing is there ({bits_left} bits were left)")
            }
            LookupFailure::DepthMismatch { bits_left, bits_found } => {
                write!(f, "{bits_left} bits of address were left where {bits_found} are resolved")
            }
            LookupFailure::GuardMismatch { bits_left, guard, guard_bits } => {
                write!(
                    f,
                    "the address does not match the guard {guard:#x} of {guard_bits} bits ({bits_left} bits were left)"
                )
            }
            LookupFailure::Unknown(kind) => write!(f, "unknown lookup failure {kind}"),
        }
    }
}

impl core::error::Error for Error {}
impl core::error::Error for LookupFailure {}
