//! System calls on the host, where there is no kernel to enter: under test they go to a recorder that the test
//! installs on its thread; otherwise they panic.

use super::{MessageRegisters, Registers};
use crate::abi::{CPtr, MessageInfo, Word};

/// Everything a system call hands to the kernel in registers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry {
    /// `rdx`.
    pub number: i64,
    /// `rdi`.
    pub cap: CPtr,
    /// `rsi`.
    pub info: MessageInfo,
    /// `r10`, `r8`, `r9`, `r15`.
    pub mrs: MessageRegisters,
    /// `r12`.
    pub r12: CPtr,
    /// `r13`.
    pub r13: CPtr,
}

#[cfg(test)]
use recorder::enter;

#[cfg(test)]
pub use recorder::install;

#[cfg(not(test))]
fn enter(entry: Entry) -> Registers {
    panic!("no Selkie kernel on this host: {entry:?}")
}

pub(super) fn send_only<const NUMBER: i64>(dest: CPtr, info: MessageInfo, mrs: MessageRegisters) {
    combined::<NUMBER>(dest, info, mrs, 0, 0);
}

pub(super) fn call<const NUMBER: i64>(dest: CPtr, info: MessageInfo, mrs: MessageRegisters) -> Registers {
    combined::<NUMBER>(dest, info, mrs, 0, 0)
}

pub(super) fn receive_with_reply<const NUMBER: i64>(src: CPtr, reply: CPtr) -> Registers {
    combined::<NUMBER>(src, MessageInfo(0), [0; 4], reply, 0)
}

pub(super) fn receive<const NUMBER: i64>(src: CPtr) -> Registers {
    combined::<NUMBER>(src, MessageInfo(0), [0; 4], 0, 0)
}

pub(super) fn combined<const NUMBER: i64>(
    src: CPtr,
    info: MessageInfo,
    mrs: MessageRegisters,
    r12: CPtr,
    r13: CPtr,
) -> Registers {
    enter(Entry { number: NUMBER, cap: src, info, mrs, r12, r13 })
}

pub(super) fn one_register(number: i64, argument: Word) -> Word {
    enter(Entry { number, cap: argument, info: MessageInfo(0), mrs: [0; 4], r12: 0, r13: 0 }).badge
}

#[cfg(test)]
mod recorder {
    use super::{Entry, Registers};
    use std::boxed::Box;
    use std::cell::RefCell;

    type Kernel = Box<dyn FnMut(Entry) -> Registers>;

    std::thread_local! {
        static KERNEL: RefCell<Option<Kernel>> = const { RefCell::new(None) };
    }

    /// Lets `kernel` answer this thread's system calls from now on.
    pub fn install(kernel: impl FnMut(Entry) -> Registers + 'static) {
        KERNEL.with(|slot| *slot.borrow_mut() = Some(Box::new(kernel)));
    }

    pub fn enter(entry: Entry) -> Registers {
        KERNEL.with(|slot| match slot.borrow_mut().as_mut() {
            Some(kernel) => kernel(entry),
            None => panic!("system call without a recorder: {entry:?}"),
        })
    }
}
