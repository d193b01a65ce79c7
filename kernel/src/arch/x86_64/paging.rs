//! The kernel's own page tables: all RAM at one offset, the kernel image with the least rights that do, and a window for
//! devices. The lower half belongs to users.
use core::cell::Cell;
use core::fmt;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::cpu::{self, Features};
use super::{framebuffer, percpu, stack, tlb};
use crate::addr::{KernelPtr, PHYS_OFFSET, PhysAddr};
use crate::arch::AddressSpace;
use crate::arch::pte::{Entry, EntryFlags, PageTable, TABLE_ENTRIES};
use crate::boot::Framebuffer;
use crate::boot::acpi::PhysMemory;
use crate::boot::layout::Kept;
use crate::boot::memory::PAGE;
use crate::boot::memory_pool::{self, OutOfMemory};
use crate::boot::region::{Region, RegionList};

/// Where device registers are mapped, page by page.
const DEVICE_WINDOW: u64 = 0xffff_ff00_0000_0000;
/// Where the framebuffer is mapped, a GiB behind that.
const SCREEN_WINDOW: u64 = DEVICE_WINDOW + (1 << HUGE_BITS);
/// The page of the window through which [`PhysWindow`] looks.
const LOOKING_GLASS: usize = 0;
const LARGE_BITS: u64 = sel_abi::LARGE_PAGE_BITS;
const HUGE_BITS: u64 = sel_abi::HUGE_PAGE_BITS;

/// A page of RAM or of the image.
const MEMORY: EntryFlags = EntryFlags::PRESENT.union(EntryFlags::GLOBAL);
const DATA: EntryFlags = MEMORY.union(EntryFlags::WRITABLE).union(EntryFlags::NO_EXECUTE);
/// A page of device registers: PAT index 3, uncached.
const DEVICE: EntryFlags = DATA.union(EntryFlags::PWT).union(EntryFlags::PCD);

static ROOT: AtomicU64 = AtomicU64::new(0);
/// Entries of the root table that the kernel uses, one bit each.
static USED_ENTRIES: [AtomicU64; TABLE_ENTRIES / 64] = [const { AtomicU64::new(0) }; TABLE_ENTRIES / 64];
static DEVICE_TABLE: AtomicU64 = AtomicU64::new(0);
static NEXT_DEVICE: AtomicUsize = AtomicUsize::new(LOOKING_GLASS + 1);

/// Where the boot loader put things.
#[derive(Clone, Copy, Debug)]
pub struct LoaderMapping {
    /// What the loader's page tables add to a physical address.
    pub phys_offset: u64,
    /// Physical address of the kernel image.
    pub kernel_paddr: u64,
}

/// The page tables cannot be built.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PagingError {
    /// No memory for tables.
    OutOfMemory,
    /// All pages of the device window are taken.
    WindowFull,
    /// The processor cannot address this.
    BeyondPhysical(u64),
}

impl fmt::Display for PagingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PagingError::OutOfMemory => {
                write!(f, "too little free memory for page tables: give the machine more")
            }
            PagingError::WindowFull => write!(f, "more interrupt controllers than the kernel has room for"),
            PagingError::BeyondPhysical(paddr) => {
                write!(f, "{paddr:#x} is not a physical address of this processor")
            }
        }
    }
}

impl From<OutOfMemory> for PagingError {
    fn from(_: OutOfMemory) -> Self {
        PagingError::OutOfMemory
    }
}

/// A part of the image and its rights.
struct Section {
    pages: Region,
    flags: EntryFlags,
}

