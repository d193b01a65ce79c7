//! The hand-over from the boot loader: all requests of the Limine boot protocol in one place, and copies of the answers.
//!
//! Base revision 3 is asked for; a loader that only knows an older one is as good, because nothing here depends on what
//! the loader mapped but free RAM and its own answers.
use core::fmt;
use core::str;

use limine::framebuffer::FRAMEBUFFER_RGB;
use limine::memmap::{
    MEMMAP_ACPI_NVS, MEMMAP_ACPI_RECLAIMABLE, MEMMAP_BAD_MEMORY, MEMMAP_BOOTLOADER_RECLAIMABLE,
    MEMMAP_EXECUTABLE_AND_MODULES, MEMMAP_USABLE,
};
use limine::request::{
    BootloaderInfoRequest, ExecutableAddressRequest, ExecutableCmdlineRequest, ExecutableFileRequest,
    FramebufferRequest, HhdmRequest, MemmapRequest, ModulesRequest, RsdpRequest, StackSizeRequest,
};
use limine::{BaseRevision, RequestsEndMarker, RequestsStartMarker};
use spin::Once;

use super::Framebuffer;
use super::memory::{LoaderEntry, MemoryKind, MemoryMap};
use super::modules::{ModuleError, ModuleFile, Modules};
use super::region::Region;
use crate::arch::paging::LoaderMapping;
use crate::debug::backtrace;

const BASE_REVISION: u64 = 3;
/// Only the first instructions run on the loader's stack.
const STACK_BYTES: u64 = 16 << 10;
/// Longer command lines are cut.
const COMMAND_LINE_BYTES: usize = 1024;

#[used]
#[unsafe(link_section = ".requests_start")]
static START: RequestsStartMarker = RequestsStartMarker::new();
#[used]
#[unsafe(link_section = ".requests_end")]
static END: RequestsEndMarker = RequestsEndMarker::new();

macro_rules! requests {
    ($($name:ident: $kind:ty = $value:expr;)*) => {
        $(#[used]
        #[unsafe(link_section = ".requests")]
        static $name: $kind = $value;)*
    };
}

requests! {
    REVISION: BaseRevision = BaseRevision::with_revision(BASE_REVISION);
    LOADER: BootloaderInfoRequest = BootloaderInfoRequest::new();
    STACK: StackSizeRequest = StackSizeRequest::new(STACK_BYTES);
    DIRECT_MAP: HhdmRequest = HhdmRequest::new();
    MEMORY_MAP: MemmapRequest = MemmapRequest::new();
    MODULES: ModulesRequest = ModulesRequest::new();
    KERNEL_FILE: ExecutableFileRequest = ExecutableFileRequest::new();
    KERNEL_ADDRESS: ExecutableAddressRequest = ExecutableAddressRequest::new();
    KERNEL_COMMAND_LINE: ExecutableCmdlineRequest = ExecutableCmdlineRequest::new();
    RSDP: RsdpRequest = RsdpRequest::new();
    FRAMEBUFFER: FramebufferRequest = FramebufferRequest::new();
}

/// What the kernel cannot start without.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HandOverError {
    /// The loader did not answer this request.
    Missing(&'static str),
    /// No entry of the memory map is free RAM.
    NoMemory,
    /// The modules are of no use.
    Modules(ModuleError<'static>),
}

impl fmt::Display for HandOverError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HandOverError::Missing(what) => write!(
                f,
                "the boot loader gave no {what}: boot with Limine 7 or later, or with kernel/directboot"
            ),
            HandOverError::NoMemory => write!(f, "the boot loader's memory map has no free RAM above 1 MiB"),
            HandOverError::Modules(error) => error.fmt(f),
        }
    }
}

/// Everything that the loader said, copied.
pub struct HandOver {
    /// Where things are mapped by the loader.
    pub mapping: LoaderMapping,
    /// The memory map.
    pub memory: MemoryMap,
    /// The boot modules.
    pub modules: Modules,
    /// Physical address of ACPI's root pointer.
    pub rsdp: Option<u64>,
    /// The first framebuffer with direct colour.
    pub framebuffer: Option<Framebuffer>,
    /// Where the kernel file's symbols and their names are in physical memory.
    pub symbols: Option<[Region; 2]>,
}

