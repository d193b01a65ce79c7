//! CNode operations (abi.md 7.4). They are methods of the destination slot, whose root is the CNode that is invoked.
//!
//! All of them fail with `RangeError` (depth not 1..=64) or `FailedLookup` if a slot is not found; those with a source
//! also with `DeleteFirst` if the destination is full and `FailedLookup` if the source is empty.

use crate::abi::{CNodeCapData, CPtr, CapRights, Label, Word};
use crate::cap::{AbsoluteSlot, CNode, Cap};
use crate::error::Result;

/// The middle slot of a rotation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pivot {
    /// The slot.
    pub slot: AbsoluteSlot,
    /// Capability data for the capability that leaves the pivot for the destination; 0 changes nothing.
    pub dest_data: Word,
    /// Capability data for the capability that moves from the source to the pivot; 0 changes nothing.
    pub pivot_data: Word,
}

impl AbsoluteSlot {
    /// CNode_Revoke: deletes every capability derived from the one in this slot, which stays.
    ///
    /// ```no_run
    /// # use libsel::{abi::*, bootinfo::initial, cap::*, invoke::*, println};
    /// # fn example() -> libsel::Result<()> {
    /// // Everything made from the untyped in slot 90 goes, and its memory is free again.
    /// initial::CNODE.at(90).revoke()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn revoke(self) -> Result<()> {
        self.root.perform(Label::CNodeRevoke, &[self.index, self.depth], &[])
    }

    /// CNode_Delete: empties this slot; the object goes with its last capability.
    ///
    /// ```no_run
    /// # use libsel::{abi::*, bootinfo::initial, cap::*, invoke::*, println};
    /// # fn example() -> libsel::Result<()> {
    /// initial::CNODE.at(100).delete()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn delete(self) -> Result<()> {
        self.root.perform(Label::CNodeDelete, &[self.index, self.depth], &[])
    }

    /// CNode_CancelBadgedSends: restarts every thread that waits to send through capabilities with this badge.
    ///
    /// Error: `IllegalOperation` if the slot holds no endpoint capability with all rights.
    ///
    /// ```no_run
    /// # use libsel::{abi::*, bootinfo::initial, cap::*, invoke::*, println};
    /// # fn example() -> libsel::Result<()> {
    /// // Slot 101 holds the badged capability that a client got.
    /// initial::CNODE.at(101).cancel_badged_sends()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn cancel_badged_sends(self) -> Result<()> {
        self.root.perform(Label::CNodeCancelBadgedSends, &[self.index, self.depth], &[])
    }

    /// CNode_Copy: a copy of `source` with at most `rights`, into this slot.
    ///
    /// Errors: `RevokeFirst` untyped with children, `IllegalOperation` the kind cannot be copied (or not now).
    ///
    /// ```no_run
    /// # use libsel::{abi::*, bootinfo::initial, cap::*, invoke::*, println};
    /// # fn example() -> libsel::Result<()> {
    /// // A copy that can only be received from.
    /// initial::CNODE.at(101).copy(initial::CNODE.at(100), CapRights::READ)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn copy(self, source: AbsoluteSlot, rights: CapRights) -> Result<()> {
        self.root.perform(
            Label::CNodeCopy,
            &[self.index, self.depth, source.index, source.depth, rights.bits()],
            &[source.root.cptr()],
        )
    }

    /// CNode_Mint: a copy of `source` with at most `rights` and with `badge`: a badge for endpoints and notifications
    /// that have none yet, a [`CNodeCapData`] word for CNodes.
    ///
    /// Errors: as for [`AbsoluteSlot::copy`]; `IllegalOperation` also if the source has a badge already.
    ///
    /// ```no_run
    /// # use libsel::{abi::*, bootinfo::initial, cap::*, invoke::*, println};
    /// # fn example() -> libsel::Result<()> {
    /// // For client 7: it can call, and the server sees the 7 with every message.
    /// let rights = CapRights::WRITE | CapRights::GRANT_REPLY;
    /// initial::CNODE.at(101).mint(initial::CNODE.at(100), rights, 7)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn mint(self, source: AbsoluteSlot, rights: CapRights, badge: Word) -> Result<()> {
        self.root.perform(
            Label::CNodeMint,
            &[self.index, self.depth, source.index, source.depth, rights.bits(), badge],
            &[source.root.cptr()],
        )
    }

    /// CNode_Mint of a CNode capability with a new guard.
    ///
    /// ```no_run
    /// # use libsel::{abi::*, bootinfo::initial, cap::*, invoke::*, println};
    /// # fn example() -> libsel::Result<()> {
    /// // A CNode of 2^8 slots as the root of a CSpace: its guard takes the other 56 bits.
    /// initial::CNODE.at(101).mint_guarded(initial::CNODE.at(100), CNodeCapData::new(0, 56))?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn mint_guarded(self, source: AbsoluteSlot, data: CNodeCapData) -> Result<()> {
        self.mint(source, CapRights::ALL, data.0)
    }

    /// CNode_Move: the capability leaves `source` for this slot.
    ///
    /// ```no_run
    /// # use libsel::{abi::*, bootinfo::initial, cap::*, invoke::*, println};
    /// # fn example() -> libsel::Result<()> {
    /// initial::CNODE.at(101).move_from(initial::CNODE.at(100))?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn move_from(self, source: AbsoluteSlot) -> Result<()> {
        self.root.perform(
            Label::CNodeMove,
            &[self.index, self.depth, source.index, source.depth],
            &[source.root.cptr()],
        )
    }

    /// CNode_Mutate: moves the capability and sets a CNode's guard on the way.
    ///
    /// Error: `IllegalOperation` for endpoints and notifications.
    ///
    /// ```no_run
    /// # use libsel::{abi::*, bootinfo::initial, cap::*, invoke::*, println};
    /// # fn example() -> libsel::Result<()> {
    /// let data = CNodeCapData::new(0, 56);
    /// initial::CNODE.at(101).mutate(initial::CNODE.at(100), data.0)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn mutate(self, source: AbsoluteSlot, data: Word) -> Result<()> {
        self.root.perform(
            Label::CNodeMutate,
            &[self.index, self.depth, source.index, source.depth, data],
            &[source.root.cptr()],
        )
    }

    /// CNode_Rotate: the capability in `source` goes to the pivot and the pivot's here. With `source` = this slot the
    /// two are swapped.
    ///
    /// Error: `IllegalOperation` if the pivot is the source or the destination, or data do not fit the capability.
    ///
    /// ```no_run
    /// # use libsel::{abi::*, bootinfo::initial, cap::*, invoke::*, println};
    /// # fn example() -> libsel::Result<()> {
    /// // Swaps what is in the slots 100 and 101.
    /// let (here, pivot) = (initial::CNODE.at(100), initial::CNODE.at(101));
    /// here.rotate(Pivot { slot: pivot, dest_data: 0, pivot_data: 0 }, here)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn rotate(self, pivot: Pivot, source: AbsoluteSlot) -> Result<()> {
        self.root.perform(
            Label::CNodeRotate,
            &[
                self.index,
                self.depth,
                pivot.dest_data,
                pivot.slot.index,
                pivot.slot.depth,
                pivot.pivot_data,
                source.index,
                source.depth,
            ],
            &[pivot.slot.root.cptr(), source.root.cptr()],
        )
    }
}

impl Cap<CNode> {
    /// The slot that `cptr` names in the CSpace rooted here.
    ///
    /// ```no_run
    /// # use libsel::{abi::*, bootinfo::initial, cap::*, invoke::*, println};
    /// # fn example() -> libsel::Result<()> {
    /// assert_eq!(initial::CNODE.at(100).index, 100);
    /// # Ok(())
    /// # }
    /// ```
    #[inline]
    pub const fn at(self, cptr: CPtr) -> AbsoluteSlot {
        AbsoluteSlot::in_cspace(self, cptr)
    }
}
