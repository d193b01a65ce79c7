//! How an operation can end, as a row says it and as it was seen.

use core::fmt;

use libsel::abi::{Error, FaultType, LookupFailureKind, Word};

/// Stands for any value of a word.
pub const ANY: Word = Word::MAX;

/// How an operation ends. Numbers are the words that abi.md fixes; [`ANY`] where they depend on the case.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Label 0.
    Success,
    /// An error with its first words.
    Error(Error, [Word; 3]),
    /// A capability fault: in the receive phase (1) or not (0), with this lookup failure.
    CapFault(Word, LookupFailureKind),
    /// Another fault; for exceptions with the vector, for page faults with the error code.
    Fault(FaultType, Word),
    /// A system call returned, with the registers that it should.
    Returned,
    /// The faulter went on.
    Continues,
    /// The faulter did not.
    Stops,
}

/// InvalidArgument with the argument's number.
pub const fn invalid_argument(number: Word) -> Outcome {
    Outcome::Error(Error::InvalidArgument, [number, ANY, ANY])
}

/// InvalidCapability with the capability's number.
pub const fn invalid_capability(number: Word) -> Outcome {
    Outcome::Error(Error::InvalidCapability, [number, ANY, ANY])
}

/// RangeError with the least and the greatest legal value.
pub const fn range(least: Word, most: Word) -> Outcome {
    Outcome::Error(Error::RangeError, [least, most, ANY])
}

/// FailedLookup of a destination.
pub const fn not_found(kind: LookupFailureKind) -> Outcome {
    Outcome::Error(Error::FailedLookup, [0, kind.raw(), ANY])
}

/// FailedLookup of a source.
pub const fn source_not_found(kind: LookupFailureKind) -> Outcome {
    Outcome::Error(Error::FailedLookup, [1, kind.raw(), ANY])
}

/// FailedLookup of a source: its slot is empty, with so many bits of the address left.
pub const fn source_nothing_at(bits_left: Word) -> Outcome {
    Outcome::Error(Error::FailedLookup, [1, LookupFailureKind::MissingCapability.raw(), bits_left])
}

/// FailedLookup of a destination: nothing is there, with so many bits of the address left.
pub const fn nothing_at(bits_left: Word) -> Outcome {
    Outcome::Error(Error::FailedLookup, [0, LookupFailureKind::MissingCapability.raw(), bits_left])
}

/// An error without words.
const fn plain(error: Error) -> Outcome {
    Outcome::Error(error, [ANY; 3])
}

/// IllegalOperation.
pub const ILLEGAL: Outcome = plain(Error::IllegalOperation);
/// AlignmentError.
pub const ALIGNMENT: Outcome = plain(Error::AlignmentError);
/// TruncatedMessage.
pub const TRUNCATED: Outcome = plain(Error::TruncatedMessage);
/// DeleteFirst.
pub const DELETE_FIRST: Outcome = plain(Error::DeleteFirst);
/// RevokeFirst.
pub const REVOKE_FIRST: Outcome = plain(Error::RevokeFirst);
/// NotEnoughMemory, with the bytes still free.
pub const NOT_ENOUGH_MEMORY: Outcome = plain(Error::NotEnoughMemory);
/// Success.
pub const SUCCESS: Outcome = Outcome::Success;

/// Words of an error reply that count for the table.
const fn counted_words(error: Error, words: &[Word; 3]) -> usize {
    match error {
        Error::InvalidArgument | Error::InvalidCapability => 1,
        Error::RangeError => 2,
        Error::FailedLookup if words[2] == ANY => 2,
        Error::FailedLookup => 3,
        _ => 0,
    }
}

impl Outcome {
    /// Whether a reply with this label and these first words is this outcome.
    pub fn is_reply(self, label: Word, words: &[Word]) -> bool {
        match self {
            Outcome::Success => label == 0,
            Outcome::Error(error, expected) => {
                let mut pairs = expected.iter().zip(words).take(counted_words(error, &expected));
                label == error.raw() && pairs.all(|(expected, seen)| *expected == ANY || expected == seen)
            }
            _ => false,
        }
    }

    /// Whether a fault message with this label and these words is this outcome.
    pub fn is_fault(self, label: Word, words: &[Word]) -> bool {
        let word = |index: usize| words.get(index).copied().unwrap_or(0);
        match self {
            Outcome::CapFault(receiving, kind) => {
                label == FaultType::CapFault.raw() && word(2) == receiving && word(3) == kind.raw()
            }
            Outcome::Fault(fault, detail) => {
                let seen = match fault {
                    FaultType::UserException | FaultType::VmFault => word(3),
                    _ => detail,
                };
                label == fault.raw() && (detail == ANY || seen == detail)
            }
            _ => false,
        }
    }
}

/// A word, or dots if any will do.
struct Number(Word);

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == ANY { f.write_str("…") } else { write!(f, "{}", self.0) }
    }
}

/// As the table shows it.
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Outcome::Success => f.write_str("success"),
            Outcome::Error(error, words) => {
                write!(f, "{error:?}")?;
                match counted_words(error, &words) {
                    0 => Ok(()),
                    1 => write!(f, "({})", Number(words[0])),
                    _ if error == Error::RangeError => {
                        write!(f, "({}, {})", Number(words[0]), Number(words[1]))
                    }
                    _ => {
                        let kind = LookupFailureKind::from_raw(words[1]);
                        let kind = kind.unwrap_or(LookupFailureKind::NoFailure);
                        write!(f, "({}, {kind:?}", words[0])?;
                        if words[2] == ANY { f.write_str(")") } else { write!(f, " {})", words[2]) }
                    }
                }
            }
            Outcome::CapFault(_, kind) => write!(f, "CapFault, {kind:?}"),
            Outcome::Fault(FaultType::UserException, vector) => {
                write!(f, "UserException, vector {}", Number(vector))
            }
            Outcome::Fault(FaultType::VmFault, code) if code != ANY => write!(f, "VmFault, code {code:#x}"),
            Outcome::Fault(fault, _) => write!(f, "{fault:?}"),
            Outcome::Returned => f.write_str("returns"),
            Outcome::Continues => f.write_str("continues"),
            Outcome::Stops => f.write_str("stops"),
        }
    }
}
