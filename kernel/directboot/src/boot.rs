//! The steps from QEMU's hand-over to a kernel that is ready to run, in their order.
use crate::handoff::Kernel;
use crate::handover::Handover;
use crate::physical::{self, Tables};
use crate::{adapter, cpu, exit, handover, serial};
use directboot::conf::{self, MAX_MODULES};
use directboot::cpio::Archive;
use directboot::error::Error;
use directboot::kernel_image::KernelImage;
use directboot::limine::Feature;
use directboot::memory_map::{Kind, MemoryMap, PAGE_BYTES};
use directboot::paging::{AddressSpace, MapError, Rights};
use directboot::requests::Requests;
use directboot::responses::{self, Arena, Facts, File, Words};
use directboot::screen::{Resolution, Screen};
use directboot::{acpi, direct_map};

/// Loads the kernel and its modules, answers its requests and builds its page tables.
pub fn prepare(start_info: u64) -> Result<Kernel, Error<'static>> {
    let Handover { mut memory, command_line, archive, rsdp } = handover::read(start_info)?;
    let archive = Archive::new(archive);
    let entry = conf::parse(archive.find("limine.conf")?.ok_or(Error::NoConfiguration)?)?;
    exit::configure(entry.command_line);

    let path = entry.kernel_path;
    let file = archive.find(path)?.ok_or(Error::Missing { what: "kernel", path })?;
    let image = KernelImage::parse(file).map_err(|fault| Error::Kernel { path, fault })?;
    let kind = Kind::ExecutableAndModules;
    let loaded = physical::take(&mut memory, image.bytes, image.alignment, kind, path)?;
    image.load(loaded.bytes);
    let requests = Requests::find(loaded.bytes).map_err(|fault| Error::Requests { path, fault })?;

    let mut kernel = File { path, string: Words(entry.command_line, command_line), ..File::default() };
    if requests.has(Feature::ExecutableFile) {
        (kernel.address, kernel.bytes) = copy(&mut memory, path, file)?;
    }
    let mut modules = [File::default(); MAX_MODULES];
    for (place, module) in modules.iter_mut().zip(entry.modules()) {
        let path = module.path;
        let file = archive.find(path)?.ok_or(Error::Missing { what: "module", path })?;
        let (address, bytes) = copy(&mut memory, path, file)?;
        *place = File { address, bytes, path, string: Words(module.string, "") };
    }
    let modules = modules.get(..entry.modules().len()).unwrap_or_default();

    let reclaimable = |memory: &mut MemoryMap, bytes: u64, what: &'static str| {
        physical::take(memory, bytes, PAGE_BYTES, Kind::BootloaderReclaimable, what)
    };
    let stack_bytes = requests.stack_bytes(loaded.bytes);
    let stack = reclaimable(&mut memory, stack_bytes, "the boot stack")?;
    let arena_bytes = responses::bytes_needed(&kernel, modules);
    let arena = reclaimable(&mut memory, arena_bytes, "the responses")?;
    if requests.revision() >= 4 {
        mark_acpi_tables(&mut memory, rsdp)?;
    }
    let page_tables = page_tables(&mut memory, &image, loaded.address, requests.revision())?;

    memory.release_held()?;
    let screen = screen(command_line).or_else(|| screen(entry.command_line));
    let image_place = (loaded.address, image.start);
    let facts = Facts { kernel, modules, image: image_place, rsdp, memory_map: &memory, screen };
    let mut arena = Arena::new(arena.bytes, arena.address);
    responses::answer(loaded.bytes, &requests, &facts, &mut arena)
        .ok_or(Error::NoMemory { what: "the responses", bytes: arena_bytes })?;
    let stack_top = direct_map::OFFSET + stack.address + stack.bytes.len() as u64;
    Ok(Kernel { page_tables, stack_top, entry: image.entry })
}

/// The screen that a command line asks for. One that cannot be had is no reason not to boot.
fn screen(command_line: &str) -> Option<Screen> {
    let Some(wanted) = Resolution::parse(command_line)? else {
        serial::print(format_args!("directboot: no screen: `resolution=` wants WIDTHxHEIGHT in pixels\n"));
        return None;
    };
    let screen = Screen::set_up(&mut adapter::Ports, wanted);
    if screen.is_none() {
        serial::print(format_args!(
            "directboot: no screen: it needs QEMU's `-vga std`, and memory for so many pixels\n"
        ));
    }
    screen
}

/// Copies `file` to pages of its own; returns their address and the file's size.
fn copy(memory: &mut MemoryMap, path: &'static str, file: &[u8]) -> Result<(u64, u64), Error<'static>> {
    let bytes = file.len() as u64;
    let block = physical::take(memory, bytes, PAGE_BYTES, Kind::ExecutableAndModules, path)?;
    let too_small = Error::NoMemory { what: path, bytes };
    let (data, rest) = block.bytes.split_at_mut_checked(file.len()).ok_or(too_small)?;
    data.copy_from_slice(file);
    rest.fill(0);
    Ok((block.address, bytes))
}

/// Base revision 4 tells the kernel which memory holds the ACPI tables.
fn mark_acpi_tables(memory: &mut MemoryMap, rsdp: u64) -> Result<(), Error<'static>> {
    let mut outcome = Ok(());
    if rsdp != 0 {
        let layout = memory.clone();
        let read = |address: u64, bytes| {
            let end = address.checked_add(bytes)?;
            // SAFETY: the range lies in memory that the firmware keeps, which is never taken from the map.
            layout
                .is_firmware(address, end)
                .then(|| unsafe { physical::read("ACPI tables", address, bytes) })?
                .ok()
        };
        // Tables that make no sense end the walk; the kernel judges them, as it would under Limine.
        let _ = acpi::each_table(rsdp, read, |address| outcome = outcome.and(memory.mark_mapped(address)));
    }
    Ok(outcome?)
}

/// The page tables that the kernel starts with: the direct map, and its own image.
fn page_tables(
    memory: &mut MemoryMap,
    image: &KernelImage<'_>,
    image_address: u64,
    revision: u64,
) -> Result<u64, Error<'static>> {
    let fault = |error| match error {
        MapError::NoMemory => Error::NoMemory { what: "page tables", bytes: PAGE_BYTES },
        MapError::BadRange => Error::Unmappable,
    };
    // Taking memory for tables changes kinds in the map, but not which memory there is.
    let layout = memory.clone();
    let space = AddressSpace::new(Tables(memory), cpu::paging_features());
    let mut space = space.ok_or(fault(MapError::NoMemory))?;
    direct_map::map(&mut space, &layout, revision).map_err(fault)?;
    for segment in image.segments() {
        let start = segment.first_page();
        let physical_start = image_address + (start - image.start);
        let rights = Rights { write: segment.write, execute: segment.execute };
        space.map(start, physical_start, segment.page_end() - start, rights).map_err(fault)?;
    }
    Ok(space.root())
}
