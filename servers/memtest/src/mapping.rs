//! Promised memory, growth, quota, large pages.
use libsel::println;
use libsel::proto::ServiceError;
use libsel::proto::root::{Map, MapFlags, Protection};
use libsel::rt::ticks;
use memtest::{read, write};

use crate::system::own_room;
use crate::{Checked, MIB, PAGE, ROOT, ensure, failed, map, stats, unmap};

/// A large part of the quota, most of which is never touched.
pub fn promises() -> Checked {
    let before = stats()?.mapped_bytes;
    // Far more than the quota: what is not touched does not count.
    let bytes = 1 << 40;
    let start = map(bytes, MapFlags::LAZY)?;
    ensure!(stats()?.mapped_bytes == before, "a promise counts");
    let places = [0, 5 * MIB + 24, bytes / 2, bytes - 8];
    for (number, offset) in places.into_iter().enumerate() {
        // SAFETY: the range is promised.
        let word = unsafe { read(start + offset) };
        ensure!(word == 0, "{word:#x} at {offset:#x}");
        // SAFETY: the same.
        unsafe { write(start + offset, offset + 1) };
        let now = stats()?.mapped_bytes - before;
        let pages = number as u64 + 1;
        ensure!((pages * PAGE..=pages * 16 * PAGE).contains(&now), "{now} bytes after {pages} touches");
    }
    for offset in places {
        // SAFETY: the same.
        let word = unsafe { read(start + offset) };
        ensure!(word == offset + 1, "{word:#x} at {offset:#x}, written before");
    }
    unmap(start, bytes)?;
    ensure!(stats()?.mapped_bytes == before, "memory stays after Unmap");
    Ok(())
}

/// Every page of a range, from the start.
pub fn promises_in_order() -> Checked {
    let (before, bytes) = (stats()?, 8 * MIB);
    let start = map(bytes, MapFlags::LAZY)?;
    let begin = ticks();
    for offset in (0..bytes).step_by(PAGE as usize) {
        // SAFETY: the range is promised.
        let word = unsafe { read(start + offset) };
        ensure!(word == 0, "{word:#x} at {offset:#x}");
        // SAFETY: the same.
        unsafe { write(start + offset, offset) };
    }
    println!("{} ticks for each of {} promised pages", (ticks() - begin) / (bytes / PAGE), bytes / PAGE);
    let now = stats()?;
    ensure!(now.mapped_bytes - before.mapped_bytes == bytes, "{} bytes are mapped", now.mapped_bytes);
    let pieces = now.ranges - before.ranges;
    ensure!(pieces <= bytes / (256 << 10) + 4, "it took {pieces} pieces");
    for offset in (0..bytes).step_by(PAGE as usize) {
        // SAFETY: the same.
        let word = unsafe { read(start + offset) };
        ensure!(word == offset, "{word:#x} at {offset:#x}, written before");
    }
    unmap(start, bytes)?;
    ensure!(stats()?.ranges == before.ranges, "ranges stay after Unmap");
    Ok(())
}

/// Unmap of parts, in which some pages were touched.
pub fn promises_back() -> Checked {
    let before = stats()?;
    let start = map(16 * MIB, MapFlags::LAZY)?;
    // SAFETY: the range is promised.
    unsafe { write(start + 3 * MIB, 1) };
    unmap(start + 2 * MIB, 6 * MIB)?;
    let again = ROOT.map(Map {
        address: start + 2 * MIB,
        bytes: 6 * MIB,
        align: 0,
        protection: Protection::READ_WRITE,
        flags: MapFlags::LAZY,
    });
    ensure!(again == Ok(start + 2 * MIB), "the place is not free: {again:?}");
    // SAFETY: the same.
    ensure!(unsafe { read(start + 3 * MIB) } == 0, "what was given back comes again");
    unmap(start, 16 * MIB)?;
    ensure!(ROOT.unmap(start, PAGE) == Err(ServiceError::NotFound), "it goes back twice");
    let now = stats()?;
    ensure!((now.mapped_bytes, now.ranges) == (before.mapped_bytes, before.ranges), "{now:?}, {before:?}");
    Ok(())
}

