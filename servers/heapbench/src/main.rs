//! Replays a stream of allocations through this server's malloc and tells what it cost: `cargo xtask bench alloc --guest`
//! boots it with one stream as a file of the boot archive.
//!
//! Every line has five numbers: operations, ticks of the replay, ticks of the same replay without malloc, requests to the
//! root task, operations that failed. `first` is from the heap's first state, `again` is a second replay when all blocks
//! of the first were freed: what the heap keeps, it need not ask for. `thread` is a third one by a further thread, so that the
//! heap is shared.
#![cfg_attr(target_os = "none", no_std, no_main)]
extern crate alloc;

mod replay;

use core::ptr;
use core::slice;

use heapbench::{FILE, Stream};
use libsel::println;
use libsel::proto::ServiceError;
use libsel::proto::root::RootService;
use libsel::proto::start::slot;
use libsel::rt::alloc::requests;
use libsel::rt::ticks;
use libsel::thread;
use replay::{Malloc, Memory, Nothing, Slots, replay};

/// Ticks, requests and failures of one replay.
type Cost = (u64, usize, usize);

#[libsel::main]
fn main() {
    let file = match file() {
        Ok(file) => file,
        Err(error) => return println!("there is no {FILE} to read: {error:?}"),
    };
    let Some(stream) = Stream::read(file) else { return println!("{FILE} is no stream of allocations") };
    let mut slots = Slots::new(stream.slots());
    let mut byte = 0u8;
    let nothing = measure(&mut Nothing(&raw mut byte), &stream, &mut slots);
    slots.free_all(&mut Nothing(ptr::null_mut()));
    let first = measure(&mut Malloc, &stream, &mut slots);
    slots.free_all(&mut Malloc);
    let again = measure(&mut Malloc, &stream, &mut slots);
    slots.free_all(&mut Malloc);
    let count = stream.count();
    let third = thread::spawn(move || {
        let mut slots = Slots::new(stream.slots());
        measure(&mut Malloc, &stream, &mut slots)
    });
    let third = match third.and_then(|thread| thread.join()) {
        Ok(cost) => cost,
        Err(error) => return println!("no thread: {error:?}"),
    };
    for (name, (ticks, requests, failed)) in [("first", first), ("again", again), ("thread", third)] {
        println!("{name} {} {ticks} {} {requests} {failed}", count, nothing.0);
    }
}

/// Finds and maps the file.
fn file() -> Result<&'static [u8], ServiceError> {
    let root = RootService(slot::ROOT);
    let mut index = 0;
    let file = loop {
        let file = root.boot_file(index)?;
        if file.name.as_str() == FILE {
            break file;
        }
        index += 1;
    };
    let start = root.map_boot_file(index)?;
    // SAFETY: the root task maps the whole file for reading, nobody writes it, and it stays mapped.
    Ok(unsafe { slice::from_raw_parts(ptr::with_exposed_provenance(start as usize), file.bytes as usize) })
}

fn measure(memory: &mut impl Memory, stream: &Stream<'_>, slots: &mut Slots) -> Cost {
    let before = requests();
    let start = ticks();
    let failed = replay(memory, stream, slots);
    let ticks = ticks() - start;
    (ticks, requests() - before, failed)
}
