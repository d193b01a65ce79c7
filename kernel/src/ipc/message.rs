//! The words of a message: the first four in registers, the others in the IPC buffer (abi.md 2.1, 2.7).
use core::cell::Cell;

use sel_abi::message::IPC_BUFFER_MSG_WORD;
use sel_abi::registers::MESSAGE_REGISTERS;
use sel_abi::{FAST_MESSAGE_REGISTERS, MSG_MAX_LENGTH, MessageInfo, Register};

use crate::object::tcb::{Tcb, TcbPtr};

/// An IPC buffer as the kernel sees it.
pub type Buffer = &'static [Cell<u64>; 128];

/// The message info that a thread passed.
#[inline]
pub fn info(thread: &Tcb) -> MessageInfo {
    MessageInfo(thread.context.get(Register::Rsi))
}

/// Message register `index` of a thread; 0 if it would be in a buffer that is not there.
#[inline]
pub fn word(thread: &Tcb, buffer: Option<Buffer>, index: usize) -> u64 {
    match MESSAGE_REGISTERS.get(index) {
        Some(&register) => thread.context.get(register),
        None => buffer.and_then(|buffer| buffer.get(IPC_BUFFER_MSG_WORD + index)).map_or(0, Cell::get),
    }
}

/// Writes the words of a kernel message to a thread; those that would need a missing buffer are dropped. Returns how
/// many it got.
pub fn write_words(to: TcbPtr, words: impl ExactSizeIterator<Item = u64>) -> usize {
    let buffer = if words.len() > FAST_MESSAGE_REGISTERS { to.ipc_buffer(true) } else { None };
    let limit = if buffer.is_some() { MSG_MAX_LENGTH } else { FAST_MESSAGE_REGISTERS };
    let mut written = 0;
    for (index, value) in words.take(limit).enumerate() {
        match MESSAGE_REGISTERS.get(index) {
            Some(&register) => to.context.set(register, value),
            None => {
                if let Some(cell) = buffer.and_then(|buffer| buffer.get(IPC_BUFFER_MSG_WORD + index)) {
                    cell.set(value);
                }
            }
        }
        written = index + 1;
    }
    written
}
