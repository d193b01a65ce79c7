//! The loader's binary: entry from QEMU, the order of the boot, and all that touches the machine.
//!
//! The parts that only read and decide are in the library, `directboot`.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![cfg_attr(
    target_os = "none",
    deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)
)]

#[cfg(target_os = "none")]
mod adapter;
#[cfg(target_os = "none")]
mod boot;
#[cfg(target_os = "none")]
mod cpu;
#[cfg(target_os = "none")]
mod entry;
#[cfg(target_os = "none")]
mod exit;
#[cfg(target_os = "none")]
mod handoff;
#[cfg(target_os = "none")]
mod handover;
#[cfg(target_os = "none")]
mod physical;
#[cfg(target_os = "none")]
mod serial;

/// Called by `entry` in long mode with the physical address of the PVH start info.
#[cfg(target_os = "none")]
extern "C" fn main(start_info: u64) -> ! {
    serial::init();
    cpu::mask_legacy_interrupts();
    cpu::set_page_attribute_table();
    match boot::prepare(start_info) {
        Ok(kernel) => handoff::enter(&kernel),
        Err(error) => {
            serial::print(format_args!("directboot: {error}\n"));
            exit::fail()
        }
    }
}

/// A panic is a fault of directboot's own; input does not lead here.
#[cfg(target_os = "none")]
#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    let message = info.message();
    match info.location() {
        Some(place) => {
            serial::print(format_args!("directboot: panic: {message} ({place}); report this fault\n"))
        }
        None => serial::print(format_args!("directboot: panic: {message}; report this fault\n")),
    }
    exit::fail()
}

#[cfg(not(target_os = "none"))]
fn main() {
    eprintln!(
        "directboot runs under `qemu-system-x86_64 -kernel`; build it with --target x86_64-unknown-none"
    );
    std::process::exit(2);
}
