//! Error numbers and lookup failures (abi.md 4).
use crate::numbered;

numbered! {
    /// The label of the reply to an invocation (abi.md 4). Words that go with it are in MR0…
    pub enum Error: u64 {
        /// Success.
        NoError = 0,
        /// MR0 = argument number.
        InvalidArgument = 1,
        /// MR0 = capability number: 0 the invoked one, 1 extra capability 0, …
        InvalidCapability = 2,
        /// Not possible on this object now.
        IllegalOperation = 3,
        /// MR0 = minimum, MR1 = maximum.
        RangeError = 4,
        /// An address is not aligned as needed.
        AlignmentError = 5,
        /// MR0 = 1 if the failing lookup was "source", MR1 = [`LookupFailureKind`], MR2… its words.
        FailedLookup = 6,
        /// Fewer words or capabilities than the operation needs.
        TruncatedMessage = 7,
        /// A destination is in use.
        DeleteFirst = 8,
        /// The capability has children or copies.
        RevokeFirst = 9,
        /// MR0 = bytes still free in the untyped.
        NotEnoughMemory = 10,
    }
}

numbered! {
    /// Why a CSpace or VSpace lookup failed (abi.md 4); the words that follow are named at each.
    pub enum LookupFailureKind: u64 {
        /// Never sent.
        NoFailure = 0,
        /// The root is not a CNode.
        InvalidRoot = 1,
        /// bits left.
        MissingCapability = 2,
        /// bits left, bits found.
        DepthMismatch = 3,
        /// bits left, guard found, bits found (guard size).
        GuardMismatch = 4,
    }
}

/// Word of a FailedLookup reply that holds the "bits left" of a missing paging structure (abi.md 4).
pub const MAPPING_LOOKUP_LEVEL: usize = 2;
/// Missing-capability level of a mapping lookup: no PDPT.
pub const MAPPING_LOOKUP_NO_PDPT: u64 = 39;
/// Missing-capability level of a mapping lookup: no page directory.
pub const MAPPING_LOOKUP_NO_PD: u64 = 30;
/// Missing-capability level of a mapping lookup: no page table.
pub const MAPPING_LOOKUP_NO_PT: u64 = 21;
