//! The root task as a library: everything that can be tested on the host.
#![cfg_attr(not(test), no_std)]

pub mod account;
pub mod clean;
pub mod exit;
#[cfg(test)]
mod fuzzing;
pub mod loader;
pub mod manifest;
pub mod phys;
pub mod samples;
pub mod slots;
pub mod virt;