/// The parts of the image, by the symbols of the linker script.
fn sections() -> [Section; 3] {
    unsafe extern "C" {
        static __text_start: u8;
        static __text_end: u8;
        static __rodata_start: u8;
        static __rodata_end: u8;
        static __data_start: u8;
        static __data_end: u8;
    }
    let section = |start: *const u8, end: *const u8, flags| {
        let region = Region { start: start.expose_provenance() as u64, end: end.expose_provenance() as u64 };
        Section { pages: region.aligned_outward(PAGE), flags }
    };
    [
        section(&raw const __text_start, &raw const __text_end, MEMORY),
        section(&raw const __rodata_start, &raw const __rodata_end, MEMORY | EntryFlags::NO_EXECUTE),
        section(&raw const __data_start, &raw const __data_end, DATA),
    ]
}

/// The virtual addresses of the kernel image.
pub fn image() -> Region {
    let [text, _, data] = sections();
    Region { start: text.pages.start, end: data.pages.end }
}

/// Builds tables while the boot loader's are in use.
struct Builder<'a> {
    free: &'a mut RegionList,
    loader: LoaderMapping,
}

impl Builder<'_> {
    fn allocate(&mut self) -> Result<PhysAddr, PagingError> {
        let paddr = memory_pool::take(self.free, PAGE, PAGE)?;
        self.table(paddr).entries.iter().for_each(|entry| entry.set(Entry::EMPTY));
        Ok(paddr)
    }

    fn table(&self, paddr: PhysAddr) -> &'static PageTable {
        let address = paddr.0.wrapping_add(self.loader.phys_offset);
        // SAFETY: the address is of a page that `allocate` took from free RAM, which the loader maps at this offset;
        // entries are cells.
        unsafe { &*core::ptr::with_exposed_provenance(address as usize) }
    }

    /// The table that an entry leads to; a new one if it leads nowhere.
    fn next(&mut self, entry: &Cell<Entry>) -> Result<PhysAddr, PagingError> {
        if !entry.get().is_present() {
            entry.set(Entry::new(self.allocate()?, EntryFlags::PRESENT | EntryFlags::WRITABLE));
        }
        Ok(entry.get().address())
    }

    /// The entry for a page of 2^`bits` bytes.
    fn entry(&mut self, root: PhysAddr, vaddr: u64, bits: u64) -> Result<&'static Cell<Entry>, PagingError> {
        const ROOT_SHIFT: u64 = 39;
        const INDEX_BITS: u64 = 9;
        let mut table = root;
        let mut shift = ROOT_SHIFT;
        loop {
            let index = vaddr >> shift & (TABLE_ENTRIES as u64 - 1);
            let entry = self.table(table).entries.get(index as usize).ok_or(PagingError::OutOfMemory)?;
            if shift == bits {
                return Ok(entry);
            }
            table = self.next(entry)?;
            shift -= INDEX_BITS;
        }
    }

    /// Maps RAM at the constant offset, with the largest pages that fit.
    fn map_ram(&mut self, root: PhysAddr, region: Region) -> Result<(), PagingError> {
        let largest = if cpu::has(Features::HUGE_PAGES) { HUGE_BITS } else { LARGE_BITS };
        let mut paddr = region.start;
        while paddr < region.end {
            let fits = |bits: &u64| paddr.trailing_zeros() as u64 >= *bits && region.end - paddr >= 1 << bits;
            let bits = [largest, LARGE_BITS].into_iter().find(fits).unwrap_or(sel_abi::PAGE_BITS);
            let size = if bits > sel_abi::PAGE_BITS { EntryFlags::LARGE } else { EntryFlags::empty() };
            let entry = self.entry(root, paddr.wrapping_add(PHYS_OFFSET), bits)?;
            entry.set(Entry::new(PhysAddr(paddr), DATA | size));
            paddr += 1 << bits;
        }
        Ok(())
    }

    /// Maps a framebuffer, and tells where.
    fn map_screen(&mut self, root: PhysAddr, screen: Region) -> Result<u64, PagingError> {
        const LARGE_PAGE: u64 = 1 << LARGE_BITS;
        let pages = screen.aligned_outward(LARGE_PAGE);
        for paddr in (pages.start..pages.end).step_by(LARGE_PAGE as usize) {
            let entry = self.entry(root, SCREEN_WINDOW + (paddr - pages.start), LARGE_BITS)?;
            entry.set(Entry::new(PhysAddr(paddr), DEVICE | EntryFlags::LARGE));
        }
        Ok(SCREEN_WINDOW + (screen.start - pages.start))
    }

    fn map_image(&mut self, root: PhysAddr) -> Result<(), PagingError> {
        let start = image().start;
        for section in sections() {
            for vaddr in (section.pages.start..section.pages.end).step_by(PAGE as usize) {
                if stack::guards().any(|guard| guard == vaddr) {
                    continue;
                }
                let paddr = PhysAddr(self.loader.kernel_paddr + (vaddr - start));
                self.entry(root, vaddr, sel_abi::PAGE_BITS)?.set(Entry::new(paddr, section.flags));
            }
        }
        Ok(())
    }
}

