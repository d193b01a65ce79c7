//! Lines of the manifest. What a line is, `ini_core` says; here it gets its number, and bytes that are no text stay in
//! their line.
//!
//! The crate takes nothing but text. It is given one line at a time, so that a byte that is none (an old editor's
//! umlaut) costs that line and no other.
use ini_core::{Item, Parser};

/// A line that is neither empty nor a comment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Line<'a> {
    /// Counted from 1.
    pub number: u32,
    /// What it says.
    pub content: Content<'a>,
}

/// What a line says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Content<'a> {
    /// `[NAME]`
    Section(&'a str),
    /// `KEY = VALUE`
    Pair(&'a str, &'a str),
    /// It begins as a section does, and is none.
    NoSection(&'a str),
    /// A word without a value.
    NoPair(&'a str),
    /// It is no UTF-8 text.
    NoText {
        /// The place of the byte that is none, counted from 1.
        column: usize,
        /// That byte.
        byte: u8,
        /// It begins as a section does.
        section: bool,
    },
}

/// The lines of a file.
pub fn lines(file: &[u8]) -> impl Iterator<Item = Line<'_>> + Clone {
    let file = file.strip_prefix("\u{feff}".as_bytes()).unwrap_or(file);
    (1..).zip(file.split(|byte| *byte == b'\n')).flat_map(|(number, line)| {
        // The crate trims keys and values, but not what stands around them.
        let line = line.trim_ascii();
        let (text, bad) = match str::from_utf8(line) {
            Ok(text) => (text, None),
            Err(error) => ("", no_text(line, error.valid_up_to())),
        };
        // A lone carriage return ends a line, too: there may be several items.
        let items = Parser::new(text).auto_trim(true).filter_map(content);
        items.chain(bad).map(move |content| Line { number, content })
    })
}

fn content(item: Item<'_>) -> Option<Content<'_>> {
    Some(match item {
        Item::Blank | Item::Comment(_) | Item::SectionEnd => return None,
        // The crate knows one sign for comments; limine.conf beside the manifest has this one.
        Item::Property(key, _) if key.starts_with('#') => return None,
        Item::Section(name) => Content::Section(name),
        Item::Property(key, Some(value)) => Content::Pair(key, value),
        Item::Property(text, None) => Content::NoPair(text),
        Item::Error(text) => Content::NoSection(text),
    })
}

/// What is told of a line with the byte at `at` that is no text: nothing if that is in a comment.
fn no_text(line: &[u8], at: usize) -> Option<Content<'_>> {
    let before = str::from_utf8(line.get(..at)?).ok()?;
    let section = match Parser::new(before).find(|item| *item != Item::SectionEnd) {
        Some(Item::Comment(_)) => return None,
        Some(Item::Property(key, _)) if key.starts_with('#') => return None,
        Some(Item::Section(_) | Item::Error(_)) => true,
        _ => false,
    };
    Some(Content::NoText { column: at + 1, byte: *line.get(at)?, section })
}
