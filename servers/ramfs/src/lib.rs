//! Files in memory: those of the boot archive, read-only, and those that clients make.
//!
//! * [`files`]: the files and who has them open
//! * [`service`]: the protocol in front of them
#![cfg_attr(not(test), no_std)]
extern crate alloc;

pub mod files;
pub mod service;

#[cfg(test)]
mod tests;
