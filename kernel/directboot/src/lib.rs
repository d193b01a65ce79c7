//! directboot: boots the kernel from `qemu-system-x86_64 -kernel`, without firmware files, ISO images or downloads.
//!
//! QEMU starts an ELF file that carries a PVH note in 32-bit mode and hands it a memory map, a command line, the
//! address of the ACPI tables and one module: the boot archive given by `-initrd`. directboot turns that into what the
//! Limine bootloader gives a kernel, so that the kernel knows one boot protocol only:
//!
//! ```text
//! start info ─► memory map ─┐
//! archive ─► limine.conf ─► kernel, modules ─► requests found in the kernel ─► responses ─► page tables ─► entry
//! ```
//!
//! Principles:
//!
//! - Nothing here is trusted: the archive, the configuration, the kernel file and the start info are checked, and each
//!   fault becomes one line that says what to do ([`error`]). No input reaches a panic.
//! - The memory map is the allocator: taking memory changes the kind of a region, so that the map which the kernel is
//!   given is true by construction ([`memory_map`]).
//! - What reads or decides is in this library and runs in host tests, without `unsafe`. What touches the machine is in
//!   the binary's modules (`entry`, `physical`, `handoff`, `serial`, `exit`).
//!
//! Base revisions 0 to 4 of the protocol are spoken ([`limine::MAX_REVISION`]). Differences from Limine, all of them
//! allowed by the protocol: a framebuffer only if the word `resolution=WIDTHxHEIGHT` asks for one, no multiprocessor
//! response (the kernel starts the other processors);
//! the direct map holds the first 4 GiB in every revision, although revision 3 and later promise less. The local APIC
//! and the I/O APICs are left as QEMU's firmware leaves them, with every I/O APIC entry masked.
#![no_std]
#![deny(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)
)]

#[cfg(test)]
extern crate std;

pub mod acpi;
pub mod bytes;
pub mod command_line;
pub mod conf;
pub mod cpio;
pub mod direct_map;
pub mod error;
pub mod kernel_image;
pub mod limine;
pub mod memory_map;
pub mod paging;
pub mod pvh;
pub mod requests;
pub mod responses;
pub mod screen;
