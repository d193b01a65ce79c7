//! Boot files, and what can be listed of the system.
use alloc::string::String;

use libsel::println;
use libsel::proto::admin::{
    Capability, Memory, MemoryInfo, MemoryKind, Range, RangeInfo, Server, ServerInfo,
};
use libsel::proto::root::{MapFlags, Protection};
use libsel::proto::start::{HEAP_START, slot};
use libsel::proto::{ServiceError, call};
use memtest::{PEER, TEST, read, write};

use crate::{Checked, MIB, PAGE, ROOT, ensure, failed, map, unmap};

fn memory() -> Result<MemoryInfo, String> {
    call(slot::ADMIN, &Memory {}).map_err(failed("memory"))
}

/// Bytes of all servers' memory of a kind.
pub fn kind_bytes(kind: MemoryKind) -> Result<u64, String> {
    Ok(memory()?.used.of(kind))
}

/// The server of a name.
fn server(name: &str) -> Result<ServerInfo, String> {
    for index in 0.. {
        let info = call(slot::ADMIN, &Server { index }).map_err(failed("server"))?;
        if info.name.as_str() == name {
            return Ok(info);
        }
    }
    Err("there is no end of servers".into())
}

/// What is left of this server's quota.
pub fn own_room() -> Result<u64, String> {
    Ok(server(TEST)?.room)
}

/// The files have the names of their modules; a program is an ELF file.
pub fn boot_files() -> Checked {
    let mut seen = 0;
    for index in 0.. {
        let file = match ROOT.boot_file(index) {
            Ok(file) => file,
            Err(ServiceError::NotFound) => break,
            Err(error) => return Err(failed("boot file")(error)),
        };
        if ![PEER, TEST].contains(&file.name.as_str()) {
            continue;
        }
        seen += 1;
        let start = ROOT.map_boot_file(index).map_err(failed("map of a boot file"))?;
        // A second time: it is only read.
        let second = ROOT.map_boot_file(index).map_err(failed("second map of a boot file"))?;
        for offset in (0..file.bytes & !7).step_by(8) {
            // SAFETY: the file is mapped.
            let (one, other) = unsafe { (read(start + offset), read(second + offset)) };
            ensure!(one == other, "{one:#x} and {other:#x} at {offset:#x}");
        }
        // SAFETY: the same.
        let magic = unsafe { read(start) } as u32;
        ensure!(magic == u32::from_le_bytes(*b"\x7fELF"), "{} begins with {magic:#x}", file.name);
        unmap(start, file.bytes)?;
        unmap(second, file.bytes)?;
    }
    ensure!(seen == 2, "{seen} files have the names of this test's servers");
    ensure!(ROOT.map_boot_file(u64::MAX) == Err(ServiceError::NotFound), "there is no such file");
    Ok(())
}

fn find_range(id: u8, address: u64) -> Result<RangeInfo, String> {
    for index in 0.. {
        let range: RangeInfo = call(slot::ADMIN, &Range { server: id, index }).map_err(failed("range"))?;
        if (range.start..range.start + range.bytes).contains(&address) {
            return Ok(range);
        }
    }
    Err("there is no end of ranges".into())
}

/// This server sees itself.
pub fn listings() -> Checked {
    let own = server(TEST)?;
    println!("{own:?}");
    ensure!(own.quota == 80 * MIB && own.room <= own.quota, "quota {}, room {}", own.quota, own.room);
    ensure!(own.cpu_us > 0 && server(TEST)?.cpu_us >= own.cpu_us, "it took {} us", own.cpu_us);

    let before = memory()?;
    ensure!(before.free < before.total && before.blocks.0.iter().any(|count| *count > 0), "{before:?}");
    let start = map(3 * MIB, MapFlags::LAZY)?;
    // SAFETY: it is promised.
    unsafe { write(start + MIB, 1) };
    let promised = find_range(own.id, start)?;
    ensure!(promised.kind == MemoryKind::Promised, "{promised:?}");
    ensure!((MIB - (64 << 10)..=MIB).contains(&promised.bytes), "{promised:?}");
    let real = find_range(own.id, start + MIB)?;
    ensure!(real.kind == MemoryKind::Heap && real.bytes == 64 << 10, "{real:?}");
    ensure!(real.protection == Protection::READ_WRITE, "{real:?}");
    let now = memory()?;
    ensure!(now.used.of(MemoryKind::Heap) > before.used.of(MemoryKind::Heap), "{now:?}");
    unmap(start, 3 * MIB)?;

    let code = find_range(own.id, (listings as fn() -> Checked) as usize as u64)?;
    ensure!(code.kind == MemoryKind::Image && code.protection == Protection::READ_EXECUTE, "{code:?}");
    let block = alloc::vec![1u8; 100];
    let heap = find_range(own.id, block.as_ptr() as usize as u64)?;
    ensure!(heap.kind == MemoryKind::Heap && heap.start >= HEAP_START, "{heap:?}");
    ensure!(find_range(own.id, PAGE).is_err(), "the first page is in use");

    let mut names = String::new();
    for index in 0.. {
        match call(slot::ADMIN, &Capability { server: own.id, index }) {
            Ok(found) => {
                let text = String::from_utf8_lossy(found.kind.as_bytes()).into_owned();
                names += &alloc::format!("{}={text} ", found.slot);
            }
            Err(ServiceError::NotFound) => break,
            Err(error) => return Err(failed("capability")(error)),
        }
    }
    println!("{names}");
    for expected in ["1=Tcb: its thread", "3=Endpoint: the root", "4=Reply", "6=IoPort"] {
        ensure!(names.contains(expected), "{expected} is not in {names}");
    }
    ensure!(call(slot::ADMIN, &Range { server: 0, index: 0 }).is_err(), "nobody has ranges");
    Ok(())
}
