//! A server's print hook: the console server; until it can be reached, the root task; failing that, the kernel.

use core::sync::atomic::{AtomicU64, Ordering};

use super::{print as kernel_console, slots, start_info};
use crate::abi::CPtr;
use crate::cap::Cap;
use crate::proto::Name;
use crate::proto::console::Console;
use crate::proto::root::RootService;
use crate::proto::start::slot;

const CONSOLE_NAME: Option<Name> = Name::new("console");

/// Slot of the console's endpoint; 0 while there is none.
static CONSOLE: AtomicU64 = AtomicU64::new(0);

/// Prints a line.
pub fn print(bytes: &[u8]) {
    let printed = connect().is_some_and(|console| console.print(bytes).is_ok());
    if !printed && RootService(slot::ROOT).log(bytes).is_err() {
        kernel_console::kernel(bytes);
    }
}

/// The console; looked up when it is first needed, and again as long as that fails.
fn connect() -> Option<Console> {
    let known: CPtr = CONSOLE.load(Ordering::Relaxed);
    if known != 0 {
        return Some(Console(Cap::new(known)));
    }
    let name = CONSOLE_NAME?;
    let cptr = slots::take()?;
    if RootService(slot::ROOT).lookup(name, slots::absolute(cptr)).is_err() {
        slots::give_back(cptr);
        return None;
    }
    CONSOLE.store(cptr, Ordering::Relaxed);
    let console = Console(Cap::new(cptr));
    if let Some(name) = start_info().and_then(|info| info.name()) {
        // A console without room for the name still prints, under a number.
        let _ = console.hello(name);
    }
    Some(console)
}
