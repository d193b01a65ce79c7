//! Reads what QEMU hands over, and keeps it from being overwritten.
use crate::{exit, physical};
use directboot::error::Error;
use directboot::memory_map::{Kind, MemoryMap};
use directboot::pvh::{self, MEMORY_MAP_ENTRY_BYTES, MODULE_BYTES, START_INFO_BYTES, StartInfo};

/// The longest command line that is taken, in bytes, with its final zero.
const MAX_COMMAND_LINE_BYTES: u64 = 4096;

/// What directboot works with.
pub struct Handover {
    /// The memory map, in which directboot's image is taken and everything that is read from is held.
    pub memory: MemoryMap,
    /// QEMU's `-append`.
    pub command_line: &'static str,
    /// QEMU's `-initrd`.
    pub archive: &'static [u8],
    /// Physical address of the ACPI root pointer, or 0.
    pub rsdp: u64,
}

/// Reads the start info at the physical address `start_info`. The exit port is known from here on.
pub fn read(start_info: u64) -> Result<Handover, Error<'static>> {
    // SAFETY: the loader puts its data beside directboot's image. What outlives this function, the archive and the
    // command line, is held in the memory map before any memory is taken from it.
    let bytes = |what, address, len| unsafe { physical::read(what, address, len) };

    let info = bytes("start info", start_info, START_INFO_BYTES as u64)?;
    let info = StartInfo::parse(info).ok_or(Error::NoStartInfo)?;
    let command_line = match info.command_line {
        0 => &[],
        address => bytes("command line", address, MAX_COMMAND_LINE_BYTES)?,
    };
    let command_line = command_line.split(|&byte| byte == 0).next().unwrap_or_default();
    // The exit port is wanted even where the rest is at fault.
    exit::configure(command_line.utf8_chunks().next().map_or("", |chunk| chunk.valid()));
    if command_line.len() as u64 == MAX_COMMAND_LINE_BYTES {
        return Err(Error::CommandLineTooLong(MAX_COMMAND_LINE_BYTES));
    }
    let command_line = core::str::from_utf8(command_line).map_err(|_| Error::CommandLineNotText)?.trim();

    let map_bytes = u64::from(info.memory_map_entries) * MEMORY_MAP_ENTRY_BYTES as u64;
    if info.memory_map == 0 || map_bytes == 0 {
        return Err(Error::NoMemoryMap);
    }
    let map = bytes("memory map", info.memory_map, map_bytes)?;
    let mut memory = MemoryMap::from_firmware(pvh::memory_regions(map))?;

    if info.module_count == 0 {
        return Err(Error::NoArchive);
    }
    let module = bytes("module list", info.modules, MODULE_BYTES as u64)?;
    let (archive, archive_bytes) = pvh::module(module).ok_or(Error::NoArchive)?;
    let (image, image_end) = image();
    memory.claim(image, image_end, Kind::BootloaderReclaimable)?;
    memory.claim(archive, archive.saturating_add(archive_bytes), Kind::Held)?;
    memory.claim(info.command_line, info.command_line + MAX_COMMAND_LINE_BYTES, Kind::Held)?;
    Ok(Handover {
        memory,
        command_line,
        archive: bytes("boot archive", archive, archive_bytes)?,
        rsdp: info.rsdp,
    })
}

/// Where directboot itself lies: first address, first address after it.
fn image() -> (u64, u64) {
    unsafe extern "C" {
        static directboot_start: u8;
        static directboot_end: u8;
    }
    ((&raw const directboot_start) as u64, (&raw const directboot_end) as u64)
}
