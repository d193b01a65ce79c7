//! A server's console: lines that it prints and reads. Printing falls back on the root task while the console cannot be
//! reached, and failing that on the kernel. Each thread has a connection of its own.

use super::{block, print as kernel_console, slots, start_info};
use crate::cap::Cap;
use crate::proto::console::{Console, Event, Input, Key};
use crate::proto::root::RootService;
use crate::proto::start::slot;
use crate::proto::{Name, ServiceError, Text};

const CONSOLE_NAME: Option<Name> = Name::new("console");

/// The print hook of servers: prints a line.
pub fn print(bytes: &[u8]) {
    let printed = with(|console| console.print(bytes)).is_ok();
    if !printed && RootService(slot::ROOT).log(bytes).is_err() {
        kernel_console::kernel(bytes);
    }
}

/// Writes text at once and, if this server has the focus, without its name in front.
///
/// # Errors
/// There is no console, or it has too many clients.
pub fn write(text: &str) -> Result<(), ServiceError> {
    with(|console| console.write(text.as_bytes()))
}

/// A call of the console and back, for nothing but the time that it takes.
///
/// # Errors
/// Those of [`write()`].
pub fn ping() -> Result<(), ServiceError> {
    with(Console::ping)
}

/// Reads a line. At a Tab, `complete` gets the text before the cursor, may [`write()`] lines, and returns what is
/// inserted.
///
/// # Errors
/// There is no console; or it was restarted while the line was typed, and the next call reaches the new one.
pub fn read_line(prompt: &str, mut complete: impl FnMut(&str) -> Text) -> Result<Input, ServiceError> {
    let mut input = with(|console| console.read_line(prompt))?;
    while input.event == Event::Tab {
        let insert = complete(core::str::from_utf8(input.text.as_bytes()).unwrap_or_default());
        let insert = core::str::from_utf8(insert.as_bytes()).unwrap_or_default();
        input = with(|console| console.complete(insert))?;
    }
    Ok(input)
}

/// Reads a single key.
///
/// # Errors
/// Those of [`read_line`].
pub fn read_key() -> Result<Key, ServiceError> {
    with(Console::read_key)
}

/// Asks the console. One that is gone is looked up again at the next call.
fn with<R>(ask: impl FnOnce(Console) -> Result<R, ServiceError>) -> Result<R, ServiceError> {
    let answer = ask(connect()?);
    if matches!(answer, Err(ServiceError::Gone)) {
        disconnect();
    }
    answer
}

/// Gives up the calling thread's connection.
pub(crate) fn disconnect() {
    let cptr = block::current().set_console(0);
    if cptr != 0 && slots::absolute(cptr).delete().is_ok() {
        slots::give_back(cptr);
    }
}

/// The console; looked up when it is first needed, and again as long as that fails.
fn connect() -> Result<Console, ServiceError> {
    let known = block::current().console();
    if known != 0 {
        return Ok(Console(Cap::new(known)));
    }
    let name = CONSOLE_NAME.ok_or(ServiceError::NotFound)?;
    let cptr = slots::take().ok_or(ServiceError::NoSlot)?;
    if let Err(error) = RootService(slot::ROOT).lookup(name, slots::absolute(cptr)) {
        slots::give_back(cptr);
        return Err(error);
    }
    block::current().set_console(cptr);
    let console = Console(Cap::new(cptr));
    if let Some(name) = start_info().and_then(|info| info.name()) {
        // A console without room for the name still prints, under a number.
        let _ = console.hello(name);
    }
    Ok(console)
}