/// Eager and promised memory grow where they are, and not into others'.
pub fn growth() -> Checked {
    for flags in [MapFlags::NONE, MapFlags::LAZY, MapFlags { lazy: false, large: true }] {
        let bytes = if flags.large { 4 * MIB } else { 16 * PAGE };
        let room = map(64 * MIB, MapFlags::LAZY)?;
        unmap(room, 64 * MIB)?;
        let protection = Protection::READ_WRITE;
        let start = ROOT.map(Map { address: room, bytes, align: 0, protection, flags });
        let start = start.map_err(failed("map"))?;
        // SAFETY: it is mapped, or promised.
        unsafe { write(start + bytes - 8, 77) };
        let grown = ROOT.grow(start + bytes, MIB).map_err(failed("grow"))?;
        ensure!(grown == start + bytes, "it grew at {grown:#x}");
        let whole = bytes + MIB;
        // SAFETY: it is mapped, or promised.
        let (old, new, last) =
            unsafe { (read(start + bytes - 8), read(start + bytes), read(start + whole - 8)) };
        ensure!((old, new, last) == (77, 0, 0), "{old}, {new}, {last} in grown memory");
        ensure!(ROOT.grow(start + whole + PAGE, PAGE) == Err(ServiceError::NotFound), "nothing grew");
        let wall = Map { address: start + whole, bytes: PAGE, align: 0, protection, flags: MapFlags::NONE };
        ROOT.map(wall).map_err(failed("map behind"))?;
        let blocked = ROOT.grow(start + whole, PAGE);
        ensure!(blocked == Ok(start + whole + PAGE) || blocked == Err(ServiceError::InUse), "{blocked:?}");
        let end = if blocked.is_ok() { 2 * PAGE } else { PAGE };
        unmap(start, whole + end)?;
    }
    Ok(())
}

/// More than the quota is refused, and nothing stays of it; 64 MiB come and go.
pub fn quota() -> Checked {
    let before = stats()?;
    let protection = Protection::READ_WRITE;
    for bytes in [81 * MIB, 1 << 45, u64::MAX] {
        let refused = ROOT.map(Map { address: 0, bytes, align: 0, protection, flags: MapFlags::NONE });
        let clear = matches!(refused, Err(ServiceError::OutOfMemory | ServiceError::InvalidArgument));
        ensure!(clear, "{bytes} bytes: {refused:?}");
    }
    let room = own_room()?;
    for _ in 0..3 {
        let begin = ticks();
        let start = map(64 * MIB, MapFlags::NONE)?;
        println!("{} ticks for each of {} pages", (ticks() - begin) / (64 * MIB / PAGE), 64 * MIB / PAGE);
        // SAFETY: it is mapped.
        unsafe { write(start + 64 * MIB - 8, 1) };
        let more = Map { address: 0, bytes: 32 * MIB, align: 0, protection, flags: MapFlags::NONE };
        ensure!(ROOT.map(more) == Err(ServiceError::OutOfMemory), "32 MiB more than the quota");
        unmap(start, 64 * MIB)?;
        let now = stats()?;
        ensure!(now.mapped_bytes == before.mapped_bytes, "{} bytes are mapped", now.mapped_bytes);
        // The page tables for 64 MiB may stay, and those of places used before.
        let left = own_room()?;
        ensure!(left + 70 * PAGE >= room, "{left} bytes are left, {room} before");
    }
    Ok(())
}

/// Page tables of addresses that are free go when room is needed.
pub fn empty_tables() -> Checked {
    const TOUCHES: u64 = 600;
    let room = own_room()?;
    let bytes = TOUCHES * 8 * MIB;
    let start = map(bytes, MapFlags::LAZY)?;
    for offset in (0..bytes).step_by(8 << 20) {
        // SAFETY: the range is promised.
        unsafe { write(start + offset, 1) };
    }
    unmap(start, bytes)?;
    let left = own_room()?;
    ensure!(left + TOUCHES * PAGE <= room, "{left} of {room} bytes are left: the tables do not count");
    // Not to be had beside all those tables.
    let most = room - MIB;
    let start = map(most, MapFlags::NONE)?;
    unmap(start, most)
}

/// Large pages are aligned, take one piece each, and go as a whole.
pub fn large_pages() -> Checked {
    let before = stats()?;
    let bytes = 8 * MIB + 3 * PAGE;
    let start = map(bytes, MapFlags::LARGE)?;
    ensure!(start.is_multiple_of(2 * MIB), "they begin at {start:#x}");
    ensure!(stats()?.ranges - before.ranges == 5, "they take {} pieces", stats()?.ranges - before.ranges);
    for offset in (0..bytes).step_by(PAGE as usize) {
        // SAFETY: it is mapped.
        ensure!(unsafe { read(start + offset) } == 0, "not zero at {offset:#x}");
    }
    ensure!(
        ROOT.unmap(start + MIB, 2 * MIB) == Err(ServiceError::InvalidArgument),
        "a part of a large page goes"
    );
    unmap(start + 2 * MIB, 2 * MIB)?;
    unmap(start, 2 * MIB)?;
    unmap(start + 4 * MIB, bytes - 4 * MIB)?;
    let lazy = map(6 * MIB, MapFlags { lazy: true, large: true })?;
    // SAFETY: it is promised.
    unsafe { write(lazy + 3 * MIB, 5) };
    let now = stats()?;
    ensure!(now.mapped_bytes - before.mapped_bytes == 2 * MIB, "{} bytes are mapped", now.mapped_bytes);
    unmap(lazy, 6 * MIB)?;
    ensure!(stats()?.mapped_bytes == before.mapped_bytes, "memory stays after Unmap");
    Ok(())
}
