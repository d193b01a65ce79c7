//! The first instructions of a program: a stack, then Rust. Used through `#[libsel::main]` and `#[libsel::root_task]`.

use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::ptr;

use super::{Outcome, exit, start};
use crate::abi::{BootInfo, IpcBuffer};
use crate::bootinfo::{BootInfoView, initial};
use crate::cap::{Cap, Tcb};
use crate::ipc;
use crate::proto::root::RootService;
use crate::proto::start::{StartInfo, StartPage, slot};

/// Bytes below a stack that a server has taken out of its address space, so that a stack that grows too far faults.
pub const GUARD_BYTES: usize = 4096;

/// A program's stack, and the page below it.
#[repr(C, align(4096))]
pub struct Stack<const BYTES: usize> {
    guard: [u8; GUARD_BYTES],
    bytes: UnsafeCell<MaybeUninit<[u8; BYTES]>>,
}

// SAFETY: nothing but the stack pointer refers to the contents.
unsafe impl<const BYTES: usize> Sync for Stack<BYTES> {}

impl<const BYTES: usize> Stack<BYTES> {
    /// An unused stack.
    #[allow(clippy::new_without_default)]
    pub const fn new() -> Self {
        const { assert!(BYTES.is_multiple_of(16) && BYTES >= 4096, "a stack is at least 4096 bytes, times 16") };
        Stack { guard: [0; GUARD_BYTES], bytes: UnsafeCell::new(MaybeUninit::uninit()) }
    }
}

/// Defines `_start`: sets up a stack of `$stack` bytes and calls `$run` with `rdi` as it was, and the address of the page
/// below the stack in `rsi`.
#[doc(hidden)]
#[macro_export]
macro_rules! entry {
    ($stack:expr, $run:path) => {
        const _: () = {
            static STACK: $crate::rt::entry::Stack<{ $stack }> = $crate::rt::entry::Stack::new();

            /// The ELF entry.
            #[unsafe(naked)]
            #[unsafe(no_mangle)]
            extern "C" fn _start() -> ! {
                ::core::arch::naked_asm!(
                    "lea rsi, [rip + {stack}]",
                    "lea rsp, [rsi + {bytes}]",
                    "xor ebp, ebp",
                    "call {run}",
                    "ud2",
                    stack = sym STACK,
                    bytes = const { $crate::rt::entry::GUARD_BYTES + $stack },
                    run = sym $run,
                )
            }
        };
    };
}

/// Runs a server: `main` gets its start information. `guard` is the address of the page below the stack.
///
/// # Safety
/// `page` is what the root task put in `rdi`, and nothing ran in this process before.
pub unsafe fn run_server<O: Outcome>(
    page: *mut StartPage,
    guard: u64,
    main: impl FnOnce(&'static StartInfo) -> O,
) -> ! {
    // SAFETY: the caller's promise.
    let Some(info) = (unsafe { start::set_up(page) }) else {
        panic!("rdi does not point to a start page; servers are started by the root task")
    };
    // Without a guard page the server runs as well; the root task refuses addresses outside of the image only.
    let _ = RootService(slot::ROOT).guard(guard);
    exit(main(info).report())
}

/// Runs a root task: `main` gets the boot information; its stack has no guard page. When it returns, the thread is suspended.
///
/// # Safety
/// `info` is what the kernel put in `rdi`, and nothing ran in this process before.
pub unsafe fn run_root_task<O: Outcome>(
    info: *const BootInfo,
    _guard: u64,
    main: impl FnOnce(&BootInfoView<'static>) -> O,
) -> ! {
    // SAFETY: the caller's promise.
    let view = unsafe { BootInfoView::from_kernel(info) };
    let buffer = ptr::with_exposed_provenance_mut::<IpcBuffer>(view.raw().ipc_buffer as usize);
    // SAFETY: the kernel mapped the buffer there and nobody else uses it.
    unsafe { ipc::set_buffer(buffer) };
    if let Some(report) = view.boot_report() {
        super::print::set_kernel_prints(report.debug_calls != 0);
    }
    #[cfg(target_os = "none")]
    super::protect::protect_root_task(&view);
    main(&view).report();
    super::print::flush();
    suspend(initial::TCB)
}

/// Stops the server's first thread for good.
pub(super) fn stop() -> ! {
    suspend(slot::TCB)
}

fn suspend(thread: Cap<Tcb>) -> ! {
    let _ = thread.suspend();
    fault()
}

/// Raises the exception that a supervisor reports: there is nothing left to do.
#[cfg(not(test))]
pub(crate) fn fault() -> ! {
    // SAFETY: the instruction does nothing but raise #UD.
    unsafe { core::arch::asm!("ud2", options(noreturn, nomem, nostack)) }
}

/// Under test, where an illegal instruction would end all tests.
#[cfg(test)]
pub(crate) fn fault() -> ! {
    panic!("the program would fault here")
}
