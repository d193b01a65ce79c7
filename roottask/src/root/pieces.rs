//! Blocks of physical memory that were given to an address space, and the frames made from them.
use libsel::bootinfo::initial;
use libsel::cap::{Cap, Page};
use libsel::invoke::RetypeTarget;
use roottask::account::Account;
use roottask::phys::Block;

use super::memory::{Memory, untyped};
use super::server::MAX_SERVERS;
use super::{PAGE_OBJECT, own_slot};

/// Pieces at most.
pub const MAX_PIECES: usize = 6144;
/// The table of all pieces.
pub type Table = [Option<Piece>; MAX_PIECES];
/// log2 of the bytes of a page.
const PAGE_BITS: u8 = 12;
/// Pages of one piece at most: a bit each in [`Piece::live`].
pub const MAX_PAGES: u64 = 64;

/// Number of a piece.
pub type PieceId = u32;

/// What a piece is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Use {
    /// Paging structures and the server's own objects.
    Objects,
    /// The image, the IPC buffer, the start page.
    Image,
    /// What the server asked for.
    Heap,
}

/// One block and its frames.
#[derive(Clone, Copy)]
pub struct Piece {
    /// Which server has it.
    pub owner: u8,
    /// What it is for.
    pub purpose: Use,
    block: Block,
    first_slot: u32,
    slots: u32,
    /// Address of the first page, where the piece is mapped.
    pub vaddr: u64,
    /// Pages that are left.
    live: u64,
}

impl Piece {
    /// Pages at the start.
    pub fn pages(&self) -> u64 {
        u64::from(self.slots)
    }

    /// The frame of a page that is left.
    pub fn frame(&self, page: u64) -> Option<Cap<Page>> {
        let left = page < MAX_PAGES && self.live >> page & 1 != 0;
        left.then(|| Cap::new(u64::from(self.first_slot) + page))
    }
}

/// All pieces.
pub struct Pieces {
    table: &'static mut Table,
    hint: usize,
    free_places: usize,
    /// By the number of the server; the root task itself has none.
    accounts: [Account; MAX_SERVERS],
}

/// No memory, no slots, or no place in a table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OutOfMemory;

impl Pieces {
    /// None yet, in an empty table.
    pub fn new(table: &'static mut Table) -> Self {
        Pieces { table, hint: 0, free_places: MAX_PIECES, accounts: [Account::new(); MAX_SERVERS] }
    }

    /// A piece.
    pub fn get(&self, id: PieceId) -> Option<&Piece> {
        self.table.get(id as usize)?.as_ref()
    }

    /// From now on a server may take `quota` bytes more: what it asks for, rounded up to blocks, and the paging
    /// structures for it.
    pub fn limit(&mut self, owner: u8, quota: u64) {
        if let Some(account) = self.accounts.get_mut(usize::from(owner)) {
            account.limit(quota);
        }
    }

    /// Bytes that a server may still take.
    pub fn room(&self, owner: u8) -> u64 {
        self.accounts.get(usize::from(owner)).map_or(u64::MAX, Account::room)
    }

    /// A block and a run of slots, charged to their owner.
    fn take(
        &mut self,
        memory: &mut Memory,
        owner: u8,
        purpose: Use,
        size_bits: u8,
        slots: u32,
    ) -> Result<Piece, OutOfMemory> {
        let block = memory.alloc(size_bits).map_err(|_| OutOfMemory)?;
        let free_places = self.free_places;
        let account = self.accounts.get_mut(usize::from(owner));
        if !account.is_none_or(|account| account.charge(block.bytes(), free_places)) {
            let _ = memory.free_empty(block);
            return Err(OutOfMemory);
        }
        let Some(first_slot) = memory.kernel().slots.take(slots) else {
            let _ = memory.free_empty(block);
            self.refund(owner, &block);
            return Err(OutOfMemory);
        };
        Ok(Piece { owner, purpose, block, first_slot, slots, vaddr: 0, live: 0 })
    }

