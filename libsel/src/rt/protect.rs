//! A root task starts with every page writable and executable, as on seL4. Here it takes away from its own pages what
//! they do not need: code is not written, nothing else is executed, constants are not written either.
//!
//! Execute-never is Selkie's own attribute bit, which seL4 ignores; there the pages stay executable.

use crate::abi::{CapRights, VmAttributes, Word};
use crate::bootinfo::{BootInfoView, initial};
use crate::cap::{AnyFrame, Cap};

const PAGE_BYTES: Word = 4096;

/// What a page may be used for besides reading.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Access {
    write: bool,
    execute: bool,
}

impl Access {
    const DATA: Access = Access { write: true, execute: false };

    fn union(self, other: Access) -> Access {
        Access { write: self.write || other.write, execute: self.execute || other.execute }
    }
}

/// A program header of a 64-bit ELF file.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
struct ProgramHeader {
    kind: u32,
    flags: u32,
    offset: u64,
    vaddr: u64,
    paddr: u64,
    file_bytes: u64,
    memory_bytes: u64,
    align: u64,
}

const KIND_LOAD: u32 = 1;
const FLAG_EXECUTE: u32 = 1;
const FLAG_WRITE: u32 = 2;

/// What the segments say of the page at `page`: the most that one of those that reach into it needs. A page of no
/// segment is data.
fn access_of(headers: &[ProgramHeader], page: Word) -> Access {
    let reaches = |header: &&ProgramHeader| {
        header.kind == KIND_LOAD
            && header.vaddr < page + PAGE_BYTES
            && page < header.vaddr.saturating_add(header.memory_bytes)
    };
    headers
        .iter()
        .filter(reaches)
        .map(|header| Access {
            write: header.flags & FLAG_WRITE != 0,
            execute: header.flags & FLAG_EXECUTE != 0,
        })
        .reduce(Access::union)
        .unwrap_or(Access::DATA)
}

/// The program headers of the running program.
#[cfg(target_os = "none")]
fn own_headers() -> &'static [ProgramHeader] {
    /// The part of an ELF header that says where the program headers are.
    #[repr(C)]
    struct Header {
        ident: [u8; 16],
        kind: u16,
        machine: u16,
        version: u32,
        entry: u64,
        headers_offset: u64,
        sections_offset: u64,
        flags: u32,
        bytes: u16,
        header_bytes: u16,
        header_count: u16,
    }
    unsafe extern "C" {
        #[link_name = "__ehdr_start"]
        static START: Header;
    }
    // SAFETY: 1. The linker puts the ELF header and the program headers behind it into the first segment, which is
    // loaded. 2. The header's own fields say how many follow, and they are never written.
    unsafe {
        let headers = core::ptr::from_ref(&START).byte_add(START.headers_offset as usize).cast();
        core::slice::from_raw_parts(headers, usize::from(START.header_count))
    }
}

/// Takes the rights away. `headers` are those of the program whose image the boot information describes. The number of
/// pages that a kernel refused to change: such a page stays as it was.
fn protect_image(info: &BootInfoView<'_>, headers: &[ProgramHeader]) -> usize {
    let raw = info.raw();
    let image = (raw.user_image_frames.start..raw.user_image_frames.end).map(Cap::<AnyFrame>::new);
    let loaded = headers.iter().filter(|header| header.kind == KIND_LOAD);
    let Some(start) = loaded.map(|header| header.vaddr & !(PAGE_BYTES - 1)).min() else { return 0 };
    let addresses = (start..).step_by(PAGE_BYTES as usize);
    let code_and_data = image.zip(addresses).map(|(frame, page)| (frame, page, access_of(headers, page)));
    let info_page = raw.ipc_buffer + PAGE_BYTES;
    let extra = (raw.extra_bi_pages.start..raw.extra_bi_pages.end).map(Cap::<AnyFrame>::new);
    let extra = extra.zip((info_page + PAGE_BYTES..).step_by(PAGE_BYTES as usize));
    let single = [(initial::IPC_BUFFER, raw.ipc_buffer), (initial::BOOT_INFO_FRAME, info_page)].into_iter();
    let single = single.map(|(frame, page)| (Cap::<AnyFrame>::new(frame.cptr()), page));
    let from_kernel = single.chain(extra).map(|(frame, page)| (frame, page, Access::DATA));
    let refused = |&(frame, page, access): &(Cap<AnyFrame>, Word, Access)| {
        let rights = if access.write { CapRights::READ_WRITE } else { CapRights::READ };
        let attributes = if access.execute { VmAttributes::WRITE_BACK } else { VmAttributes::EXECUTE_NEVER };
        frame.map(initial::VSPACE, page, rights, attributes).is_err()
    };
    code_and_data.chain(from_kernel).filter(refused).count()
}