/// Proof that the kernel's own page tables are in use.
#[derive(Clone, Copy, Debug)]
pub struct DirectMap(());

impl DirectMap {
    /// The bytes of a file.
    pub fn bytes(self, file: Kept) -> &'static [u8] {
        let region = file.region();
        let start = core::ptr::with_exposed_provenance(PhysAddr(region.start).to_virt() as usize);
        // SAFETY: 1. What is kept is RAM, and the direct map covers all RAM. 2. It is handed out to nobody, so that
        // nothing writes to it; the root task's file becomes free only after it was loaded, its last use.
        unsafe { core::slice::from_raw_parts(start, region.bytes() as usize) }
    }
}

/// Builds the kernel's page tables from free memory and switches to them: from here on, nothing that only the boot
/// loader mapped can be reached. `ram` is what the direct map covers; `screen` is drawn on further.
pub fn install(
    ram: &RegionList,
    free: &mut RegionList,
    loader: LoaderMapping,
    screen: Option<&Framebuffer>,
) -> Result<DirectMap, PagingError> {
    let mut builder = Builder { free, loader };
    let root = builder.allocate()?;
    for region in ram.iter() {
        builder.map_ram(root, region)?;
    }
    builder.map_image(root)?;
    let device = builder.entry(root, DEVICE_WINDOW, LARGE_BITS)?;
    let device_table = builder.next(device)?;
    let screen = screen.and_then(|screen| Some((screen, screen_region(screen)?)));
    let screen = match screen {
        Some((screen, region)) => Some((screen, builder.map_screen(root, region)?)),
        None => None,
    };
    framebuffer::hide();
    ROOT.store(root.0, Ordering::Relaxed);
    note_used_entries(root);
    DEVICE_TABLE.store(device_table.0, Ordering::Relaxed);
    // The direct map, the image and the stacks are where they were; statics and the stack lie in the image.
    tlb::set_address_space(kernel_space());
    cpu::enable_global_pages();
    if let Some((screen, base)) = screen {
        // SAFETY: it was mapped there just now, for good.
        unsafe { framebuffer::show(screen, base) };
    }
    if cpu::has(Features::PCID) {
        cpu::enable_tags();
        percpu::this().tags.enable();
    }
    Ok(DirectMap(()))
}

/// Where a framebuffer lies, if the kernel can draw on it and reach it.
fn screen_region(screen: &Framebuffer) -> Option<Region> {
    let bytes = framebuffer::bytes(screen).filter(|bytes| *bytes <= 1 << (HUGE_BITS - 1))?;
    let region = Region { start: screen.addr, end: screen.addr.checked_add(bytes)? };
    check(region.end).is_ok().then_some(region)
}

/// The page tables that map nothing but the kernel.
#[inline]
pub fn kernel_space() -> AddressSpace {
    AddressSpace::new(PhysAddr(ROOT.load(Ordering::Relaxed)), 0)
}

