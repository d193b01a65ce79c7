//! Frames and paging structures (abi.md 7.8).

use crate::abi::{CapRights, Label, VmAttributes, Word};
use crate::cap::{Cap, Frame, FrameSize, Kind, PageDirectory, PageTable, Pdpt, VSpace};
use crate::error::Result;

/// The three tables below the root of an address space.
pub trait PagingStructure: Kind {
    /// The map operation.
    const MAP: Label;
    /// The unmap operation.
    const UNMAP: Label;
    /// log2 of the bytes of address space that one table covers.
    const SPAN_BITS: u64;
}

impl PagingStructure for Pdpt {
    const MAP: Label = Label::X86PdptMap;
    const UNMAP: Label = Label::X86PdptUnmap;
    const SPAN_BITS: u64 = 39;
}

impl PagingStructure for PageDirectory {
    const MAP: Label = Label::X86PageDirectoryMap;
    const UNMAP: Label = Label::X86PageDirectoryUnmap;
    const SPAN_BITS: u64 = 30;
}

impl PagingStructure for PageTable {
    const MAP: Label = Label::X86PageTableMap;
    const UNMAP: Label = Label::X86PageTableUnmap;
    const SPAN_BITS: u64 = 21;
}

impl<T: PagingStructure> Cap<T> {
    /// X86_PDPT_Map, X86_PageDirectory_Map, X86_PageTable_Map: enters the table for the span that holds `address`.
    ///
    /// Errors: `InvalidCapability(0)` mapped already, `(1)` no address space or one without ASID;
    /// `InvalidArgument(0)` no user address; `FailedLookup` (39 or 30 bits left) the table above is missing;
    /// `DeleteFirst` the place is taken.
    ///
    /// ```no_run
    /// # use libsel::{abi::*, bootinfo::initial, cap::*, invoke::*, println};
    /// # fn example(table: Cap<PageTable>) -> libsel::Result<()> {
    /// table.map_table(initial::VSPACE, 0x4000_0000, VmAttributes::WRITE_BACK)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn map_table(self, vspace: Cap<VSpace>, address: Word, attributes: VmAttributes) -> Result<()> {
        self.perform(T::MAP, &[address, attributes.bits()], &[vspace.cptr()])
    }

    /// The matching unmap; the table's entries are forgotten. Succeeds on a table that is not mapped.
    ///
    /// Error: `RevokeFirst` there are other capabilities to the table.
    ///
    /// ```no_run
    /// # use libsel::{abi::*, bootinfo::initial, cap::*, invoke::*, println};
    /// # fn example(table: Cap<PageTable>) -> libsel::Result<()> {
    /// table.unmap_table()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn unmap_table(self) -> Result<()> {
        self.perform(T::UNMAP, &[], &[])
    }
}

impl<S: FrameSize> Cap<Frame<S>> {
    /// X86_Page_Map: maps the frame at `address`, or changes rights and attributes where it is mapped already.
    ///
    /// Errors: `InvalidCapability(1)` no address space, one without ASID, or the frame is mapped in another;
    /// `InvalidArgument(0)` no user address, or mapped elsewhere; `AlignmentError`; `FailedLookup` (39, 30 or 21 bits
    /// left, see [`crate::Error::missing_paging_level`]) a table is missing; `DeleteFirst` a table is in the place of
    /// a large frame.
    ///
    /// ```no_run
    /// # use libsel::{abi::*, bootinfo::initial, cap::*, invoke::*, println};
    /// # fn example(frame: Cap<Page>) -> libsel::Result<()> {
    /// frame.map(initial::VSPACE, 0x4000_0000, CapRights::READ_WRITE, VmAttributes::WRITE_BACK)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn map(
        self,
        vspace: Cap<VSpace>,
        address: Word,
        rights: CapRights,
        attributes: VmAttributes,
    ) -> Result<()> {
        self.perform(Label::X86PageMap, &[address, rights.bits(), attributes.bits()], &[vspace.cptr()])
    }

    /// X86_Page_Unmap. Succeeds on a frame that is not mapped.
    ///
    /// ```no_run
    /// # use libsel::{abi::*, bootinfo::initial, cap::*, invoke::*, println};
    /// # fn example(frame: Cap<Page>) -> libsel::Result<()> {
    /// frame.unmap()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn unmap(self) -> Result<()> {
        self.perform(Label::X86PageUnmap, &[], &[])
    }

    /// X86_Page_GetAddress: the frame's physical address.
    ///
    /// ```no_run
    /// # use libsel::{abi::*, bootinfo::initial, cap::*, invoke::*, println};
    /// # fn example(frame: Cap<Page>) -> libsel::Result<()> {
    /// let physical = frame.get_address()?;
    /// println!("a device reaches it at {physical:#x}");
    /// # Ok(())
    /// # }
    /// ```
    pub fn get_address(self) -> Result<Word> {
        self.invoke(Label::X86PageGetAddress, &[], &[]).map(|reply| reply.word(0))
    }
}
