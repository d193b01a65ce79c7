//! What the machine's side of the boot would hand over: the arena as RAM, and a root task of two pages.
use std::sync::LazyLock;

use super::machine::{IMAGE_BASE, IMAGE_BYTES};
use crate::arch;
use crate::boot::region::{Region, RegionList};
use crate::boot::{BootEnv, MAX_MEMORY_MAP, MAX_MODULES, MemoryMapEntry};

/// The smallest ELF file that can be a root task.
static IMAGE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut file = Vec::new();
    file.extend([0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    file.extend([2, 0, 62, 0, 1, 0, 0, 0]);
    for word in [IMAGE_BASE, 64, 0] {
        file.extend(word.to_le_bytes());
    }
    file.extend([0, 0, 0, 0, 64, 0, 56, 0, 1, 0, 64, 0, 0, 0, 0, 0]);
    file.extend([1, 0, 0, 0, 7, 0, 0, 0]);
    for word in [0, IMAGE_BASE, IMAGE_BASE, 128, IMAGE_BYTES, 4096] {
        file.extend(u64::to_le_bytes(word));
    }
    file.resize(128, 0x90);
    file
});

/// All of the arena is RAM; around it are devices.
pub fn boot_env() -> BootEnv {
    let memory = Region { start: arch::ARENA_BASE, end: arch::ARENA_BASE + arch::ARENA_BYTES };
    let mut ram = RegionList::new();
    ram.add(memory);
    let mut memory_map = [MemoryMapEntry::default(); MAX_MEMORY_MAP];
    memory_map[0] = MemoryMapEntry { base: memory.start, length: arch::ARENA_BYTES, kind: 1 };
    BootEnv {
        reserved: ram.clone(),
        ram,
        modules: [sel_abi::bootinfo::BootModule { paddr: 0, size: 0, string: [0; 112] }; MAX_MODULES],
        module_count: 0,
        memory_map,
        memory_map_count: 1,
        rsdp: Some([0x52; 36]),
        framebuffer: None,
        root_image: &IMAGE,
        root_image_region: Region { start: 0, end: 0 },
        command_line: "root_cnode_bits=12",
        ram_bytes: arch::ARENA_BYTES,
        kernel_bytes: 0,
        boot_start: arch::now(),
    }
}
