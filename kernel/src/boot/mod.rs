//! From the boot loader's hand-over to the first user instruction.

pub mod acpi;
pub mod command_line;
pub mod extra;
pub mod image;
pub mod layout;
#[cfg(target_os = "none")]
pub mod limine;
pub mod memory;
pub mod memory_pool;
pub mod modules;
pub mod region;
pub mod rootserver;
pub mod split;
pub mod untypeds;

use sel_abi::bootinfo::BootModule;

use region::{Region, RegionList};

/// Further boot modules at most.
pub const MAX_MODULES: usize = 32;
/// Entries of the memory map at most (abi.md 8.3).
pub const MAX_MEMORY_MAP: usize = 50;

/// One entry of the firmware's memory map.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct MemoryMapEntry {
    /// First byte.
    pub base: u64,
    /// Bytes.
    pub length: u64,
    /// E820 type (abi.md 8.6).
    pub kind: u32,
}

/// A framebuffer with direct colour.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Framebuffer {
    /// Physical address.
    pub addr: u64,
    /// Bytes of a line.
    pub pitch: u32,
    /// Pixels of a line.
    pub width: u32,
    /// Lines.
    pub height: u32,
    /// Bits of a pixel.
    pub bpp: u8,
}

/// What the machine's side of the boot found out, copied out of the boot loader's memory.
pub struct BootEnv {
    /// RAM that is free now, page aligned, at or above 1 MiB.
    pub ram: RegionList,
    /// Physical ranges that no device untyped may cover: RAM, and the interrupt controllers.
    pub reserved: RegionList,
    /// Boot modules but for the root task.
    pub modules: [BootModule; MAX_MODULES],
    /// How many of them.
    pub module_count: usize,
    /// The firmware's memory map.
    pub memory_map: [MemoryMapEntry; MAX_MEMORY_MAP],
    /// Entries of it.
    pub memory_map_count: usize,
    /// Copy of the ACPI root pointer, in the layout of ACPI 2.0.
    pub rsdp: Option<[u8; 36]>,
    /// The framebuffer, if there is one.
    pub framebuffer: Option<Framebuffer>,
    /// The root task's file.
    pub root_image: &'static [u8],
    /// The pages of that file, which become RAM again.
    pub root_image_region: Region,
    /// The kernel command line.
    pub command_line: &'static str,
    /// RAM of the machine.
    pub ram_bytes: u64,
    /// RAM that the kernel keeps.
    pub kernel_bytes: u64,
    /// TSC at kernel entry.
    pub boot_start: u64,
}

impl BootEnv {
    /// The boot modules.
    pub fn modules(&self) -> &[BootModule] {
        self.modules.get(..self.module_count).unwrap_or(&self.modules)
    }

    /// The memory map.
    pub fn memory_map(&self) -> &[MemoryMapEntry] {
        self.memory_map.get(..self.memory_map_count).unwrap_or(&self.memory_map)
    }
}
