//! Which kind of capability a slot of the hostile CSpace usually holds.
//!
//! Hostile operations keep to it most of the time, so that a capability picked at random fits the operation; now and
//! then they do not, and everything gets everywhere.

use core::ops::Range;

use libsel::abi::Word;

use super::shared::THREADS;

/// log2 of the slots of a hostile CSpace root.
pub const ROOT_RADIX: Word = 8;
/// Slots of the root.
pub const SLOTS: Word = 1 << ROOT_RADIX;

/// Slot of the root's own capability with a guard of 56 bits: the root of a CSpace that is flat.
pub const ROOT_FLAT: Word = 24;
/// The same without a guard.
pub const ROOT_BARE: Word = 25;
/// The same with a guard of 48 bits: a capability pointer has 8 bits left behind the root.
pub const ROOT_DEEP: Word = 26;
/// First CNode of [`NESTED_RADIX`] in the root.
pub const NESTED: Word = 27;
/// log2 of the slots of nested CNodes.
pub const NESTED_RADIX: Word = 4;

/// A kind of capability, and its slots.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// All of them.
    Any,
    /// Those that no other kind has: capabilities of any kind get there.
    Spare,
    Tcb,
    CNode,
    /// Endpoints that faults go to: the supervisor's.
    Handler,
    Endpoint,
    Notification,
    SchedContext,
    Reply,
    Untyped,
    VSpace,
    Pdpt,
    PageDirectory,
    PageTable,
    Frame,
    AsidPool,
    AsidControl,
    SchedControl,
    IrqHandler,
    IoPort,
}

impl Class {
    /// Its slots.
    pub const fn slots(self) -> Range<Word> {
        match self {
            Class::Any => 1..SLOTS,
            Class::Spare => 233..SLOTS,
            Class::Tcb => 8..24,
            Class::CNode => 24..40,
            Class::Handler => 40..46,
            Class::Endpoint => 46..56,
            Class::Notification => 56..72,
            Class::SchedContext => 72..88,
            Class::Reply => 88..104,
            Class::Untyped => 104..136,
            Class::VSpace => 136..146,
            Class::Pdpt => 146..154,
            Class::PageDirectory => 154..162,
            Class::PageTable => 162..170,
            Class::Frame => 170..200,
            Class::AsidPool => 200..206,
            Class::AsidControl => 206..209,
            Class::SchedControl => 209..213,
            Class::IrqHandler => 213..223,
            Class::IoPort => 223..233,
        }
    }

    /// How many of its first slots hold what keeps hostile threads running.
    pub const fn vital(self) -> Word {
        match self {
            Class::Tcb | Class::SchedContext | Class::Frame | Class::Handler => THREADS as Word,
            Class::CNode | Class::AsidPool => 3,
            Class::VSpace | Class::Pdpt | Class::PageDirectory | Class::PageTable => 2,
            _ => 0,
        }
    }

    /// How many of its first slots hold what threads meet at. The supervisor fills them again when they are empty.
    pub const fn ports(self) -> Word {
        match self {
            Class::Endpoint | Class::Notification | Class::Reply => 2,
            _ => 0,
        }
    }
}

/// The kinds that operations on slots choose from.
pub const COPYABLE: &[Class] = &[
    Class::Tcb,
    Class::CNode,
    Class::Endpoint,
    Class::Endpoint,
    Class::Notification,
    Class::SchedContext,
    Class::Reply,
    Class::Untyped,
    Class::VSpace,
    Class::Pdpt,
    Class::PageDirectory,
    Class::PageTable,
    Class::Frame,
    Class::Frame,
    Class::AsidPool,
    Class::AsidControl,
    Class::SchedControl,
    Class::IrqHandler,
    Class::IoPort,
    Class::Handler,
    Class::Any,
];
