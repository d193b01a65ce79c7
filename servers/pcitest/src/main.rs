//! Drives two PCI devices of QEMU (`-device edu -device nvme,serial=1`) through all that the root task gives a driver:
//! registers, DMA buffers, interrupts by messages (MSI of the one, MSI-X of the other). Its section needs
//! `devices=pci:1234:11e8,pci:1b36:0010 irqs=msi:1234:11e8,msi:1b36:0010`.
#![cfg_attr(target_os = "none", no_std, no_main)]
extern crate alloc;

mod edu;
mod nvme;
mod registers;

use alloc::string::String;

use libsel::cap::{Cap, IrqHandler};
use libsel::println;
use libsel::proto::start::slot;

/// What went wrong, in words.
type Checked = Result<(), String>;
type Check = (&'static str, fn() -> Checked);

const CHECKS: [Check; 3] = [
    ("a device computes, and says by MSI when it is done", edu::factorial),
    ("each message arrives, and none without a reason", edu::messages),
    ("a controller answers in a DMA buffer, and says so by MSI-X", nvme::identify),
];

/// Waits for interrupt `number` of the section's list, and lets the next one come.
fn wait(number: u64) -> Checked {
    let signals = slot::NOTIFICATION.wait() & !slot::SIGNAL;
    ensure(signals == 1 << number, "another interrupt came")?;
    let handler: Cap<IrqHandler> = Cap::new(slot::FIRST_IRQ + number);
    handler.ack().map_err(|error| alloc::format!("the interrupt cannot be acknowledged: {error}"))
}

fn ensure(holds: bool, otherwise: &str) -> Checked {
    if holds { Ok(()) } else { Err(otherwise.into()) }
}

#[libsel::main]
fn main() {
    let mut passed = 0;
    for (name, check) in CHECKS {
        match check() {
            Ok(()) => passed += 1,
            Err(problem) => println!("FAILED: {name}: {problem}"),
        }
    }
    if passed < CHECKS.len() {
        println!("{passed} of {} checks passed", CHECKS.len());
        libsel::rt::exit(1);
    }
    println!("all {passed} checks passed");
}