/// Makes the kernel reachable from an address space whose table is empty.
pub fn fill_kernel_half(pml4: KernelPtr<PageTable>) {
    // SAFETY: `install` made the table, which lies in RAM and is never freed.
    let kernel = unsafe { KernelPtr::<PageTable>::from_phys(kernel_space().root()) };
    for (word, used) in USED_ENTRIES.iter().enumerate() {
        let mut left = used.load(Ordering::Relaxed);
        while left != 0 {
            let index = word * 64 + left.trailing_zeros() as usize;
            left &= left - 1;
            if let (Some(to), Some(from)) = (pml4.entries.get(index), kernel.entries.get(index)) {
                to.set(from.get());
            }
        }
    }
}

/// Notes which entries of the kernel's root table are in use: a few of many.
fn note_used_entries(root: PhysAddr) {
    // SAFETY: as for `fill_kernel_half`.
    let kernel = unsafe { KernelPtr::<PageTable>::from_phys(root) };
    for (index, _) in kernel.entries.iter().enumerate().filter(|(_, entry)| entry.get().is_present()) {
        if let Some(word) = USED_ENTRIES.get(index / 64) {
            word.fetch_or(1 << (index % 64), Ordering::Relaxed);
        }
    }
}

fn set_device_page(slot: usize, entry: Entry) -> u64 {
    // SAFETY: as for `fill_kernel_half`.
    let table = unsafe { KernelPtr::<PageTable>::from_phys(PhysAddr(DEVICE_TABLE.load(Ordering::Relaxed))) };
    if let Some(cell) = table.entries.get(slot) {
        cell.set(entry);
    }
    let vaddr = DEVICE_WINDOW + slot as u64 * PAGE;
    tlb::forget_page(vaddr);
    vaddr
}

fn check(paddr: u64) -> Result<(), PagingError> {
    if paddr >> cpu::physical_bits() == 0 { Ok(()) } else { Err(PagingError::BeyondPhysical(paddr)) }
}

/// Maps the page of device registers at `paddr`, uncached; returns the address of the register at `paddr`.
pub fn map_device(paddr: u64) -> Result<u64, PagingError> {
    check(paddr)?;
    let slot = NEXT_DEVICE.load(Ordering::Relaxed);
    if slot >= TABLE_ENTRIES {
        return Err(PagingError::WindowFull);
    }
    NEXT_DEVICE.store(slot + 1, Ordering::Relaxed);
    Ok(set_device_page(slot, Entry::new(PhysAddr(paddr), DEVICE)) + paddr % PAGE)
}

/// Looks at any physical memory, page by page: firmware tables may lie outside of RAM.
pub struct PhysWindow {
    page: Option<u64>,
}

impl PhysWindow {
    /// Opens the window. There is one.
    pub fn new(_: DirectMap) -> Self {
        PhysWindow { page: None }
    }

    fn turn_to(&mut self, page: u64) -> bool {
        if self.page != Some(page) {
            if check(page).is_err() {
                return false;
            }
            let flags = EntryFlags::PRESENT | EntryFlags::NO_EXECUTE;
            set_device_page(LOOKING_GLASS, Entry::new(PhysAddr(page), flags));
            self.page = Some(page);
        }
        true
    }
}

impl Drop for PhysWindow {
    fn drop(&mut self) {
        set_device_page(LOOKING_GLASS, Entry::EMPTY);
    }
}

impl PhysMemory for PhysWindow {
    fn read(&mut self, paddr: u64, to: &mut [u8]) -> bool {
        for (index, byte) in to.iter_mut().enumerate() {
            let Some(at) = paddr.checked_add(index as u64) else { return false };
            if !self.turn_to(at & !(PAGE - 1)) {
                return false;
            }
            let address = DEVICE_WINDOW + LOOKING_GLASS as u64 * PAGE + at % PAGE;
            // SAFETY: the page is mapped now; bytes have no invalid values, and firmware may change them at any time,
            // hence volatile.
            *byte = unsafe { core::ptr::with_exposed_provenance::<u8>(address as usize).read_volatile() };
        }
        true
    }
}
