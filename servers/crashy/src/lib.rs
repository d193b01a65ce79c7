//! Crashy counts, and goes wrong in the way that it is told to.
#![cfg_attr(not(test), no_std)]

use libsel::proto::{DecodeError, Field, Sink, Source};

/// The ways.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u64)]
pub enum Way {
    /// Reads address 0.
    Null,
    /// Writes its own code.
    Code,
    /// Executes its own data.
    Data,
    /// Executes what is no instruction.
    Instruction,
    /// Divides by zero.
    Division,
    /// Calls itself until the stack is full.
    Stack,
    /// Panics.
    Panic,
    /// Executes an instruction that is the kernel's.
    Privilege,
    /// Lets a further thread read address 0.
    Thread,
}

impl Way {
    /// All of them.
    pub const ALL: [Way; 9] = [
        Way::Null,
        Way::Code,
        Way::Data,
        Way::Instruction,
        Way::Division,
        Way::Stack,
        Way::Panic,
        Way::Privilege,
        Way::Thread,
    ];

    /// Its name in arguments and commands.
    pub const fn name(self) -> &'static str {
        match self {
            Way::Null => "null",
            Way::Code => "code",
            Way::Data => "data",
            Way::Instruction => "instruction",
            Way::Division => "division",
            Way::Stack => "stack",
            Way::Panic => "panic",
            Way::Privilege => "privilege",
            Way::Thread => "thread",
        }
    }

    /// What it does, behind "told to".
    pub const fn what(self) -> &'static str {
        match self {
            Way::Null => "read address 0",
            Way::Code => "write its own code",
            Way::Data => "execute its own data",
            Way::Instruction => "execute what is no instruction",
            Way::Division => "divide by zero",
            Way::Stack => "call itself until the stack is full",
            Way::Panic => "panic",
            Way::Privilege => "execute an instruction that is the kernel's",
            Way::Thread => "let a further thread read address 0",
        }
    }

    /// The one of this name.
    pub fn named(name: &str) -> Option<Way> {
        Way::ALL.into_iter().find(|way| way.name() == name)
    }
}

impl Field for Way {
    const MAX_WORDS: usize = 1;

    fn put(&self, sink: &mut impl Sink) {
        sink.put(*self as u64);
    }

    fn take(source: &mut impl Source) -> Result<Self, DecodeError> {
        let number = source.take()?;
        Way::ALL.get(usize::try_from(number).map_err(|_| DecodeError)?).copied().ok_or(DecodeError)
    }
}

libsel::protocol! {
    /// Requests of crashy.
    pub enum CrashyRequest {
        /// Counts on, and tells the sum.
        ///
        /// Error: `InvalidArgument` the sum would be too large.
        Add = 0x1000 -> u64 {
            /// By how much.
            amount: u64,
        },
        /// Goes wrong. There is no answer but `Gone`.
        Crash = 0x1001 -> () {
            /// In this way.
            way: Way,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Word(Option<u64>);

    impl Source for Word {
        fn take(&mut self) -> Result<u64, DecodeError> {
            self.0.take().ok_or(DecodeError)
        }
    }

    impl Sink for Word {
        fn put(&mut self, word: u64) {
            self.0 = Some(word);
        }
    }

    #[test]
    fn ways_travel() {
        for way in Way::ALL {
            let mut word = Word(None);
            way.put(&mut word);
            assert_eq!(Way::take(&mut word), Ok(way));
            assert_eq!(Way::named(way.name()), Some(way));
        }
        assert_eq!(Way::take(&mut Word(Some(9))), Err(DecodeError));
        assert_eq!(Way::take(&mut Word(None)), Err(DecodeError));
    }
}
