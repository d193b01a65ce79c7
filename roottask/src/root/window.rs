//! Looking into memory that belongs to others: a page of the root task's own addresses, and a run for boot modules.
use libsel::abi::ObjectType;
use libsel::bootinfo::initial;
use libsel::cap::{Cap, Page};
use libsel::invoke::RetypeTarget;
use libsel::proto::start::StartPage;
use roottask::phys::Block;

use super::memory::untyped;
use super::pieces::OutOfMemory;
use super::space::{Access, Target};
use super::{Root, own_slot};

/// Addresses that the root task manages for itself: far from its image.
pub const OWN_START: u64 = 0x20_0000_0000;
/// End of those addresses.
pub const OWN_END: u64 = 0x40_0000_0000;
/// Bytes of a page.
pub const PAGE_BYTES: usize = 4096;
/// Number that owns what the root task maps for itself.
pub const ROOT_OWNER: u8 = u8::MAX;
/// Pages of a boot module at most: 4 MiB.
const MODULE_PAGES: usize = 1024;
/// Bytes of a boot module at most.
pub const MODULE_BYTES: u64 = (MODULE_PAGES * PAGE_BYTES) as u64;

impl Root {
    fn own_target(&mut self) -> Target<'_> {
        Target {
            memory: &mut self.memory,
            pieces: &mut self.pieces,
            owner: ROOT_OWNER,
            vspace: initial::VSPACE,
        }
    }

    /// Maps a frame that is mapped nowhere, runs `f` on its bytes, and unmaps it.
    pub fn with_page<R>(
        &mut self,
        frame: Cap<Page>,
        f: impl FnOnce(&mut [u8; PAGE_BYTES]) -> R,
    ) -> Result<R, OutOfMemory> {
        let range = self
            .own_space
            .alloc(&mut self.nodes, PAGE_BYTES as u64, PAGE_BYTES as u64)
            .map_err(|_| OutOfMemory)?;
        let mapped = self.own_target().map(frame, range.start, Access::DATA);
        let result = mapped.map(|()| {
            let page = core::ptr::with_exposed_provenance_mut::<[u8; PAGE_BYTES]>(range.start as usize);
            // SAFETY: the frame was just mapped readable and writable at this address, which no other range covers,
            // and nobody else runs on it: servers that share it are stopped or not started.
            f(unsafe { &mut *page })
        });
        let _ = frame.unmap();
        let _ = self.own_space.release(&mut self.nodes, range);
        result
    }

    /// Runs `f` on a boot module's bytes, which lie in device memory.
    pub fn with_module<R>(
        &mut self,
        paddr: u64,
        size: u64,
        f: impl FnOnce(&mut Self, &[u8]) -> R,
    ) -> Result<R, OutOfMemory> {
        let pages = size.div_ceil(PAGE_BYTES as u64) as usize;
        if pages == 0 || pages > MODULE_PAGES {
            return Err(OutOfMemory);
        }
        let length = (pages * PAGE_BYTES) as u64;
        let range =
            self.own_space.alloc(&mut self.nodes, length, PAGE_BYTES as u64).map_err(|_| OutOfMemory)?;
        let mut blocks: [Option<(Block, u32)>; MODULE_PAGES] = [None; MODULE_PAGES];
        let mut mapped = Ok(());
        for (page, entry) in blocks.iter_mut().enumerate().take(pages) {
            let offset = (page * PAGE_BYTES) as u64;
            match self.map_device_page(paddr + offset, range.start + offset) {
                Ok(block) => *entry = Some(block),
                Err(error) => {
                    mapped = Err(error);
                    break;
                }
            }
        }
        let result = mapped.map(|()| {
            let start = core::ptr::with_exposed_provenance::<u8>(range.start as usize);
            // SAFETY: all pages of the module are mapped readable in this range, which nothing else covers; the module's
            // memory is never written.
            f(self, unsafe { core::slice::from_raw_parts(start, size as usize) })
        });
        for (block, slot) in blocks.into_iter().flatten() {
            let _ = self.memory.free(block);
            self.memory.kernel().slots.give(slot, 1);
        }
        let _ = self.own_space.release(&mut self.nodes, range);
        result
    }

    fn map_device_page(&mut self, paddr: u64, vaddr: u64) -> Result<(Block, u32), OutOfMemory> {
        let block = self.memory.alloc_at(paddr, 12).map_err(|_| OutOfMemory)?;
        let Some(slot) = self.memory.kernel().slots.take(1) else {
            let _ = self.memory.free(block);
            return Err(OutOfMemory);
        };
        let target = RetypeTarget::slots_of(initial::CNODE, u64::from(slot));
        let frame: Cap<Page> = Cap::new(u64::from(slot));
        let read_only = Access { write: false, execute: false };
        let made = untyped(block.slot).retype(ObjectType::Page, 0, target, 1).map_err(|_| OutOfMemory);
        let mapped = made.and_then(|()| self.own_target().map(frame, vaddr, read_only));
        mapped.map(|()| (block, slot)).inspect_err(|_| {
            let _ = own_slot(slot).delete();
            let _ = self.memory.free(block);
            self.memory.kernel().slots.give(slot, 1);
        })
    }
}

/// Writes a server's start page.
pub fn write_start_page(page: &mut [u8; PAGE_BYTES], content: &StartPage) {
    let to = page.as_mut_ptr().cast::<StartPage>();
    // SAFETY: `page` is a whole page, so it has the size and alignment of a start page, and it is written only here.
    unsafe { to.write(*content) }
}

/// The text that a panic left in a server's start page; `f` gets it.
pub fn read_panic<R>(page: &mut [u8; PAGE_BYTES], f: impl FnOnce(&str) -> R) -> Option<R> {
    let page = page.as_ptr().cast::<StartPage>();
    // SAFETY: a start page is plain words and bytes; whatever the server wrote is a valid one, and it is stopped.
    let note = unsafe { &(*page).panic };
    note.read().map(f)
}
