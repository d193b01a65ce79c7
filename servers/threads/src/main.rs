//! Starts threads that use one heap, print, and wait for each other, and checks what comes of it. It needs `threads=8` and
//! short budgets, so that a thread is interrupted wherever it is. With `fault=thread` a thread goes wrong in the end, with
//! `fault=panic` it panics.
#![cfg_attr(target_os = "none", no_std, no_main)]
extern crate alloc;

mod checks;

use libsel::proto::ServiceError;
use libsel::proto::start::StartInfo;
use libsel::{println, thread};

/// What a check says: why it failed.
type Checked = Result<(), ServiceError>;

/// Name and function of a check.
type Check = (&'static str, fn() -> Checked);

const CHECKS: [Check; 8] = [
    ("a thread has a number, and its result comes back", checks::results),
    ("eight threads allocate, and free each other's blocks", checks::heap),
    ("a mutex lets one thread in at a time", checks::mutex),
    ("each thread prints whole lines", checks::lines),
    ("there are as many threads as the manifest says", checks::limit),
    ("what threads had comes back", checks::memory),
    ("each thread has an IPC buffer of its own", checks::buffers),
    ("what cannot be is refused", checks::refusals),
];

/// A thread that does not come back.
fn go_wrong(way: &str) -> ServiceError {
    let panics = way == "panic";
    let started = thread::spawn(move || {
        if panics {
            panic!("as asked, in thread {}", thread::current());
        }
        let nowhere = core::ptr::with_exposed_provenance_mut::<u8>(0xdead_0000);
        // SAFETY: none; this is the fault that is asked for, and the kernel stops the thread before anything is written.
        unsafe { nowhere.write_volatile(1) }
    });
    match started.and_then(|thread| thread.join()) {
        Ok(()) => ServiceError::NotFound,
        Err(error) => error,
    }
}

#[libsel::main]
fn main(start: &StartInfo) -> Checked {
    println!("{} checks", CHECKS.len());
    for (name, check) in CHECKS {
        match check() {
            Ok(()) => println!("ok {name}"),
            Err(error) => {
                println!("FAILED {name}: {error}");
                return Err(error);
            }
        }
    }
    println!("all {} checks passed", CHECKS.len());
    match start.argument("fault") {
        Some(way) => Err(go_wrong(way)),
        None => Ok(()),
    }
}
