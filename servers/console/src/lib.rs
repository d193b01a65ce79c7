//! The console server: lines of its clients on the serial port.
//!
//! A client is known by the badge of its capability. What it prints is collected in a buffer of its own until the line
//! ends, so lines of several clients never mix; see [`lines`]. The port is polled, and initialised by the kernel or the
//! firmware; see [`serial`].
#![cfg_attr(not(test), no_std)]

pub mod lines;
pub mod serial;
