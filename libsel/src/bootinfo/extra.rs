//! The extra blocks (abi.md 8.3): bytes in, values out, no length trusted.

use crate::abi::Word;
use crate::abi::bootinfo::{BootReport, ExtraHeader, MODULE_STRING_BYTES, extra};

/// Bytes of a block's header.
const HEADER_BYTES: usize = size_of::<ExtraHeader>();
/// Bytes of an entry of the memory map block.
const MEMORY_MAP_ENTRY_BYTES: usize = 24;
/// Bytes of an entry of the modules block.
const MODULE_BYTES: usize = 16 + MODULE_STRING_BYTES;

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

/// The 32-bit word at byte `at`.
pub fn word32(bytes: &[u8], at: usize) -> Option<u32> {
    array(bytes, at).map(u32::from_le_bytes)
}

/// The 64-bit word at byte `at`.
pub fn word64(bytes: &[u8], at: usize) -> Option<u64> {
    array(bytes, at).map(u64::from_le_bytes)
}

/// One extra block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Block<'a> {
    /// What it is ([`crate::abi::bootinfo::extra`]).
    pub id: Word,
    /// What follows its header.
    pub content: &'a [u8],
}

/// Walks the extra blocks, without padding; ends at the first one whose length is impossible.
#[derive(Clone, Debug)]
pub struct Blocks<'a>(&'a [u8]);

impl<'a> Blocks<'a> {
    /// The blocks in `bytes`.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Blocks(bytes)
    }

    fn take(&mut self) -> Option<Block<'a>> {
        let id = word64(self.0, 0)?;
        let bytes = usize::try_from(word64(self.0, 8)?).ok()?;
        let block = self.0.get(..bytes)?;
        let content = block.get(HEADER_BYTES..)?;
        self.0 = self.0.get(bytes..)?;
        Some(Block { id, content })
    }
}

impl<'a> Iterator for Blocks<'a> {
    type Item = Block<'a>;

    fn next(&mut self) -> Option<Block<'a>> {
        loop {
            match self.take() {
                Some(Block { id: extra::PADDING, .. }) => {}
                block => {
                    if block.is_none() {
                        self.0 = &[];
                    }
                    return block;
                }
            }
        }
    }
}

/// A boot module beside the root task.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Module<'a> {
    /// Physical address, page aligned.
    pub paddr: Word,
    /// Bytes.
    pub size: Word,
    /// The module's string from `limine.conf`; empty if it is not UTF-8.
    pub string: &'a str,
}

/// The boot modules, in the order of `limine.conf`.
#[derive(Clone, Debug)]
pub struct Modules<'a>(&'a [u8]);

impl<'a> Modules<'a> {
    /// The modules in the contents of a modules block.
    pub const fn new(content: &'a [u8]) -> Self {
        Modules(content)
    }
}

impl<'a> Iterator for Modules<'a> {
    type Item = Module<'a>;

    fn next(&mut self) -> Option<Module<'a>> {
        let (module, rest) = self.0.split_at_checked(MODULE_BYTES)?;
        self.0 = rest;
        let string = module.get(16..)?.split(|byte| *byte == 0).next()?;
        Some(Module {
            paddr: word64(module, 0)?,
            size: word64(module, 8)?,
            string: core::str::from_utf8(string).unwrap_or_default(),
        })
    }
}

/// A region of the firmware's memory map.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MemoryRegion {
    /// Physical address.
    pub base: u64,
    /// Bytes.
    pub length: u64,
    /// E820 type: 1 usable, 2 reserved, 3 ACPI reclaimable, 4 ACPI NVS, 5 bad.
    pub kind: u32,
}

/// The regions of the firmware's memory map.
#[derive(Clone, Debug)]
pub struct MemoryMap<'a>(&'a [u8]);

impl<'a> MemoryMap<'a> {
    /// The regions in the contents of a memory map block.
    pub fn new(content: &'a [u8]) -> Self {
        let used = word32(content, 0).unwrap_or(0) as usize;
        let entries = content.get(4..).unwrap_or_default();
        MemoryMap(entries.get(..used).unwrap_or(entries))
    }
}

impl Iterator for MemoryMap<'_> {
    type Item = MemoryRegion;

    fn next(&mut self) -> Option<MemoryRegion> {
        let (entry, rest) = self.0.split_at_checked(MEMORY_MAP_ENTRY_BYTES)?;
        self.0 = rest;
        // Word 0 is the size of the rest of the entry, always 20.
        Some(MemoryRegion { base: word64(entry, 4)?, length: word64(entry, 12)?, kind: word32(entry, 20)? })
    }
}

/// A linear framebuffer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FrameBuffer {
    /// Physical address.
    pub paddr: u64,
    /// Bytes from one line to the next.
    pub pitch: u32,
    /// Pixels of a line.
    pub width: u32,
    /// Lines.
    pub height: u32,
    /// Bits of a pixel.
    pub bits_per_pixel: u8,
}

impl FrameBuffer {
    /// Decodes the contents of a framebuffer block.
    pub fn decode(content: &[u8]) -> Option<Self> {
        Some(FrameBuffer {
            paddr: word64(content, 0)?,
            pitch: word32(content, 8)?,
            width: word32(content, 12)?,
            height: word32(content, 16)?,
            bits_per_pixel: *content.get(20)?,
        })
    }
}

/// Decodes the contents of a boot report block.
pub fn boot_report(content: &[u8]) -> Option<BootReport> {
    let word = |index: usize| word64(content, index * 8);
    Some(BootReport {
        ram_bytes: word(0)?,
        untyped_bytes: word(1)?,
        kernel_bytes: word(2)?,
        root_task_bytes: word(3)?,
        boot_ticks: word(4)?,
        tsc_hz: word(5)?,
        debug_calls: word(6)?,
        trace_paddr: word(7)?,
        trace_bytes: word(8)?,
    })
}
