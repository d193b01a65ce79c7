//! What the kernel tells people in a debug build: its threads, all capabilities, why a thread that nobody handles
//! stopped. Nothing here is part of the interface; the words may change.
#![deny(unsafe_code)]

mod name;
mod path;
mod snapshot;
mod threads;

pub use name::{NAME_BYTES, Name};
pub use path::{MissingRight, Path};
