//! The root task as a library: everything that can be tested on the host.
#![cfg_attr(not(test), no_std)]

pub mod account;
pub mod acpi;
pub mod clean;
pub mod devices;
pub mod exit;
#[cfg(test)]
#[path = "../../libsel/src/fuzzing.rs"]
mod fuzzing;
pub mod kept;
pub mod lazy;
pub mod loader;
pub mod madt;
pub mod manifest;
pub mod msi;
pub mod pci;
pub mod phys;
pub mod regions;
pub mod restart;
pub mod samples;
pub mod slots;
pub mod virt;
