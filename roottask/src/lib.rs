//! The root task as a library: everything that can be tested on the host.
#![cfg_attr(not(test), no_std)]

pub mod phys;
pub mod virt;
