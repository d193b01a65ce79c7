//! The shell's loop: a line, its command, the next one.
#![cfg_attr(target_os = "none", no_std, no_main)]

extern crate alloc;

mod live;

use core::fmt;

use libsel::proto::console::Event;
use libsel::proto::{MAX_TEXT_BYTES, ServiceError, Text};
use libsel::rt::console;
use shell::complete::{complete, in_columns};
use shell::{PROMPT, Shell};

use live::Live;

/// Text on its way to the console: as much as a message takes goes at once.
struct Output {
    text: alloc::string::String,
}

impl Output {
    fn flush(&mut self) -> fmt::Result {
        let written = console::write(&self.text);
        self.text.clear();
        written.map_err(|_| fmt::Error)
    }
}

impl fmt::Write for Output {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.text.len() + text.len() > MAX_TEXT_BYTES {
            self.flush()?;
        }
        self.text.push_str(text);
        Ok(())
    }
}

#[libsel::main]
fn main() -> Result<(), ServiceError> {
    libsel::println!("`help` lists the commands");
    let (mut shell, mut system) = (Shell::default(), Live::default());
    let mut out = Output { text: alloc::string::String::new() };
    loop {
        let input = match console::read_line(PROMPT, |before| tab(before, &mut system)) {
            Ok(input) => input,
            // The console was restarted: the line is lost, the next one reaches the new console.
            Err(ServiceError::Gone) => continue,
            Err(error) => return Err(error),
        };
        match input.event {
            Event::Line => {
                let line = core::str::from_utf8(input.text.as_bytes()).unwrap_or_default();
                shell.run(line, &mut system, &mut out);
            }
            Event::End => out.text.push_str("the shell has no end; `reboot` restarts the machine\n"),
            Event::Tab | Event::Cancelled => {}
        }
        // Without a console there is nobody to be told.
        let _ = out.flush();
    }
}

/// What is inserted at a Tab; what is not clear is listed.
fn tab(before: &str, system: &mut Live) -> Text {
    let completion = complete(before, system);
    if !completion.candidates.is_empty() {
        let _ = console::write(&in_columns(&completion.candidates));
    }
    Text::cut(completion.insert.as_bytes())
}
