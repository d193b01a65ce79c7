//! Which object a capability is for, and where it lies, from the words of the capability: the derivation tree asks for
//! little else, at every step.
use sel_abi::CapTag;

use super::{ADDRESS_SHIFT, ASID_MASK, RawCap, TAG_BITS};
use crate::addr::PhysAddr;

const TAG_MASK: u64 = (1 << TAG_BITS) - 1;
const TAGS: usize = 1 << TAG_BITS;
/// Word 0 without its small fields.
const TAG_AND_ADDRESS: u64 = !0 << ADDRESS_SHIFT | TAG_MASK;
/// Small fields of a frame capability that belong to the frame: size and whether it is a device's.
const FRAME_FIELDS: u64 = 0b1_0011 << TAG_BITS;

/// The bits that two capabilities to one object have in common.
#[derive(Clone, Copy)]
struct Identity {
    word0: u64,
    word1: u64,
    /// There are no two: two untypeds are never the same, and nothing is shared with what is being deleted.
    never: bool,
}

impl Identity {
    const fn of(tag: CapTag) -> Identity {
        let (word0, word1, never) = match tag {
            CapTag::Null | CapTag::Untyped | CapTag::Zombie => (TAG_AND_ADDRESS, 0, true),
            CapTag::Frame => (TAG_AND_ADDRESS | FRAME_FIELDS, 0, false),
            CapTag::Pml4 => (TAG_AND_ADDRESS & !(ASID_MASK << ADDRESS_SHIFT), 0, false),
            CapTag::SchedControl | CapTag::IrqHandler | CapTag::IoPort => (TAG_AND_ADDRESS, !0, false),
            CapTag::Endpoint
            | CapTag::Notification
            | CapTag::Reply
            | CapTag::CNode
            | CapTag::Tcb
            | CapTag::SchedContext
            | CapTag::PageTable
            | CapTag::PageDirectory
            | CapTag::Pdpt
            | CapTag::AsidPool
            | CapTag::AsidControl
            | CapTag::IrqControl
            | CapTag::IoPortControl
            | CapTag::Domain => (TAG_AND_ADDRESS, 0, false),
        };
        Identity { word0, word1, never }
    }
}

/// By tag.
const IDENTITIES: [Identity; TAGS] = {
    let mut identities = [Identity::of(CapTag::Null); TAGS];
    let mut index = 0;
    while index < CapTag::ALL.len() {
        let tag = CapTag::ALL[index];
        identities[tag.raw() as usize] = Identity::of(tag);
        index += 1;
    }
    identities
};

impl RawCap {
    /// True if the two capabilities name the same object, so that neither is the last one while both exist.
    #[inline(always)]
    pub fn same_object(self, other: RawCap) -> bool {
        static TABLE: [Identity; TAGS] = IDENTITIES;
        let identity = &TABLE[(self.0 & TAG_MASK) as usize];
        (self.0 ^ other.0) & identity.word0 == 0
            && (self.1 ^ other.1) & identity.word1 == 0
            && !identity.never
    }

    /// The physical memory that the object occupies, as [`Cap::memory`](super::Cap::memory) of the unpacked capability.
    ///
    /// # Safety
    /// As [`RawCap::unpack`].
    #[inline(always)]
    pub unsafe fn memory(self) -> Option<(PhysAddr, u64)> {
        if let Some(frame) = self.frame() {
            Some((frame.base, 1 << frame.size.bits()))
        } else if let Some(untyped) = self.untyped() {
            Some((untyped.base, untyped.size()))
        } else {
            // SAFETY: the caller's promise.
            unsafe { self.object_memory() }
        }
    }

    /// # Safety
    /// As [`RawCap::unpack`].
    #[inline(never)]
    unsafe fn object_memory(self) -> Option<(PhysAddr, u64)> {
        // SAFETY: the caller's promise.
        unsafe { self.unpack() }.memory()
    }
}
