//! Blocks of physical memory that were given to an address space, and the frames made from them.
use libsel::abi::ObjectType;
use libsel::bootinfo::initial;
use libsel::cap::AbsoluteSlot;
use libsel::invoke::RetypeTarget;
use libsel::proto::admin::KindBytes;
use roottask::account::{Account, Tables};
use roottask::phys::Block;

use super::memory::{Memory, untyped};
pub use super::piece::{LARGE_BITS, MAX_PAGES, PAGE_BITS, Piece, PieceId, Use, Wanted};
use super::server::MAX_SERVERS;
use super::space::Access;
use super::{PAGE_OBJECT, own_slot};

/// Pieces at most.
pub const MAX_PIECES: usize = 6144;
/// The table of all pieces.
pub type Table = [Option<Piece>; MAX_PIECES];

/// The type of frames of that size.
const LARGE_OBJECT: ObjectType = ObjectType::LargePage;
/// Objects of one retype at most.
const RETYPE_AT_MOST: u32 = 256;

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

    /// A run of slots, all charged to their owner; what cannot be charged is given back.
    fn take(
        &mut self,
        memory: &mut Memory,
        wanted: Wanted,
        block: Option<Block>,
        slots: u32,
        frame_bits: u8,
    ) -> Result<Piece, OutOfMemory> {
        let mut piece = Piece::new(wanted, block, 0, slots, frame_bits);
        let free = Tables { places: self.free_places, slots: memory.kernel().slots.free() as usize };
        let account = self.accounts.get_mut(usize::from(wanted.owner));
        let charged = account.is_none_or(|account| account.charge(piece.charged(), slots as usize, free));
        let slots = if charged { memory.kernel().slots.take(slots) } else { None };
        if slots.is_none() {
            if charged {
                self.refund(&piece);
            }
            if let Some(block) = block {
                let _ = memory.free_empty(block);
            }
        }
        piece.first_slot = slots.ok_or(OutOfMemory)?;
        Ok(piece)
    }

    /// Deletes all that was made from a piece's block, and gives block and slots back.
    fn give(&mut self, memory: &mut Memory, piece: &Piece) {
        match piece.block {
            // The allocator only refuses blocks that it did not hand out.
            Some(block) => {
                let _ = memory.free(block);
            }
            None => {
                for slot in piece.first_slot..piece.first_slot + piece.slots {
                    let _ = own_slot(slot).delete();
                }
            }
        }
        memory.kernel().slots.give(piece.first_slot, piece.slots);
        self.refund(piece);
    }

    fn refund(&mut self, piece: &Piece) {
        if let Some(account) = self.accounts.get_mut(usize::from(piece.owner)) {
            account.refund(piece.charged(), piece.slots as usize);
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
        self.objects_of(memory, owner, size_bits, slots).map(|(_, block, first)| (block, first))
    }

    /// The same for objects that may go before their owner does; returns the number of the piece, too.
    pub fn objects_of(
        &mut self,
        memory: &mut Memory,
        owner: u8,
        size_bits: u8,
        slots: u32,
    ) -> Result<(PieceId, u32, u32), OutOfMemory> {
        self.place_for_objects(memory, owner, (Use::Objects, 0), size_bits, slots)
    }

    /// The same for the page table that covers the addresses from `vaddr` on.
    pub fn table(&mut self, memory: &mut Memory, owner: u8, vaddr: u64) -> Result<(u32, u32), OutOfMemory> {
        let made = self.place_for_objects(memory, owner, (Use::Table, vaddr), PAGE_BITS, 1);
        made.map(|(_, block, first)| (block, first))
    }

    /// Deletes the page table that covers the addresses from `vaddr` on. False: there is none.
    pub fn drop_table(&mut self, memory: &mut Memory, owner: u8, vaddr: u64) -> bool {
        let wanted = (owner, Use::Table, vaddr);
        let is_it = |piece: &Piece| (piece.owner, piece.purpose, piece.vaddr) == wanted;
        let found = self.table.iter().position(|piece| piece.as_ref().is_some_and(is_it));
        if let Some(id) = found {
            self.drop_piece(memory, id as PieceId);
        }
        found.is_some()
    }

    /// The first page table of a server's at place `from` of the table or behind it: its place and its addresses.
    pub fn next_table(&self, owner: u8, from: PieceId) -> Option<(PieceId, u64)> {
        let rest = self.table.iter().enumerate().skip(from as usize);
        rest.filter_map(|(id, piece)| Some((id as PieceId, piece.as_ref()?)))
            .find(|(_, piece)| (piece.owner, piece.purpose) == (owner, Use::Table))
            .map(|(id, piece)| (id, piece.vaddr))
    }

    fn place_for_objects(
        &mut self,
        memory: &mut Memory,
        owner: u8,
        (purpose, vaddr): (Use, u64),
        size_bits: u8,
        slots: u32,
    ) -> Result<(PieceId, u32, u32), OutOfMemory> {
        let access = Access { write: false, execute: false };
        let wanted = Wanted { owner, purpose, vaddr, access };
        let block = memory.alloc(size_bits).map_err(|_| OutOfMemory)?;
        let piece = self.take(memory, wanted, Some(block), slots, PAGE_BITS)?;
        match self.insert(piece) {
            Ok(id) => Ok((id, block.slot, piece.first_slot)),
            Err(error) => {
                self.give(memory, &piece);
                Err(error)
            }
        }
    }

    /// Up to 64 zeroed frames of 4 KiB.
    pub fn frames(
        &mut self,
        memory: &mut Memory,
        wanted: Wanted,
        pages: u64,
    ) -> Result<PieceId, OutOfMemory> {
        let pages = pages.clamp(1, MAX_PAGES);
        let size_bits = PAGE_BITS + pages.next_power_of_two().ilog2() as u8;
        let block = memory.alloc(size_bits).map_err(|_| OutOfMemory)?;
        self.cut(memory, wanted, block, pages as u32, PAGE_BITS)
    }

    /// Frames of 2^`frame_bits` bytes made from a block: of RAM they are zeroed. On error the block is given back.
    pub fn cut(
        &mut self,
        memory: &mut Memory,
        wanted: Wanted,
        block: Block,
        frames: u32,
        frame_bits: u8,
    ) -> Result<PieceId, OutOfMemory> {
        let piece = self.take(memory, wanted, Some(block), frames, frame_bits)?;
        let object = if frame_bits == PAGE_BITS { PAGE_OBJECT } else { LARGE_OBJECT };
        let mut made = Ok(());
        let mut done = 0;
        while made.is_ok() && done < frames {
            let count = (frames - done).min(RETYPE_AT_MOST);
            let target = RetypeTarget::slots_of(initial::CNODE, u64::from(piece.first_slot + done));
            made = untyped(block.slot).retype(object, 0, target, u64::from(count)).map_err(|_| OutOfMemory);
            done += count;
        }
        made.and_then(|()| self.insert(piece)).inspect_err(|_| self.give(memory, &piece))
    }

    /// Other capabilities to the frames in `frames` slots from `first` on.
    pub fn copies(
        &mut self,
        memory: &mut Memory,
        wanted: Wanted,
        (first, frames): (u32, u32),
        frame_bits: u8,
    ) -> Result<PieceId, OutOfMemory> {
        let piece = self.take(memory, wanted, None, frames, frame_bits)?;
        let rights = wanted.access.rights();
        let mut made = Ok(());
        for index in 0..frames {
            let from = AbsoluteSlot::in_cspace(initial::CNODE, u64::from(first + index));
            let to = own_slot(piece.first_slot + index);
            made = made.and_then(|()| to.copy(from, rights).map_err(|_| OutOfMemory));
        }
        made.and_then(|()| self.insert(piece)).inspect_err(|_| self.give(memory, &piece))
    }

    /// The same for the frames of a piece, which has all of them.
    pub fn copy_of(
        &mut self,
        memory: &mut Memory,
        wanted: Wanted,
        id: PieceId,
    ) -> Result<PieceId, OutOfMemory> {
        let source = *self.get(id).ok_or(OutOfMemory)?;
        self.copies(memory, wanted, (source.first_slot, source.slots), source.frame_bits)
    }

    /// Changes a piece.
    pub fn change(&mut self, id: PieceId, f: impl FnOnce(&mut Piece)) {
        if let Some(Some(piece)) = self.table.get_mut(id as usize) {
            f(piece);
        }
    }

    /// Another server has a piece from now on, and pays for it even above its limit. It is mapped nowhere.
    pub fn hand_over(&mut self, id: PieceId, owner: u8) {
        let Some(Some(piece)) = self.table.get_mut(id as usize) else { return };
        for index in 0..piece.frames() {
            if let Some(frame) = piece.any_frame(index) {
                let _ = frame.unmap();
            }
        }
        let before = *piece;
        (piece.owner, piece.vaddr) = (owner, 0);
        let (charged, slots) = (piece.charged(), piece.slots as usize);
        self.refund(&before);
        if let Some(account) = self.accounts.get_mut(usize::from(owner)) {
            account.burden(charged, slots);
        }
    }

    /// Gives a whole piece back.
    pub fn drop_piece(&mut self, memory: &mut Memory, id: PieceId) {
        if let Some(piece) = self.table.get_mut(id as usize).and_then(Option::take) {
            self.free_places += 1;
            self.give(memory, &piece);
        }
    }

    /// Bytes of all blocks by what they are for.
    pub fn used(&self) -> KindBytes {
        let mut used = KindBytes::default();
        for piece in self.table.iter().flatten() {
            used.add(piece.purpose.kind(), piece.block.map_or(0, |block| block.bytes()));
        }
        used
    }

    /// Takes pages out of a piece that is divisible: their frames go. True if none is left; then the piece is gone.
    pub fn drop_pages(&mut self, memory: &mut Memory, id: PieceId, first: u64, count: u64) -> bool {
        let Some(Some(piece)) = self.table.get_mut(id as usize) else { return true };
        for page in first..first + count {
            if let Some(frame) = piece.any_frame(page) {
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
        self.refund(&piece);
        memory.kernel().slots.give(piece.first_slot, piece.slots);
        if let Some(block) = piece.block {
            let _ = memory.free_empty(block);
        }
        true
    }

    /// The piece of a server's image that holds an address, and which of its pages.
    pub fn image_at(&self, owner: u8, address: u64) -> Option<(PieceId, u64)> {
        let holds = |piece: &Piece| {
            let offset = address.checked_sub(piece.vaddr)?;
            let page = offset >> PAGE_BITS;
            (piece.owner == owner && piece.purpose == Use::Image && piece.any_frame(page).is_some())
                .then_some(page)
        };
        self.table.iter().enumerate().find_map(|(id, piece)| Some((id as PieceId, holds(piece.as_ref()?)?)))
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
