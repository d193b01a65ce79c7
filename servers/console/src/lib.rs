//! The console server: what its clients print, and lines that are typed for them.
//!
//! ```text
//!   serial port ─► terminal ─┐                                          ┌─► serial port
//!                            ├─► Key ─► session ─► editor, history ─►  ─┤
//!   PS/2 port ─► keyboard ───┘             ▲                            └─► screen
//!                                          │
//!                            Print ─► lines, above the prompt
//! ```
//!
//! * [`lines`]: what a client prints is collected in a buffer of its own until the line ends, so lines of several clients
//!   never mix. A client is known by the badge of its capability.
//! * [`terminal`], [`keyboard`]: what a serial terminal or a PS/2 keyboard sends, as keys
//! * [`editor`], [`history`], [`prompt`]: one line that is being typed, and how it looks
//! * [`session`]: who reads, and what happens between the prompt and what others print
//! * [`serial`], [`ps2`]: the devices; initialised by the kernel or the firmware
//! * [`screen`]: the same output on a framebuffer
//!
//! Output is one stream of bytes for both devices: text, and the few control sequences that [`output`] names. Everything
//! but [`serial`] and [`ps2`] is pure and runs in host tests. Before the first line is read, nothing is allocated.
#![cfg_attr(not(test), no_std)]

extern crate alloc;

pub mod editor;
pub mod history;
pub mod keyboard;
pub mod lines;
pub mod output;
pub mod prompt;
pub mod ps2;
pub mod screen;
pub mod serial;
pub mod session;
pub mod terminal;

#[cfg(test)]
mod tests;
