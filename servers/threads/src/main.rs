//! Starts threads that use one heap, print, and wait for each other, and checks what comes of it. It needs `threads=8` and
//! short budgets, so that a thread is interrupted wherever it is.
#![cfg_attr(target_os = "none", no_std, no_main)]
extern crate alloc;

mod checks;

use libsel::println;
use libsel::proto::ServiceError;

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

#[libsel::main]
fn main() -> Checked {
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
    Ok(())
}
