//! Address space identifiers (abi.md 7.9).

use crate::abi::Label;
use crate::cap::{AbsoluteSlot, AsidControl, AsidPool, Cap, Untyped, VSpace};
use crate::error::Result;

impl Cap<AsidControl> {
    /// X86_ASIDControl_MakePool: turns an untyped of exactly 4 KiB into a pool of 512 identifiers.
    ///
    /// Errors: `DeleteFirst` all 8 pools exist or the slot is full, `InvalidCapability(1)` no such untyped,
    /// `RevokeFirst` it has children, `FailedLookup` no such slot.
    ///
    /// ```no_run
    /// # use libsel::{abi::*, bootinfo::initial, cap::*, invoke::*, println};
    /// # fn example(untyped: Cap<Untyped>) -> libsel::Result<()> {
    /// initial::ASID_CONTROL.make_pool(untyped, initial::CNODE.at(100))?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn make_pool(self, untyped: Cap<Untyped>, dest: AbsoluteSlot) -> Result<()> {
        self.perform(
            Label::X86AsidControlMakePool,
            &[dest.index, dest.depth],
            &[untyped.cptr(), dest.root.cptr()],
        )
    }
}

impl Cap<AsidPool> {
    /// X86_ASIDPool_Assign: makes a PML4 an address space that can be mapped into and given to threads.
    ///
    /// Errors: `InvalidCapability(1)` no PML4, or it has an identifier; `DeleteFirst` the pool is used up.
    ///
    /// ```no_run
    /// # use libsel::{abi::*, bootinfo::initial, cap::*, invoke::*, println};
    /// # fn example(untyped: Cap<Untyped>) -> libsel::Result<()> {
    /// let vspace: Cap<VSpace> = untyped.retype_one(0, initial::CNODE, 100)?;
    /// initial::ASID_POOL.assign(vspace)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn assign(self, vspace: Cap<VSpace>) -> Result<()> {
        self.perform(Label::X86AsidPoolAssign, &[], &[vspace.cptr()])
    }
}