/// Protects the pages of the root task that runs; says so if some could not be.
#[cfg(target_os = "none")]
pub fn protect_root_task(info: &BootInfoView<'_>) {
    let refused = protect_image(info, own_headers());
    if refused > 0 {
        crate::println!("warning: {refused} pages of the root task stay writable or executable");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::{BootInfo, Label, MessageInfo, SlotRegion, Syscall};
    use crate::sys::Registers;
    use crate::sys::host::install;
    use std::cell::RefCell;
    use std::rc::Rc;
    use std::vec::Vec;

    fn segment(flags: u32, vaddr: u64, memory_bytes: u64) -> ProgramHeader {
        let (offset, paddr, file_bytes, align) = (0, vaddr, memory_bytes, 4096);
        ProgramHeader { kind: KIND_LOAD, flags, offset, vaddr, paddr, file_bytes, memory_bytes, align }
    }

    /// Constants, code, data; the code starts in the middle of a page that holds constants.
    fn program() -> [ProgramHeader; 3] {
        [segment(4, 0x20_0000, 0x1800), segment(5, 0x20_1800, 0x900), segment(6, 0x20_3000, 0x10)]
    }

    #[test]
    fn a_page_gets_what_its_segments_need() {
        let access = |page| {
            let Access { write, execute } = access_of(&program(), page);
            (write, execute)
        };
        assert_eq!(access(0x20_0000), (false, false));
        assert_eq!(access(0x20_1000), (false, true));
        assert_eq!(access(0x20_2000), (false, true));
        assert_eq!(access(0x20_3000), (true, false));
        assert_eq!(access(0x20_4000), (true, false), "a page of no segment");
    }

    /// Frame, address, rights and attributes of each Page_Map; the frame of slot 23 is refused.
    fn changes() -> (usize, Vec<[u64; 4]>) {
        let info = BootInfo {
            ipc_buffer: 0x20_4000,
            user_image_frames: SlotRegion { start: 20, end: 24 },
            extra_bi_pages: SlotRegion { start: 30, end: 31 },
            ..crate::bootinfo::tests::info()
        };
        let seen = Rc::new(RefCell::new(Vec::new()));
        let calls = Rc::clone(&seen);
        install(move |entry| {
            assert_eq!(entry.number, Syscall::Call.raw());
            assert_eq!(entry.info.label(), Label::X86PageMap.raw());
            calls.borrow_mut().push([entry.cap, entry.mrs[0], entry.mrs[1], entry.mrs[2]]);
            let label = if entry.cap == 23 { 3 } else { 0 };
            Registers { badge: 0, info: MessageInfo::new(label, 0, 0, 0), mrs: [0; 4] }
        });
        let refused = protect_image(&BootInfoView::from_parts(&info, &[]), &program());
        (refused, seen.take())
    }

    #[test]
    fn all_pages_of_a_root_task_are_changed_where_they_are() {
        let never = VmAttributes::EXECUTE_NEVER.bits();
        let (read, both) = (CapRights::READ.bits(), CapRights::READ_WRITE.bits());
        let (refused, seen) = changes();
        assert_eq!(refused, 1);
        assert_eq!(
            seen,
            [
                [20, 0x20_0000, read, never],
                [21, 0x20_1000, read, 0],
                [22, 0x20_2000, read, 0],
                [23, 0x20_3000, both, never],
                [initial::IPC_BUFFER.cptr(), 0x20_4000, both, never],
                [initial::BOOT_INFO_FRAME.cptr(), 0x20_5000, both, never],
                [30, 0x20_6000, both, never],
            ]
        );
    }
}
