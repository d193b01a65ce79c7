//! Untyped memory (abi.md 7.2).

use crate::abi::{CPtr, Label, ObjectType, Word};
use crate::cap::{CNode, Cap, Retypable, Untyped};
use crate::error::Result;

/// Where the capabilities of new objects go: a run of slots of one CNode.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RetypeTarget {
    /// Where the lookup of the CNode starts.
    pub root: Cap<CNode>,
    /// Address of the CNode below `root`; ignored if `node_depth` is 0.
    pub node_index: CPtr,
    /// Bits of `node_index` to resolve; 0 means `root` itself.
    pub node_depth: Word,
    /// First slot to fill.
    pub node_offset: Word,
}

impl RetypeTarget {
    /// Slots of `cnode` itself, from `offset` on.
    ///
    /// ```no_run
    /// # use libsel::{abi::*, bootinfo::initial, cap::*, invoke::*, println};
    /// # fn example() -> libsel::Result<()> {
    /// let target = RetypeTarget::slots_of(initial::CNODE, 100);
    /// assert_eq!(target.node_depth, 0);
    /// # Ok(())
    /// # }
    /// ```
    #[inline]
    pub const fn slots_of(cnode: Cap<CNode>, offset: Word) -> Self {
        RetypeTarget { root: cnode, node_index: 0, node_depth: 0, node_offset: offset }
    }
}

impl Cap<Untyped> {
    /// Untyped_Retype: makes `num_objects` objects of one type. `size_bits` matters for untypeds (log2 bytes), CNodes
    /// (log2 slots) and scheduling contexts (log2 bytes).
    ///
    /// Errors: `InvalidArgument(0)` type, `InvalidArgument(1)` size or not possible in device memory, `RangeError`
    /// size, offset or number, `FailedLookup` CNode not found, `DeleteFirst` a slot is full, `NotEnoughMemory`.
    ///
    /// ```no_run
    /// # use libsel::{abi::*, bootinfo::initial, cap::*, invoke::*, println};
    /// # fn example(untyped: Cap<Untyped>) -> libsel::Result<()> {
    /// // Sixteen 4 KiB frames into slots 100 to 115.
    /// let target = RetypeTarget::slots_of(initial::CNODE, 100);
    /// untyped.retype(ObjectType::Page, 0, target, 16)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn retype(
        self,
        object_type: ObjectType,
        size_bits: Word,
        target: RetypeTarget,
        num_objects: Word,
    ) -> Result<()> {
        let RetypeTarget { root, node_index, node_depth, node_offset } = target;
        self.perform(
            Label::UntypedRetype,
            &[object_type.raw(), size_bits, node_index, node_depth, node_offset, num_objects],
            &[root.cptr()],
        )
    }

    /// [`Cap::retype`] for one object whose capability goes into slot `slot` of `cnode`, the root of the caller's
    /// CSpace; returns it typed.
    ///
    /// ```no_run
    /// # use libsel::{abi::*, bootinfo::initial, cap::*, invoke::*, println};
    /// # fn example(untyped: Cap<Untyped>) -> libsel::Result<()> {
    /// let endpoint: Cap<Endpoint> = untyped.retype_one(0, initial::CNODE, 100)?;
    /// // A CNode of 2^8 slots.
    /// let cnode: Cap<CNode> = untyped.retype_one(8, initial::CNODE, 101)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn retype_one<K: Retypable>(self, size_bits: Word, cnode: Cap<CNode>, slot: CPtr) -> Result<Cap<K>> {
        self.retype(K::OBJECT_TYPE, size_bits, RetypeTarget::slots_of(cnode, slot), 1)?;
        Ok(Cap::new(slot))
    }
}
