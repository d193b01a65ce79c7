//! The console: lines of its clients, each with its client's name in front, and lines that are typed for them.
//!
//! Who reads a line has the *focus*, until somebody else reads one. Readers that wait at the same time take turns. What
//! is typed while nobody reads is kept for the next reader.

mod key;

use super::text::{Name, Text};
use super::wire::{DecodeError, Field, ServiceError, Sink, Source};
use crate::cap::{Cap, Endpoint};
use crate::{fields, protocol};

pub use key::Key;

/// What ended the typing of a line for now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u64)]
pub enum Event {
    /// Enter: the text is the line.
    Line = 0,
    /// Tab: the text is what stands before the cursor. The console keeps the line for [`Complete`]; [`ReadLine`] would
    /// begin a new one.
    Tab = 1,
    /// Ctrl-C: the line was given up, the text is empty.
    Cancelled = 2,
    /// Ctrl-D on an empty line: whoever types wants to leave.
    End = 3,
}

impl Field for Event {
    const MAX_WORDS: usize = 1;

    fn put(&self, sink: &mut impl Sink) {
        sink.put(*self as u64);
    }

    fn take(source: &mut impl Source) -> Result<Self, DecodeError> {
        Ok(match source.take()? {
            0 => Event::Line,
            1 => Event::Tab,
            2 => Event::Cancelled,
            3 => Event::End,
            _ => return Err(DecodeError),
        })
    }
}

fields! {
    /// What was typed.
    pub struct Input {
        /// Why it is told now.
        event: Event,
        /// The text, always UTF-8.
        text: Text,
    }
}

protocol! {
    /// What a client asks of the console.
    pub enum ConsoleRequest {
        /// Names the client; its lines carry the name from now on. The badge says who the client is, whatever it calls
        /// itself.
        ///
        /// Error: `OutOfMemory` the console has as many clients as it can.
        Hello = 0x200 -> () {
            /// The name.
            name: Name,
        },
        /// Prints lines, or part of one: a line appears when its end does, or when it has grown too long.
        ///
        /// Error: `OutOfMemory` as for [`Hello`].
        Print = 0x201 -> () {
            /// The bytes.
            text: Text,
        },
        /// Prints at once and without the client's name, if the client has the focus; otherwise the same as [`Print`],
        /// so that nobody's text can be taken for that of another.
        ///
        /// Error: `OutOfMemory` as for [`Hello`].
        Write = 0x202 -> () {
            /// The bytes.
            text: Text,
        },
        /// Reads a line; the answer comes when one was typed. The line can be edited, and lines typed before come back
        /// with the cursor keys.
        ///
        /// Error: `OutOfMemory` too many readers wait, or there is no reply object for one more.
        ReadLine = 0x203 -> Input {
            /// What stands before the line: one line of text.
            prompt: Text,
        },
        /// The answer to [`Event::Tab`]: inserts text at the cursor of the line that the console kept, and goes on
        /// reading it.
        ///
        /// Errors: `NotFound` no line was kept; those of [`ReadLine`].
        Complete = 0x204 -> Input {
            /// What is inserted; it may be empty.
            insert: Text,
        },
        /// Reads a single key.
        ///
        /// Errors: those of [`ReadLine`].
        ReadKey = 0x205 -> Key {},
    }
}

/// The console as a client sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Console(pub Cap<Endpoint>);

impl Console {
    /// [`Hello`].
    pub fn hello(self, name: Name) -> Result<(), ServiceError> {
        super::call(self.0, &Hello { name })
    }

    /// [`Print`], in as many messages as it takes.
    pub fn print(self, bytes: &[u8]) -> Result<(), ServiceError> {
        for part in bytes.chunks(super::MAX_TEXT_BYTES) {
            super::call(self.0, &Print { text: Text::cut(part) })?;
        }
        Ok(())
    }

    /// Asks for nothing, which shows that the console answers.
    pub fn ping(self) -> Result<(), ServiceError> {
        super::call(self.0, &Print { text: Text::cut(b"") })
    }

    /// [`Write`], in as many messages as it takes.
    pub fn write(self, bytes: &[u8]) -> Result<(), ServiceError> {
        for part in bytes.chunks(super::MAX_TEXT_BYTES) {
            super::call(self.0, &Write { text: Text::cut(part) })?;
        }
        Ok(())
    }

    /// [`ReadLine`].
    pub fn read_line(self, prompt: &str) -> Result<Input, ServiceError> {
        super::call(self.0, &ReadLine { prompt: Text::cut(prompt.as_bytes()) })
    }

    /// [`Complete`].
    pub fn complete(self, insert: &str) -> Result<Input, ServiceError> {
        super::call(self.0, &Complete { insert: Text::cut(insert.as_bytes()) })
    }

    /// [`ReadKey`].
    pub fn read_key(self) -> Result<Key, ServiceError> {
        super::call(self.0, &ReadKey {})
    }
}
