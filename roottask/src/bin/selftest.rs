//! The kernel's self-test, a root task: see the module.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
#[path = "../selftest/mod.rs"]
mod selftest;

use libsel::bootinfo::BootInfoView;

/// Runs all tests and ends the machine.
#[libsel::root_task]
fn main(bootinfo: &BootInfoView<'_>) -> ! {
    #[cfg(target_os = "none")]
    selftest::run(bootinfo);
    #[cfg(not(target_os = "none"))]
    unreachable!("{:?}", bootinfo.raw())
}