/// Copies the answers. The kernel must still use the loader's page tables.
pub fn read() -> Result<HandOver, HandOverError> {
    let phys_offset = DIRECT_MAP.response().ok_or(HandOverError::Missing("direct map offset"))?.offset;
    let paddr = |address: u64| address.wrapping_sub(phys_offset);
    let kernel = KERNEL_ADDRESS.response().ok_or(HandOverError::Missing("kernel address"))?;
    let map = MEMORY_MAP.response().ok_or(HandOverError::Missing("memory map"))?;
    let memory = MemoryMap::new(map.entries().iter().map(|entry| LoaderEntry {
        base: entry.base,
        length: entry.length,
        kind: kind(entry.type_),
    }));
    if memory.usable.bytes() == 0 {
        return Err(HandOverError::NoMemory);
    }
    let files = MODULES.response().map_or(&[][..], |response| response.modules());
    let files = files.iter().map(|file| ModuleFile {
        paddr: paddr(address_of(file.data())),
        size: file.data().len() as u64,
        string: file.cmdline(),
    });
    let modules = Modules::new(files).map_err(HandOverError::Modules)?;
    // Revision 3 gives a physical address, all others one in the direct map.
    let rsdp = RSDP.response().map(|response| response.address.addr() as u64).filter(|address| *address != 0);
    let rsdp = rsdp.map(|address| if address >= phys_offset { paddr(address) } else { address });
    let symbols = KERNEL_FILE.response().and_then(|response| {
        let file = response.executable_file().data();
        let start = paddr(address_of(file));
        let region = |part: Region| Region { start: start + part.start, end: start + part.end };
        Some(backtrace::find_symbols(file)?.map(region))
    });
    Ok(HandOver {
        mapping: LoaderMapping { phys_offset, kernel_paddr: kernel.physical_base },
        memory,
        modules,
        rsdp,
        framebuffer: framebuffer().map(|(found, _)| found),
        symbols,
    })
}

fn address_of(bytes: &[u8]) -> u64 {
    bytes.as_ptr().addr() as u64
}

/// The loader's number of a kind of memory.
fn kind(number: u64) -> MemoryKind {
    match number {
        MEMMAP_USABLE => MemoryKind::Usable,
        MEMMAP_ACPI_RECLAIMABLE => MemoryKind::AcpiReclaimable,
        MEMMAP_ACPI_NVS => MemoryKind::AcpiNvs,
        MEMMAP_BAD_MEMORY => MemoryKind::Bad,
        MEMMAP_BOOTLOADER_RECLAIMABLE => MemoryKind::BootloaderReclaimable,
        MEMMAP_EXECUTABLE_AND_MODULES => MemoryKind::ExecutableAndModules,
        _ => MemoryKind::Reserved,
    }
}

/// The first framebuffer with direct colour, and where the loader has mapped it.
pub fn framebuffer() -> Option<(Framebuffer, u64)> {
    let phys_offset = DIRECT_MAP.response()?.offset;
    let framebuffers = FRAMEBUFFER.response()?.framebuffers();
    let found = framebuffers.iter().find(|found| found.memory_model == FRAMEBUFFER_RGB)?;
    let base = found.address().addr() as u64;
    let framebuffer = Framebuffer {
        addr: base.wrapping_sub(phys_offset),
        pitch: u32::try_from(found.pitch).ok()?,
        width: u32::try_from(found.width).ok()?,
        height: u32::try_from(found.height).ok()?,
        bpp: u8::try_from(found.bpp).ok()?,
    };
    Some((framebuffer, base))
}

/// A copy of the kernel's command line; empty if there is none.
pub fn command_line() -> &'static str {
    static COPY: Once<([u8; COMMAND_LINE_BYTES], usize)> = Once::new();
    let (bytes, length) = COPY.call_once(|| {
        // Limine 8 and older know only the command line of the file.
        let line = KERNEL_COMMAND_LINE.response().map(|response| response.cmdline());
        let line = line.or_else(|| Some(KERNEL_FILE.response()?.executable_file().cmdline())).unwrap_or("");
        let mut bytes = [0; COMMAND_LINE_BYTES];
        let length = line.floor_char_boundary(COMMAND_LINE_BYTES);
        for (to, from) in bytes.iter_mut().zip(line.bytes().take(length)) {
            *to = from;
        }
        (bytes, length)
    });
    bytes.get(..*length).and_then(|text| str::from_utf8(text).ok()).unwrap_or("")
}

/// Who booted the kernel, as long as the loader's memory is mapped.
pub struct Loader;

impl fmt::Display for Loader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match LOADER.response() {
            Some(loader) => write!(f, "{} {}", loader.name(), loader.version())?,
            None => write!(f, "an unknown loader")?,
        }
        match (REVISION.is_supported(), REVISION.actual_revision()) {
            (true, None) => write!(f, ", base revision {BASE_REVISION}"),
            (_, Some(revision)) => write!(f, ", base revision {revision}"),
            (false, None) => write!(f, ", a base revision before {BASE_REVISION}"),
        }
    }
}
