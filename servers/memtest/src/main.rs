//! Uses everything that the root task's memory service has, and checks what comes of it. It needs the words
//! `admin ports=510-51b devices=framebuffer,hpet,pci:1234:1111 quota=80M`, the server `mempeer`, and QEMU's usual devices.
#![cfg_attr(target_os = "none", no_std, no_main)]
extern crate alloc;

mod devices;
mod mapping;
mod sharing;
mod system;

use alloc::string::String;
use libsel::println;
use libsel::proto::root::{Map, MapFlags, MemoryStats, Protection, RootService};
use libsel::proto::start::slot;

/// The root task.
const ROOT: RootService = RootService(slot::ROOT);
/// Bytes of a page.
const PAGE: u64 = 4096;
/// Bytes in a MiB.
const MIB: u64 = 1 << 20;

/// What a check says: why it failed.
type Checked = Result<(), String>;

/// Fails the check with a text unless the condition holds.
macro_rules! ensure {
    ($condition:expr, $($text:tt)+) => {
        if !$condition {
            return Err(alloc::format!($($text)+));
        }
    };
}
use ensure;

/// The text of an error, with what was tried.
fn failed<E: core::fmt::Display>(what: &'static str) -> impl Fn(E) -> String {
    move |error| alloc::format!("{what}: {error}")
}

/// Maps data anywhere.
fn map(bytes: u64, flags: MapFlags) -> Result<u64, String> {
    let protection = Protection::READ_WRITE;
    ROOT.map(Map { address: 0, bytes, align: 0, protection, flags }).map_err(failed("map"))
}

/// Gives memory back.
fn unmap(address: u64, bytes: u64) -> Checked {
    ROOT.unmap(address, bytes).map_err(failed("unmap"))
}

/// What this server has.
fn stats() -> Result<MemoryStats, String> {
    ROOT.stats().map_err(failed("stats"))
}

/// Name and function of a check.
type Check = (&'static str, fn() -> Checked);

const CHECKS: [Check; 16] = [
    ("promised pages come zeroed and count when touched", mapping::promises),
    ("promised pages come in larger pieces one after the other", mapping::promises_in_order),
    ("promised memory goes back untouched, touched and in parts", mapping::promises_back),
    ("memory grows in place", mapping::growth),
    ("the quota refuses and forgets", mapping::quota),
    ("empty page tables go when room is needed", mapping::empty_tables),
    ("large pages", mapping::large_pages),
    ("two servers share a region", sharing::region),
    ("only who was named shares, and whole mappings", sharing::refusals),
    ("a server is killed while it shares", sharing::killed_user),
    ("the maker of a region is killed", sharing::killed_maker),
    ("a device writes to a DMA buffer", devices::dma),
    ("registers by ACPI table and PCI BAR", devices::registers),
    ("the framebuffer", devices::screen),
    ("files of the boot archive", system::boot_files),
    ("servers, memory, ranges and capabilities can be listed", system::listings),
];

#[libsel::main]
fn main() -> Result<(), String> {
    let mut trouble = 0;
    for (name, check) in CHECKS {
        match check() {
            Ok(()) => println!("ok {name}"),
            Err(error) => {
                trouble += 1;
                println!("FAILED {name}: {error}");
            }
        }
    }
    sharing::end_peer();
    ensure!(trouble == 0, "{trouble} of {} checks failed", CHECKS.len());
    println!("all {} checks passed", CHECKS.len());
    Ok(())
}
