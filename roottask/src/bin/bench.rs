//! The kernel's benchmark, a root task: see the module.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
#[path = "../bare/mod.rs"]
#[allow(dead_code, reason = "shared with the self-test; each program uses a part")]
mod bare;

#[cfg(target_os = "none")]
#[path = "../bench/mod.rs"]
mod bench;

use libsel::bootinfo::BootInfoView;

/// Measures all rows and ends the machine.
#[libsel::root_task]
fn main(bootinfo: &BootInfoView<'_>) -> ! {
    #[cfg(target_os = "none")]
    bench::run(bootinfo);
    #[cfg(not(target_os = "none"))]
    unreachable!("{:?}", bootinfo.raw())
}
