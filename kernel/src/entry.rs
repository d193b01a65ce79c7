//! Where the machine hands over to the kernel: one function for each way in.
//!
//! The port's entry code has saved the registers of the current thread, and runs on the core's stack with interrupts
//! off. None of the functions returns, so that none has to restore a register: they end where the port restores the
//! thread that is the current one by then.
use sel_abi::MessageInfo;

use crate::arch;
use crate::boot::BootEnv;
use crate::boot::rootserver::{self, BootError};
use crate::latency::Cause;
use crate::object::tcb::TcbPtr;
use crate::state::{self, Config, Kernel};
use crate::syscall;
use crate::trace;

/// The kernel's state, for this kernel entry.
fn enter() -> &'static mut Kernel {
    // SAFETY: each function below calls this once, as the first thing of a kernel entry, and entries do not nest:
    // interrupts are off, and an exception in the kernel ends in a panic.
    unsafe { state::lock() }
}

/// Creates the root task and chooses it to run. The port then leaves to user mode.
pub fn start_root_task(env: &mut BootEnv, config: Config) -> Result<(), BootError> {
    let k = enter();
    k.config = config;
    rootserver::create(k, env)?;
    k.finish();
    trace::exit(k);
    Ok(())
}

/// The kernel's state at the beginning of a system call, and the thread that made it.
#[inline(always)]
fn enter_syscall() -> (&'static mut Kernel, TcbPtr) {
    let k = enter();
    k.latency.begin(Cause::Syscall(k.current));
    // SAFETY: the port leaves to user mode only with a current thread, and this is an entry from there.
    let thread = unsafe { k.current.unwrap_unchecked() };
    trace::syscall(thread);
    (k, thread)
}

/// A Call. The arguments are in the saved registers as well.
#[unsafe(no_mangle)]
extern "C" fn selkie_call(cptr: u64, info: u64) -> ! {
    let (k, thread) = enter_syscall();
    syscall::call(k, thread, cptr, MessageInfo(info));
    trace::exit(k);
    arch::enter_user()
}

/// A ReplyRecv.
#[unsafe(no_mangle)]
extern "C" fn selkie_reply_recv(cptr: u64, info: u64) -> ! {
    let (k, thread) = enter_syscall();
    syscall::reply_recv(k, thread, cptr, MessageInfo(info));
    trace::exit(k);
    arch::enter_user()
}

/// A Yield.
#[unsafe(no_mangle)]
extern "C" fn selkie_yield() -> ! {
    let (k, thread) = enter_syscall();
    syscall::yield_now(k, thread);
    trace::exit(k);
    arch::enter_user()
}

/// One of the other calls that every build has.
#[unsafe(no_mangle)]
extern "C" fn selkie_other_call(cptr: u64, info: u64, number: i64) -> ! {
    let (k, thread) = enter_syscall();
    syscall::other_call(k, thread, cptr, MessageInfo(info), number);
    trace::exit(k);
    arch::enter_user()
}

/// Any other system call.
#[unsafe(no_mangle)]
extern "C" fn selkie_syscall(_cptr: u64, _info: u64, number: i64) -> ! {
    let (k, thread) = enter_syscall();
    syscall::unusual(k, thread, number);
    trace::exit(k);
    arch::enter_user()
}

/// An exception in user mode; `address` is CR2.
#[unsafe(no_mangle)]
extern "C" fn selkie_exception(vector: u64, error_code: u64, address: u64) -> ! {
    let k = enter();
    k.latency.begin(Cause::Exception);
    trace::exception(k, vector, address);
    syscall::exception(k, vector, error_code, address);
    trace::exit(k);
    arch::enter_user()
}

/// An interrupt in user mode.
#[unsafe(no_mangle)]
extern "C" fn selkie_interrupt(vector: u64) -> ! {
    let k = enter();
    k.latency.begin(Cause::Interrupt);
    trace::interrupt(k, vector);
    syscall::interrupt(k, vector as u8);
    trace::exit(k);
    arch::enter_user()
}

/// `int N` in user mode with a vector that is a system call.
#[unsafe(no_mangle)]
extern "C" fn selkie_software_interrupt(vector: u64) -> ! {
    let k = enter();
    k.latency.begin(Cause::Exception);
    trace::software_interrupt(k, vector);
    syscall::software_interrupt(k, vector);
    trace::exit(k);
    arch::enter_user()
}
