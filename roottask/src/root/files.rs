//! Memory that is not the root task's to hand out as RAM: frames of what lies there, and the boot archive's files.
use libsel::abi::ObjectType;
use libsel::bootinfo::{Module, initial};
use libsel::cap::{Cap, Page};
use libsel::invoke::RetypeTarget;
use libsel::proto::root::{FileInfo, MapBootFile, Mapped};
use libsel::proto::{Name, ServiceError};
use roottask::manifest;
use roottask::phys::Block;

use super::Root;
use super::answer::{Answer, Outcome, ServiceErrorOf};
use super::memory::untyped;
use super::pieces::{MAX_PAGES, OutOfMemory, PAGE_BITS, Use, Wanted};
use super::server::ServerId;
use super::space::Access;
use super::window::PAGE_BYTES;

/// Files whose frames are kept.
pub const MAX_FILES: usize = 64;
/// Bytes of a file at most.
const FILE_BYTES: u64 = 16 << 20;
/// log2 of the bytes of a block of device memory at most: 64 pages.
const BLOCK_BITS: u8 = 18;
/// Blocks at most: [`FILE_BYTES`] in the largest ones, and smaller ones at both ends.
const MAX_BLOCKS: usize = (FILE_BYTES >> BLOCK_BITS) as usize + 2 * (BLOCK_BITS - PAGE_BITS) as usize;

/// Frames of device memory at consecutive addresses.
pub struct Run {
    blocks: [Option<Block>; MAX_BLOCKS],
    first_slot: u32,
    pages: u32,
}

impl Run {
    /// The frame of a page.
    pub fn frame(&self, page: u32) -> Cap<Page> {
        Cap::new(u64::from(self.first_slot + page))
    }

    /// How many pages.
    pub fn pages(&self) -> u32 {
        self.pages
    }
}

/// A file's frames: made when they are first needed, and kept, as several servers may map a file.
#[derive(Clone, Copy)]
pub struct Frames {
    paddr: u64,
    first_slot: u32,
}

/// The largest block that begins at `paddr` and ends at or before `end`.
fn block_bits(paddr: u64, end: u64, most: u8) -> u8 {
    let fits = (end - paddr).ilog2() as u8;
    (paddr.trailing_zeros() as u8).min(fits).min(most)
}

impl Root {
    /// Makes the frames of the pages that hold `paddr..paddr + bytes`, device memory that nobody has.
    pub fn make_run(&mut self, paddr: u64, bytes: u64) -> Result<Run, OutOfMemory> {
        let start = paddr & !(PAGE_BYTES as u64 - 1);
        let end = paddr.checked_add(bytes).and_then(|end| end.checked_next_multiple_of(PAGE_BYTES as u64));
        let end = end.filter(|end| *end > start && end - start <= FILE_BYTES).ok_or(OutOfMemory)?;
        let pages = ((end - start) >> PAGE_BITS) as u32;
        let first_slot = self.memory.kernel().slots.take(pages).ok_or(OutOfMemory)?;
        let mut run = Run { blocks: [None; MAX_BLOCKS], first_slot, pages };
        let mut at = start;
        while at < end {
            let size_bits = block_bits(at, end, BLOCK_BITS);
            let slot = first_slot + ((at - start) >> PAGE_BITS) as u32;
            let count = 1 << (size_bits - PAGE_BITS);
            let made = self.memory.alloc_at(at, size_bits).map_err(|_| OutOfMemory).and_then(|block| {
                let place = run.blocks.iter_mut().find(|place| place.is_none()).ok_or(OutOfMemory)?;
                *place = Some(block);
                let target = RetypeTarget::slots_of(initial::CNODE, u64::from(slot));
                untyped(block.slot).retype(ObjectType::Page, 0, target, count).map_err(|_| OutOfMemory)
            });
            if let Err(error) = made {
                self.drop_run(&run);
                return Err(error);
            }
            at += 1 << size_bits;
        }
        Ok(run)
    }

    /// Gives the frames of a run back.
    pub fn drop_run(&mut self, run: &Run) {
        for block in run.blocks.iter().flatten() {
            let _ = self.memory.free(*block);
        }
        self.memory.kernel().slots.give(run.first_slot, run.pages);
    }

    /// The first slot of a file's frames.
    pub fn file_frames(&mut self, paddr: u64, bytes: u64) -> Result<u32, OutOfMemory> {
        if let Some(known) = self.files.iter().flatten().find(|frames| frames.paddr == paddr) {
            return Ok(known.first_slot);
        }
        let place = self.files.iter().position(Option::is_none).ok_or(OutOfMemory)?;
        let first_slot = self.make_run(paddr, bytes)?.first_slot;
        self.files[place] = Some(Frames { paddr, first_slot });
        Ok(first_slot)
    }

    fn file(&self, index: u64) -> Result<(Module<'static>, Name), ServiceErrorOf> {
        let index = usize::try_from(index).map_err(|_| ServiceError::NotFound)?;
        let module = self.bootinfo.modules().nth(index).ok_or(ServiceError::NotFound)?;
        let name = Name::new(manifest::file_name(module.string)).ok_or(ServiceError::NotFound)?;
        Ok((module, name))
    }

    /// Name and size of a file.
    pub fn boot_file(&self, index: u64) -> Outcome {
        let (module, name) = self.file(index)?;
        Ok(Answer::of(&FileInfo { name, bytes: module.size }))
    }

    /// Maps a file into a server's address space, read-only: one piece for each 64 pages.
    pub fn map_boot_file(&mut self, id: ServerId, request: &MapBootFile) -> Outcome {
        let (module, _) = self.file(request.index)?;
        let pages = module.size.div_ceil(PAGE_BYTES as u64);
        if pages == 0 {
            return Err(ServiceError::InvalidArgument.into());
        }
        let first = self.file_frames(module.paddr, module.size)?;
        let start = self.find_addresses(id, pages << PAGE_BITS, PAGE_BYTES as u64)?;
        let access = Access { write: false, execute: false };
        let mut done = 0;
        while done < pages {
            let count = (pages - done).min(MAX_PAGES);
            let vaddr = start + (done << PAGE_BITS);
            let wanted = Wanted { owner: id, purpose: Use::File, vaddr, access };
            let source = (first + done as u32, count as u32);
            let piece = self.pieces.copies(&mut self.memory, wanted, source, PAGE_BITS);
            if let Err(error) = piece.map_err(Into::into).and_then(|piece| self.enter_piece(id, piece)) {
                self.unmap_range(id, start, vaddr);
                return Err(error);
            }
            done += count;
        }
        Ok(Answer::Mapped(Mapped { address: start }))
    }

    /// Free addresses of a server's, for pieces that are entered next.
    pub fn find_addresses(&mut self, id: ServerId, bytes: u64, align: u64) -> Result<u64, ServiceErrorOf> {
        let Some(Some(server)) = self.servers.get_mut(usize::from(id)) else {
            return Err(ServiceError::Refused.into());
        };
        server.may_take_nodes(&self.nodes)?;
        let range = server.space.alloc(&mut self.nodes, bytes, align)?;
        server.space.release(&mut self.nodes, range)?;
        Ok(range.start)
    }
}
