//! System calls outside of the API: debugging and measuring (abi.md 2.4). None of them is charged.
use sel_abi::registers::CAP_REGISTER;
use sel_abi::{MessageInfo, Register, Syscall};

use crate::arch;
use crate::cap::{Cap, lookup};
use crate::dump::NAME_BYTES;
use crate::ipc::message;
use crate::object::tcb::TcbPtr;
use crate::print;
use crate::state::Kernel;
use crate::trace;

/// Performs a call; false if this build and configuration do not have it.
pub fn perform(k: &mut Kernel, thread: TcbPtr, call: Syscall) -> bool {
    benchmark_call(thread, call) || debug_call(k, thread, call) || counter_call(k, thread, call)
}

/// BenchmarkNullSyscall, which is there to be measured.
#[inline(always)]
pub fn nothing(number: i64) -> bool {
    cfg!(feature = "benchmark") && number == Syscall::BenchmarkNullSyscall.raw()
}

/// Debug calls; true if the call was one that exists.
fn debug_call(k: &mut Kernel, thread: TcbPtr, call: Syscall) -> bool {
    if !cfg!(feature = "debug") {
        return false;
    }
    let argument = thread.context.get(CAP_REGISTER);
    match call {
        Syscall::DebugPutChar => print::put_char(argument as u8),
        Syscall::DebugHalt => {
            let mut buffer = [0; NAME_BYTES];
            print::line(format_args!("halted by a debug call of thread {:?}", thread.name.text(&mut buffer)));
            arch::halt(0)
        }
        Syscall::DebugCapIdentify => {
            let tag = lookup::thread_slot(&thread, argument).map_or(0, |slot| slot.cap().tag().raw());
            thread.context.set(CAP_REGISTER, tag);
        }
        Syscall::DebugNameThread => name_thread(thread, argument),
        Syscall::DebugDumpScheduler => k.dump(),
        Syscall::DebugSnapshot => k.snapshot(),
        _ => return false,
    }
    true
}

/// Benchmark calls of a build without a kernel log; true if the call was one that exists.
#[inline(always)]
fn benchmark_call(thread: TcbPtr, call: Syscall) -> bool {
    if !cfg!(feature = "benchmark") {
        return false;
    }
    match call {
        Syscall::BenchmarkNullSyscall | Syscall::BenchmarkFinalizeLog => {}
        Syscall::BenchmarkFlushCaches => arch::flush_caches(),
        Syscall::BenchmarkResetLog => thread.context.set(CAP_REGISTER, sel_abi::Error::NoError.raw()),
        _ => return false,
    }
    true
}

/// The calls for registers of performance counters, where the command line offers them; true if the call was one.
fn counter_call(k: &Kernel, thread: TcbPtr, call: Syscall) -> bool {
    if !k.config.counters {
        return false;
    }
    let register = thread.context.get(CAP_REGISTER);
    match call {
        Syscall::X86DangerousRdmsr => {
            let length = message::write_words(thread, [arch::read_counter_register(register)].into_iter());
            thread.context.set(Register::Rsi, MessageInfo::new(0, 0, 0, length).0);
        }
        Syscall::X86DangerousWrmsr => {
            arch::write_counter_register(register, message::word(&thread, None, 0));
        }
        _ => return false,
    }
    true
}

/// DebugNameThread: the name stands at the start of the caller's message, NUL-terminated.
fn name_thread(caller: TcbPtr, cptr: u64) {
    let target = lookup::thread_slot(&caller, cptr).map(|slot| slot.cap());
    let (Ok(Cap::Tcb(target)), Some(buffer)) = (target, caller.ipc_buffer(false)) else {
        print::line(format_args!("DebugNameThread: not a TCB, or no IPC buffer"));
        arch::halt(1);
    };
    let bytes = buffer
        .iter()
        .skip(sel_abi::message::IPC_BUFFER_MSG_WORD)
        .take(sel_abi::MSG_MAX_LENGTH)
        .flat_map(|word| word.get().to_le_bytes());
    let mut name = [0; NAME_BYTES];
    let mut terminated = false;
    for (index, byte) in bytes.enumerate() {
        if byte == 0 {
            terminated = true;
            break;
        }
        if let Some(to) = name.get_mut(index) {
            *to = byte;
        }
    }
    if !terminated {
        print::line(format_args!("DebugNameThread: the name is too long"));
        arch::halt(1);
    }
    target.name.set(&name);
    trace::name(target);
}
