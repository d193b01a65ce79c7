//! Mapping frames, and the tables that this needs.
use libsel::abi::{CapRights, VmAttributes};
use libsel::bootinfo::initial;
use libsel::cap::{Cap, Frame, FrameSize, PageDirectory, PageTable, Pdpt, Retypable, VSpace};
use libsel::invoke::PagingStructure;
use libsel::{Error, println};

use super::Root;
use super::memory::{Memory, untyped};
use super::pieces::{OutOfMemory, Pieces};
use super::server::ServerId;

/// What a mapping allows beside reading.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Access {
    /// Writing.
    pub write: bool,
    /// Execution.
    pub execute: bool,
}

impl Access {
    /// Data.
    pub const DATA: Access = Access { write: true, execute: false };

    /// The rights of a capability for it.
    pub fn rights(self) -> CapRights {
        if self.write { CapRights::READ_WRITE } else { CapRights::READ }
    }

    fn attributes(self) -> VmAttributes {
        if self.execute { VmAttributes::empty() } else { VmAttributes::EXECUTE_NEVER }
    }
}

impl Root {
    /// Gives back the page tables of a server in whose addresses nothing is. They stay as long as memory suffices, as
    /// the same addresses are soon used again.
    pub fn drop_empty_tables(&mut self, id: ServerId) {
        let mut from = 0;
        while let Some((table, start)) = self.pieces.next_table(id, from) {
            let end = start + (1 << PageTable::SPAN_BITS);
            let is_empty = self.server(id).is_some_and(|server| {
                let next = server.space.next_range(&self.nodes, start);
                server.space.find(&self.nodes, start).is_none() && next.is_none_or(|range| range.start >= end)
            });
            if is_empty {
                self.pieces.drop_piece(&mut self.memory, table);
            }
            from = table + 1;
        }
    }
}

/// Where the addresses begin that the page table of an address covers.
fn table_start(vaddr: u64) -> u64 {
    vaddr >> PageTable::SPAN_BITS << PageTable::SPAN_BITS
}

/// Where frames are mapped, and who pays for the tables.
pub struct Target<'a> {
    /// Physical memory.
    pub memory: &'a mut Memory,
    /// Where the tables are noted.
    pub pieces: &'a mut Pieces,
    /// Who they belong to.
    pub owner: u8,
    /// The address space.
    pub vspace: Cap<VSpace>,
}

impl Target<'_> {
    /// Maps a frame, making the tables that are missing.
    pub fn map<S: FrameSize>(
        &mut self,
        frame: Cap<Frame<S>>,
        vaddr: u64,
        access: Access,
    ) -> Result<(), OutOfMemory> {
        self.map_cached(frame, vaddr, access, VmAttributes::WRITE_BACK)
    }

    /// The same with a choice of how it is cached.
    pub fn map_cached<S: FrameSize>(
        &mut self,
        frame: Cap<Frame<S>>,
        vaddr: u64,
        access: Access,
        caching: VmAttributes,
    ) -> Result<(), OutOfMemory> {
        let attributes = access.attributes() | caching;
        loop {
            match frame.map(self.vspace, vaddr, access.rights(), attributes) {
                Ok(()) => return Ok(()),
                Err(error) => self.add_table(vaddr, error)?,
            }
        }
    }

    /// Makes the table that a refused mapping names as missing; or takes the one away that is in the place of a large
    /// frame: nothing is mapped by it any more, as the frame's addresses were free.
    fn add_table(&mut self, vaddr: u64, error: Error) -> Result<(), OutOfMemory> {
        match error.missing_paging_level() {
            None if error == Error::DeleteFirst
                && self.pieces.drop_table(self.memory, self.owner, table_start(vaddr)) =>
            {
                Ok(())
            }
            Some(Pdpt::SPAN_BITS) => self.table::<Pdpt>(vaddr),
            Some(PageDirectory::SPAN_BITS) => self.table::<PageDirectory>(vaddr),
            Some(PageTable::SPAN_BITS) => self.table::<PageTable>(vaddr),
            _ => {
                println!("root: cannot map at {vaddr:#x}: {error}");
                Err(OutOfMemory)
            }
        }
    }

    fn table<T: PagingStructure + Retypable>(&mut self, vaddr: u64) -> Result<(), OutOfMemory> {
        let (block, slot) = if T::SPAN_BITS == PageTable::SPAN_BITS {
            self.pieces.table(self.memory, self.owner, table_start(vaddr))?
        } else {
            self.pieces.objects(self.memory, self.owner, 12, 1)?
        };
        let table: Cap<T> =
            untyped(block).retype_one(0, initial::CNODE, u64::from(slot)).map_err(|_| OutOfMemory)?;
        table.map_table(self.vspace, vaddr, VmAttributes::WRITE_BACK).map_err(|_| OutOfMemory)
    }
}
