//! A server that goes wrong in the way it is asked to (`fault=…`), for tests of what the root task does then.
#![cfg_attr(target_os = "none", no_std, no_main)]
extern crate alloc;

use alloc::vec::Vec;
use libsel::println;
use libsel::proto::admin::Reboot;
use libsel::proto::call;
use libsel::proto::root::{Map, MapFlags, Protection, RootService};
use libsel::proto::start::{StartInfo, slot};

/// An address where nothing is mapped.
const NOWHERE: usize = 0xdead_0000;
/// More than any quota.
const BLOCK_BYTES: usize = 100_000;
/// A block that goes straight to the root task and comes back.
const LARGE_BYTES: usize = 64 << 20;

#[libsel::main]
fn main(start: &StartInfo) {
    println!("asked to: {}", start.arguments());
    match start.argument("fault") {
        Some("write") => {
            let nowhere = core::ptr::with_exposed_provenance_mut::<u8>(NOWHERE);
            // SAFETY: none. This is the fault that was asked for; the kernel stops the thread before anything is
            // written.
            unsafe { nowhere.write_volatile(1) }
        }
        Some("panic") => panic!("as asked"),
        Some("memory") => {
            let mut blocks: Vec<Vec<u8>> = Vec::new();
            loop {
                blocks.push(alloc::vec![1; BLOCK_BYTES]);
            }
        }
        Some("promise") => {
            let (bytes, protection) = (1 << 40, Protection::READ_WRITE);
            let request = Map { address: 0, bytes, align: 0, protection, flags: MapFlags::LAZY };
            let Ok(start) = RootService(slot::ROOT).map(request) else { panic!("nothing was promised") };
            for address in (start..start + bytes).step_by(4096) {
                let page = core::ptr::with_exposed_provenance_mut::<u8>(address as usize);
                // SAFETY: the root task promised the memory, and nobody else uses it.
                unsafe { page.write_volatile(1) }
            }
        }
        Some("reboot") => {
            let error = call(slot::ADMIN, &Reboot {});
            println!("the machine did not restart: {error:?}");
        }
        // Nothing goes wrong: 64 MiB come and go.
        _ => {
            for _ in 0..3 {
                let block = alloc::vec![7u8; LARGE_BYTES];
                assert!(block.iter().all(|byte| *byte == 7));
            }
            println!("used 64 MiB three times");
        }
    }
}
