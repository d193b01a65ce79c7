//! Object types and their sizes (abi.md 3.2), for IOMMU off, VT-x off, huge pages on.
use crate::{MIN_SCHED_CONTEXT_BITS, MIN_UNTYPED_BITS, numbered};

numbered! {
    /// The type argument of `Untyped_Retype`.
    pub enum ObjectType: u64 {
        /// Memory that can be retyped again.
        Untyped = 0,
        /// A thread.
        Tcb = 1,
        /// A synchronous message port.
        Endpoint = 2,
        /// An asynchronous signal word.
        Notification = 3,
        /// A table of capability slots.
        CapTable = 4,
        /// Processor time.
        SchedContext = 5,
        /// The right to answer one caller.
        Reply = 6,
        /// Page-directory-pointer table: 512 GiB.
        Pdpt = 7,
        /// PML4 table: an address space.
        Pml4 = 8,
        /// 1 GiB frame.
        HugePage = 9,
        /// 4 KiB frame.
        Page = 10,
        /// 2 MiB frame.
        LargePage = 11,
        /// Page table: 2 MiB.
        PageTable = 12,
        /// Page directory: 1 GiB.
        PageDirectory = 13,
    }
}

impl ObjectType {
    /// log2 of the size in bytes of one object made with this `size_bits` argument, which only untypeds, capability
    /// tables and scheduling contexts look at.
    #[inline]
    pub const fn object_bits(self, size_bits: u64) -> u64 {
        match self {
            ObjectType::Untyped | ObjectType::SchedContext => size_bits,
            ObjectType::CapTable => crate::SLOT_BITS + size_bits,
            ObjectType::Tcb => 11,
            ObjectType::Endpoint => 4,
            ObjectType::Notification => 6,
            ObjectType::Reply => 5,
            ObjectType::Pdpt
            | ObjectType::Pml4
            | ObjectType::Page
            | ObjectType::PageTable
            | ObjectType::PageDirectory => 12,
            ObjectType::LargePage => 21,
            ObjectType::HugePage => 30,
        }
    }

    /// Smallest legal `size_bits`; 0 where the argument is ignored.
    #[inline]
    pub const fn min_size_bits(self) -> u64 {
        match self {
            ObjectType::Untyped => MIN_UNTYPED_BITS,
            ObjectType::CapTable => 1,
            ObjectType::SchedContext => MIN_SCHED_CONTEXT_BITS,
            _ => 0,
        }
    }

    /// May be made from device memory (abi.md 3.2).
    #[inline]
    pub const fn from_device(self) -> bool {
        matches!(self, ObjectType::Untyped | ObjectType::Page | ObjectType::LargePage | ObjectType::HugePage)
    }
}
