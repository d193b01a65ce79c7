//! Looking into memory that belongs to others: a page of the root task's own addresses, and a run for boot modules.
use libsel::abi::VmAttributes;
use libsel::bootinfo::initial;
use libsel::cap::{Cap, Page};
use libsel::proto::start::StartPage;
use roottask::virt::Range;

use super::Root;
use super::pieces::OutOfMemory;
use super::space::{Access, Target};

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
        if size == 0 || size > MODULE_BYTES {
            return Err(OutOfMemory);
        }
        let first = self.file_frames(paddr, size)?;
        let pages = size.div_ceil(PAGE_BYTES as u64) as u32;
        self.with_frames(first, pages, |root, bytes| f(root, bytes.get(..size as usize).unwrap_or(bytes)))
    }

    /// Runs `f` on a table of the firmware.
    pub fn with_physical<R>(
        &mut self,
        paddr: u64,
        size: u64,
        f: impl FnOnce(&[u8]) -> R,
    ) -> Result<R, OutOfMemory> {
        let run = self.make_run(paddr, size)?;
        let skipped = (paddr % PAGE_BYTES as u64) as usize;
        let result = self.with_frames(run.frame(0).cptr() as u32, run.pages(), |_, bytes| {
            f(bytes.get(skipped..skipped + size as usize).unwrap_or_default())
        });
        self.drop_run(&run);
        result
    }

    /// A device's register of 32 bits, which nobody has mapped.
    pub fn read_register(&mut self, paddr: u64) -> Result<u32, OutOfMemory> {
        self.with_registers(paddr, size_of::<u32>(), false, |address| {
            let register = core::ptr::with_exposed_provenance::<u32>(address);
            // SAFETY: the page is mapped there, readable, for nobody else; the caller names a register, which is aligned.
            unsafe { register.read_volatile() }
        })
    }

    /// Writes a device's registers of 32 bits, which nobody has mapped.
    pub fn write_registers<const N: usize>(
        &mut self,
        paddr: u64,
        words: [u32; N],
    ) -> Result<(), OutOfMemory> {
        self.with_registers(paddr, size_of_val(&words), true, |address| {
            for (number, word) in words.into_iter().enumerate() {
                let register =
                    core::ptr::with_exposed_provenance_mut::<u32>(address + number * size_of::<u32>());
                // SAFETY: the pages are mapped there, writable, for nobody else; the caller names registers, which are
                // aligned.
                unsafe { register.write_volatile(word) }
            }
        })
    }

    /// Runs `f` with the address where a device's registers are mapped meanwhile. They do not cross a page's end.
    fn with_registers<R>(
        &mut self,
        paddr: u64,
        bytes: usize,
        write: bool,
        f: impl FnOnce(usize) -> R,
    ) -> Result<R, OutOfMemory> {
        let page = PAGE_BYTES as u64;
        if paddr % page + bytes as u64 > page {
            return Err(OutOfMemory);
        }
        let run = self.make_run(paddr, bytes as u64)?;
        let range = self.own_space.alloc(&mut self.nodes, page, page);
        let result = range.map_err(|_| OutOfMemory).and_then(|range| {
            let access = Access { write, execute: false };
            let caching = VmAttributes::UNCACHEABLE;
            let mapped = self.own_target().map_cached(run.frame(0), range.start, access, caching);
            let result = mapped.map(|()| f((range.start + paddr % page) as usize));
            let _ = run.frame(0).unmap();
            let _ = self.own_space.release(&mut self.nodes, range);
            result
        });
        self.drop_run(&run);
        result
    }

    /// Maps a boot module for good.
    pub fn keep_module(&mut self, paddr: u64, size: u64) -> Result<&'static [u8], OutOfMemory> {
        if size == 0 || size > MODULE_BYTES {
            return Err(OutOfMemory);
        }
        let first = self.file_frames(paddr, size)?;
        let range = self.open_frames(first, size.div_ceil(PAGE_BYTES as u64) as u32)?;
        let start = core::ptr::with_exposed_provenance::<u8>(range.start as usize);
        // SAFETY: all the frames are mapped readable in this range, which nothing else covers and which stays; a boot
        // module is not written any more.
        Ok(unsafe { core::slice::from_raw_parts(start, size as usize) })
    }

    /// Maps frames of device memory in consecutive slots, read-only, at free addresses.
    fn open_frames(&mut self, first_slot: u32, pages: u32) -> Result<Range, OutOfMemory> {
        let length = u64::from(pages) * PAGE_BYTES as u64;
        let range =
            self.own_space.alloc(&mut self.nodes, length, PAGE_BYTES as u64).map_err(|_| OutOfMemory)?;
        let read_only = Access { write: false, execute: false };
        let mut mapped = Ok(());
        for page in 0..pages {
            let vaddr = range.start + u64::from(page) * PAGE_BYTES as u64;
            let frame = Cap::<Page>::new(u64::from(first_slot + page));
            mapped = mapped.and_then(|()| self.own_target().map(frame, vaddr, read_only));
        }
        if let Err(error) = mapped {
            self.close_frames(first_slot, pages, range);
            return Err(error);
        }
        Ok(range)
    }

    fn close_frames(&mut self, first_slot: u32, pages: u32, range: Range) {
        for page in 0..pages {
            let _ = Cap::<Page>::new(u64::from(first_slot + page)).unmap();
        }
        let _ = self.own_space.release(&mut self.nodes, range);
    }

    /// Maps frames of device memory in consecutive slots, read-only, and runs `f` on them.
    fn with_frames<R>(
        &mut self,
        first_slot: u32,
        pages: u32,
        f: impl FnOnce(&mut Self, &[u8]) -> R,
    ) -> Result<R, OutOfMemory> {
        let range = self.open_frames(first_slot, pages)?;
        let start = core::ptr::with_exposed_provenance::<u8>(range.start as usize);
        // SAFETY: all the frames are mapped readable in this range, which nothing else covers; what lies there are boot
        // modules and tables of the firmware, which are not written any more.
        let result = f(self, unsafe { core::slice::from_raw_parts(start, pages as usize * PAGE_BYTES) });
        self.close_frames(first_slot, pages, range);
        Ok(result)
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
