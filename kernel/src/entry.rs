//! Where the machine hands over to the kernel: one function for each way in.
//!
//! The port's entry code has saved the registers of the current thread, runs on the core's stack with interrupts off,
//! and restores the current thread when a function returns.
use crate::boot::BootEnv;
use crate::boot::rootserver::{self, BootError};
use crate::latency::Cause;
use crate::state::{self, Config, Kernel};
use crate::syscall;

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
    Ok(())
}

/// A system call.
#[unsafe(no_mangle)]
extern "C" fn selkie_syscall() {
    let k = enter();
    k.latency.begin(Cause::Syscall(k.current));
    syscall::syscall(k);
}

/// An exception in user mode; `address` is CR2.
#[unsafe(no_mangle)]
extern "C" fn selkie_exception(vector: u64, error_code: u64, address: u64) {
    let k = enter();
    k.latency.begin(Cause::Exception);
    syscall::exception(k, vector, error_code, address);
}

/// An interrupt in user mode.
#[unsafe(no_mangle)]
extern "C" fn selkie_interrupt(vector: u64) {
    let k = enter();
    k.latency.begin(Cause::Interrupt);
    syscall::interrupt(k, vector as u8);
}

/// `int N` in user mode with a vector that is a system call.
#[unsafe(no_mangle)]
extern "C" fn selkie_software_interrupt(vector: u64) {
    let k = enter();
    k.latency.begin(Cause::Exception);
    syscall::software_interrupt(k, vector);
}
