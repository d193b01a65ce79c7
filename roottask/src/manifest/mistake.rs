//! What is wrong in a manifest, in words: where, what was found, what is allowed.
use core::fmt;

use super::keys::KEYS;
use super::{FILE_NAME, MOST_SERVERS};

/// A mistake and its place. Its text lacks the file's name, which goes in front: `servers.ini:7: [shell] …`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Problem<'a> {
    /// Line, counted from 1.
    pub line: u32,
    /// The section, if it is in one.
    pub section: Option<&'a str>,
    /// What it is.
    pub mistake: Mistake<'a>,
}

/// What can be wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mistake<'a> {
    /// There is no section.
    Empty,
    /// A byte is not part of UTF-8 text.
    NoText {
        /// Its place in the line, counted from 1.
        column: usize,
        /// Its value.
        byte: u8,
    },
    /// A line begins as a section does, and is none.
    NoSection(&'a str),
    /// A word without a value.
    NoPair(&'a str),
    /// A key before the first section.
    Outside(&'a str),
    /// A section whose name cannot be one.
    Name(&'a str),
    /// A second section of a name.
    SectionTwice {
        /// The line of the first.
        first: u32,
    },
    /// A key that is none.
    UnknownKey {
        /// As it was written.
        key: &'a str,
    },
    /// A key was given before.
    KeyTwice {
        /// The key.
        key: &'static str,
        /// The line of the first.
        first: u32,
    },
    /// A value that is not allowed.
    Value {
        /// The key.
        key: &'static str,
        /// What stands behind it.
        found: &'a str,
        /// What may.
        allowed: &'static str,
    },
    /// More processor time than there is, or next to none.
    Budget {
        /// Microseconds.
        budget_us: u64,
        /// Microseconds.
        period_us: u64,
    },
    /// There is no such program.
    NoImage {
        /// Its name.
        image: &'a str,
    },
    /// The section's server is not started: its mistakes were told before.
    LeftOut,
    /// This section and so many behind it are too many.
    TooMany {
        /// Further ones.
        more: u32,
    },
}

impl fmt::Display for Problem<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.section {
            Some(name) => write!(f, "{}: [{}] {}", self.line, Found(name), self.mistake),
            None => write!(f, "{}: {}", self.line, self.mistake),
        }
    }
}

impl fmt::Display for Mistake<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Mistake::Empty => write!(f, "no server is listed; begin a section for each by a line `[NAME]`"),
            Mistake::NoText { column, byte } => write!(
                f,
                "the byte {byte:#x} in column {column} is not part of UTF-8 text; save {FILE_NAME} as UTF-8"
            ),
            Mistake::NoSection(found) => write!(
                f,
                "`{}` is no section, which is `[NAME]` alone in its line; what follows, down to the next section, is \
                 left out",
                Found(found)
            ),
            Mistake::NoPair(found) => {
                write!(f, "`{}` is neither `[NAME]` nor `KEY = VALUE`; comments begin with `;`", Found(found))
            }
            Mistake::Outside(key) => {
                write!(f, "`{}` stands before the first section, `[NAME]`", Found(key))
            }
            Mistake::Name(name) => write!(
                f,
                "`{}` is no name: it has 1 to 32 letters, digits, `-`, `_` and `.`; the section is left out",
                Found(name)
            ),
            Mistake::SectionTwice { first } => {
                write!(f, "a section of this name begins in line {first}; this one is left out")
            }
            Mistake::UnknownKey { key } => {
                write!(f, "unknown key `{}`; known are ", Found(key))?;
                for (number, key) in KEYS.iter().enumerate() {
                    write!(f, "{}{}", if number == 0 { "" } else { ", " }, key.name)?;
                }
                Ok(())
            }
            Mistake::KeyTwice { key, first } => write!(f, "`{key}` was given in line {first} already"),
            Mistake::Value { key, found, allowed } => {
                write!(f, "{key} = {}: allowed is {allowed}", Found(found))
            }
            Mistake::Budget { budget_us, period_us } => write!(
                f,
                "budget_us = {budget_us} with period_us = {period_us}: allowed is a budget from 20 up to the period"
            ),
            Mistake::NoImage { image } => write!(
                f,
                "image = {0}: there is no such file; limine.conf needs a module with `module_cmdline: file {0}`",
                Found(image)
            ),
            Mistake::LeftOut => write!(f, "is not started because of its mistakes"),
            Mistake::TooMany { more: 0 } => {
                write!(f, "is left out: there are {MOST_SERVERS} servers at most")
            }
            Mistake::TooMany { more } => write!(
                f,
                "and {more} more sections behind it are left out: there are {MOST_SERVERS} servers at most"
            ),
        }
    }
}

/// What stands in the file, cut if it is long, and without characters that do something to a terminal.
struct Found<'a>(&'a str);

/// Characters that are shown.
const MOST_SHOWN: usize = 60;

impl fmt::Display for Found<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut chars = self.0.chars();
        for char in chars.by_ref().take(MOST_SHOWN) {
            if char.is_control() {
                write!(f, "{}", char.escape_default())?;
            } else {
                write!(f, "{char}")?;
            }
        }
        if chars.as_str().is_empty() { Ok(()) } else { write!(f, "… ({} bytes)", self.0.len()) }
    }
}
