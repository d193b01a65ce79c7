//! What can go wrong in a system call, and the words that tell the caller (abi.md 4).
use sel_abi::{Error, LookupFailureKind};

/// Why a lookup in a CSpace or VSpace failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LookupFailure {
    /// The root is not a CNode.
    InvalidRoot,
    /// The slot is empty, or holds something else than needed.
    MissingCapability {
        /// Specific to the operation.
        bits_left: u64,
    },
    /// The address ends inside a CNode, or has bits left behind a slot.
    DepthMismatch {
        /// Bits still to resolve.
        bits_left: u64,
        /// Bits that the CNode would resolve.
        bits_found: u64,
    },
    /// The address does not have the CNode's guard.
    GuardMismatch {
        /// Bits still to resolve on entering the CNode.
        bits_left: u64,
        /// The guard.
        guard_found: u64,
        /// Its size.
        bits_found: u64,
    },
}

impl LookupFailure {
    /// The words of a fault or error message: kind first, zero-filled. Returns them with their number.
    pub fn words(self) -> ([u64; 4], usize) {
        let kind = |kind: LookupFailureKind| kind.raw();
        match self {
            LookupFailure::InvalidRoot => ([kind(LookupFailureKind::InvalidRoot), 0, 0, 0], 1),
            LookupFailure::MissingCapability { bits_left } => {
                ([kind(LookupFailureKind::MissingCapability), bits_left, 0, 0], 2)
            }
            LookupFailure::DepthMismatch { bits_left, bits_found } => {
                ([kind(LookupFailureKind::DepthMismatch), bits_left, bits_found, 0], 3)
            }
            LookupFailure::GuardMismatch { bits_left, guard_found, bits_found } => {
                ([kind(LookupFailureKind::GuardMismatch), bits_left, guard_found, bits_found], 4)
            }
        }
    }
}

/// Why an invocation was refused. Nothing has changed when one is returned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SyscallError {
    /// Number of the argument.
    InvalidArgument(u64),
    /// Number of the capability: 0 the invoked one, 1 extra capability 0, …
    InvalidCapability(u64),
    /// Not possible on this object now.
    IllegalOperation,
    /// A value outside of its bounds, which are inclusive.
    RangeError {
        /// Least legal value.
        min: u64,
        /// Greatest legal value.
        max: u64,
    },
    /// An address is not aligned as needed.
    AlignmentError,
    /// A lookup failed.
    FailedLookup {
        /// The lookup of a source.
        source: bool,
        /// Why.
        failure: LookupFailure,
    },
    /// Words or capabilities are missing.
    TruncatedMessage,
    /// A destination is in use.
    DeleteFirst,
    /// The capability has children or copies.
    RevokeFirst,
    /// Bytes still free in the untyped.
    NotEnoughMemory(u64),
}

impl SyscallError {
    /// A failed lookup of a destination.
    pub fn destination(failure: LookupFailure) -> Self {
        SyscallError::FailedLookup { source: false, failure }
    }

    /// A failed lookup of a source.
    pub fn source(failure: LookupFailure) -> Self {
        SyscallError::FailedLookup { source: true, failure }
    }

    /// Label and words of the error reply, zero-filled, and the number of words.
    pub fn message(self) -> (Error, [u64; 5], usize) {
        match self {
            SyscallError::InvalidArgument(number) => (Error::InvalidArgument, [number, 0, 0, 0, 0], 1),
            SyscallError::InvalidCapability(number) => (Error::InvalidCapability, [number, 0, 0, 0, 0], 1),
            SyscallError::IllegalOperation => (Error::IllegalOperation, [0; 5], 0),
            SyscallError::RangeError { min, max } => (Error::RangeError, [min, max, 0, 0, 0], 2),
            SyscallError::AlignmentError => (Error::AlignmentError, [0; 5], 0),
            SyscallError::FailedLookup { source, failure } => {
                let ([a, b, c, d], count) = failure.words();
                (Error::FailedLookup, [u64::from(source), a, b, c, d], count + 1)
            }
            SyscallError::TruncatedMessage => (Error::TruncatedMessage, [0; 5], 0),
            SyscallError::DeleteFirst => (Error::DeleteFirst, [0; 5], 0),
            SyscallError::RevokeFirst => (Error::RevokeFirst, [0; 5], 0),
            SyscallError::NotEnoughMemory(free) => (Error::NotEnoughMemory, [free, 0, 0, 0, 0], 1),
        }
    }
}

/// Why an operation did not finish.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stop {
    /// It was refused.
    Error(SyscallError),
    /// A preemption point stopped it: the system call is executed again later and goes on.
    Preempted,
}

impl From<SyscallError> for Stop {
    fn from(error: SyscallError) -> Self {
        Stop::Error(error)
    }
}

/// A long operation was stopped at a preemption point.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Preempted;

impl From<Preempted> for Stop {
    fn from(_: Preempted) -> Self {
        Stop::Preempted
    }
}
