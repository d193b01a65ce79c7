//! A root task that attacks the kernel: see the module.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
#[path = "../hostile/mod.rs"]
mod hostile;

use libsel::bootinfo::BootInfoView;

/// Attacks the kernel and ends the machine.
#[libsel::root_task]
fn main(bootinfo: &BootInfoView<'_>) -> ! {
    #[cfg(target_os = "none")]
    hostile::run(bootinfo);
    #[cfg(not(target_os = "none"))]
    unreachable!("{:?}", bootinfo.raw())
}
