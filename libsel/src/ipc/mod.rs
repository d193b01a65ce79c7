//! Messages: the words that travel in registers, the IPC buffer that holds the rest, and capabilities on their way.
//!
//! Sending takes slices: `endpoint.call(label, &words, &caps)` ([`crate::invoke`]). The first four words go to registers
//! and the others to the thread's IPC buffer. A received [`Message`] holds the registers; its further words are read
//! from the buffer when asked for, so they are to be read before the next system call (and `println!` is one).

mod buffer;
mod message;

pub use buffer::{Buffer, buffer, set_buffer};
pub use message::{Message, compose};

use crate::cap::AbsoluteSlot;

/// Names the slot that a capability which comes with a message is put into (abi.md 2.8). It stays set; once it is
/// full, further capabilities are dropped. Returns false if the thread has no IPC buffer.
pub fn set_receive_slot(slot: AbsoluteSlot) -> bool {
    match buffer() {
        Some(buffer) => {
            buffer.set_receive_slot(slot.root.cptr(), slot.index, slot.depth);
            true
        }
        None => false,
    }
}
