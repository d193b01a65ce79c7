//! The sections of a manifest, one after the other.
use core::iter::Peekable;

use super::MOST_SERVERS;
use super::entry::{Draft, Entry};
use super::lines::{Content, Line, lines};
use super::mistake::{Mistake, Problem};
use super::values;

/// Reads a manifest: its servers in their order, and between them what is wrong. A section with a mistake is left out,
/// and says so; the others are not concerned.
pub fn read(file: &[u8]) -> impl Iterator<Item = Result<Entry<'_>, Problem<'_>>> {
    let lines = lines(file).peekable();
    Reader { lines, place: Place::Before, seen: [("", 0); MOST_SERVERS], count: 0, told_empty: false }
}

/// Where the reader is.
#[expect(clippy::large_enum_variant, reason = "there is one of it, and no heap for its parts")]
enum Place<'a> {
    /// Before the first section.
    Before,
    /// In a section.
    In(Draft<'a>),
    /// In lines that belong to no section that counts.
    LeftOut,
}

struct Reader<'a, L: Iterator<Item = Line<'a>>> {
    lines: Peekable<L>,
    place: Place<'a>,
    /// Names and lines of the sections so far.
    seen: [(&'a str, u32); MOST_SERVERS],
    count: usize,
    /// That there is no section was told.
    told_empty: bool,
}

impl<'a, L: Iterator<Item = Line<'a>>> Reader<'a, L> {
    /// A section begins.
    fn begin(&mut self, line: u32, name: &'a str) -> Result<(), Problem<'a>> {
        self.place = Place::LeftOut;
        if values::name(name).is_none() {
            return Err(Problem { line, section: None, mistake: Mistake::Name(name) });
        }
        let problem = |mistake| Problem { line, section: Some(name), mistake };
        let known = self.seen.iter().take(self.count).find(|(known, _)| *known == name);
        if let Some((_, first)) = known {
            return Err(problem(Mistake::SectionTwice { first: *first }));
        }
        let Some(place) = self.seen.get_mut(self.count) else {
            let is_section = |line: &Line<'_>| matches!(line.content, Content::Section(_));
            let more = self.lines.by_ref().filter(is_section).count() as u32;
            return Err(problem(Mistake::TooMany { more }));
        };
        *place = (name, line);
        self.count += 1;
        self.place = Place::In(Draft::new(name, line));
        Ok(())
    }

    /// A key with its value.
    fn pair(&mut self, line: u32, key: &'a str, value: &'a str) -> Result<(), Problem<'a>> {
        let mistake = match &mut self.place {
            Place::In(draft) => match draft.set(line, key, value) {
                Ok(()) => return Ok(()),
                Err(mistake) => mistake,
            },
            _ => Mistake::Outside(key),
        };
        self.wrong(line, mistake)
    }

    /// A line with a mistake. Where nothing counts it is not told.
    fn wrong(&mut self, line: u32, mistake: Mistake<'a>) -> Result<(), Problem<'a>> {
        let section = match &mut self.place {
            Place::Before => None,
            Place::In(draft) => {
                draft.is_faulty = true;
                Some(draft.entry.name)
            }
            Place::LeftOut => return Ok(()),
        };
        Err(Problem { line, section, mistake })
    }

    /// A line that was meant as a section, perhaps.
    fn no_section(&mut self, line: u32, mistake: Mistake<'a>) -> Result<(), Problem<'a>> {
        self.place = Place::LeftOut;
        Err(Problem { line, section: None, mistake })
    }

    /// The section is whole.
    fn end(&mut self, mut draft: Draft<'a>) -> Result<Entry<'a>, Problem<'a>> {
        let (name, line) = (draft.entry.name, draft.entry.line);
        let problem = |line, mistake| Problem { line, section: Some(name), mistake };
        if draft.is_faulty {
            return Err(problem(line, Mistake::LeftOut));
        }
        draft.finish().map_err(|mistake| {
            // That it is left out follows.
            let line = draft.line_of("budget_us");
            draft.is_faulty = true;
            self.place = Place::In(draft);
            problem(line, mistake)
        })
    }
}

/// Whether a line ends the section before it.
fn begins(line: &Line<'_>) -> bool {
    matches!(
        line.content,
        Content::Section(_) | Content::NoSection(_) | Content::NoText { section: true, .. }
    )
}

impl<'a, L: Iterator<Item = Line<'a>>> Iterator for Reader<'a, L> {
    type Item = Result<Entry<'a>, Problem<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let at_end = self.lines.peek().is_none_or(begins);
            if at_end && let Place::In(draft) = core::mem::replace(&mut self.place, Place::LeftOut) {
                return Some(self.end(draft));
            }
            let Some(Line { number, content }) = self.lines.next() else {
                let is_empty = self.count == 0 && !self.told_empty;
                self.told_empty = true;
                let empty = Problem { line: 1, section: None, mistake: Mistake::Empty };
                return is_empty.then_some(Err(empty));
            };
            let read = match content {
                Content::Section(name) => self.begin(number, name),
                Content::Pair(key, value) => self.pair(number, key, value),
                Content::NoPair(text) => self.wrong(number, Mistake::NoPair(text)),
                Content::NoSection(text) => self.no_section(number, Mistake::NoSection(text)),
                Content::NoText { column, byte, section } => {
                    let mistake = Mistake::NoText { column, byte };
                    if section { self.no_section(number, mistake) } else { self.wrong(number, mistake) }
                }
            };
            if let Err(problem) = read {
                return Some(Err(problem));
            }
        }
    }
}