    /// Deletes all that was made from a piece's block, and gives block and slots back.
    fn give(&mut self, memory: &mut Memory, piece: &Piece) {
        // The allocator only refuses blocks that it did not hand out.
        let _ = memory.free(piece.block);
        memory.kernel().slots.give(piece.first_slot, piece.slots);
        self.refund(piece.owner, &piece.block);
    }

    fn refund(&mut self, owner: u8, block: &Block) {
        if let Some(account) = self.accounts.get_mut(usize::from(owner)) {
            account.refund(block.bytes());
        }
    }

    fn insert(&mut self, piece: Piece) -> Result<PieceId, OutOfMemory> {
        let places = (self.hint..MAX_PIECES).chain(0..self.hint);
        let free = places.into_iter().find(|&place| self.table[place].is_none()).ok_or(OutOfMemory)?;
        self.table[free] = Some(piece);
        self.hint = free + 1;
        self.free_places -= 1;
        Ok(free as PieceId)
    }

    /// A block of 2^`size_bits` bytes for kernel objects, of which `slots` will be made; returns the block's untyped
    /// slot and the first of the slots.
    pub fn objects(
        &mut self,
        memory: &mut Memory,
        owner: u8,
        size_bits: u8,
        slots: u32,
    ) -> Result<(u32, u32), OutOfMemory> {
        let piece = self.take(memory, owner, Use::Objects, size_bits, slots)?;
        match self.insert(piece) {
            Ok(_) => Ok((piece.block.slot, piece.first_slot)),
            Err(error) => {
                self.give(memory, &piece);
                Err(error)
            }
        }
    }

    /// Up to 64 zeroed frames of 4 KiB, to be mapped at `vaddr`.
    pub fn frames(
        &mut self,
        memory: &mut Memory,
        owner: u8,
        purpose: Use,
        vaddr: u64,
        pages: u64,
    ) -> Result<PieceId, OutOfMemory> {
        let pages = pages.clamp(1, MAX_PAGES);
        let size_bits = PAGE_BITS + pages.next_power_of_two().ilog2() as u8;
        let mut piece = self.take(memory, owner, purpose, size_bits, pages as u32)?;
        piece.vaddr = vaddr;
        piece.live = u64::MAX >> (64 - pages);
        let target = RetypeTarget::slots_of(initial::CNODE, u64::from(piece.first_slot));
        let made = untyped(piece.block.slot).retype(PAGE_OBJECT, 0, target, pages).map_err(|_| OutOfMemory);
        made.and_then(|()| self.insert(piece)).inspect_err(|_| self.give(memory, &piece))
    }

    /// Takes pages out of a piece: their frames go. True if none is left; then the piece is gone.
    pub fn drop_pages(&mut self, memory: &mut Memory, id: PieceId, first: u64, count: u64) -> bool {
        let Some(Some(piece)) = self.table.get_mut(id as usize) else { return true };
        for page in first..first + count {
            if let Some(frame) = piece.frame(page) {
                // A frame capability of ours can always be deleted.
                let _ = own_slot(frame.cptr() as u32).delete();
                piece.live &= !(1 << page);
            }
        }
        if piece.live != 0 {
            return false;
        }
        let piece = *piece;
        self.table[id as usize] = None;
        self.free_places += 1;
        self.refund(piece.owner, &piece.block);
        memory.kernel().slots.give(piece.first_slot, piece.slots);
        let _ = memory.free_empty(piece.block);
        true
    }

    /// Gives everything back that a server had.
    pub fn drop_owner(&mut self, memory: &mut Memory, owner: u8) {
        for place in 0..MAX_PIECES {
            if let Some(piece) = self.table[place].take_if(|piece| piece.owner == owner) {
                self.free_places += 1;
                self.give(memory, &piece);
            }
        }
        if let Some(account) = self.accounts.get_mut(usize::from(owner)) {
            *account = Account::new();
        }
        self.hint = 0;
    }
}
