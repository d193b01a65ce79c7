//! Whole sessions: what clients ask and keys that are pressed, against what stands on the terminal.

use libsel::proto::Name;
use libsel::proto::console::{Event, Key};

use crate::lines::{Client, Lines, View};
use crate::output::Output;
use crate::screen::Grid;
use crate::session::{Answer, MAX_READERS, Session};
use crate::terminal::Decoder;

/// A terminal of 80 columns.
pub struct Terminal(Grid);

impl Default for Terminal {
    fn default() -> Self {
        Terminal(Grid::new(80, 24))
    }
}

impl Output for Terminal {
    fn write(&mut self, bytes: &[u8]) {
        self.0.write(bytes);
    }
}

impl Terminal {
    /// All lines down to the last one with text, or with the cursor.
    pub fn lines(&self) -> Vec<String> {
        let rows: Vec<String> =
            self.0.rows().map(|row| row.iter().collect::<String>().trim_end().into()).collect();
        let last = rows.iter().rposition(|row| !row.is_empty()).unwrap_or(0).max(self.0.cursor().1);
        rows[..=last].to_vec()
    }

    /// The cursor's line, with `|` where the cursor is.
    pub fn with_cursor(&self) -> String {
        let (column, row) = self.0.cursor();
        let mut line: Vec<char> = self.0.rows().nth(row).unwrap().to_vec();
        line.insert(column, '|');
        line.iter().collect::<String>().trim_end().into()
    }
}

/// A session whose waiters are words.
struct Console {
    session: Session<&'static str, &'static str>,
    lines: Lines,
    terminal: Terminal,
    decoder: Decoder,
}

impl Console {
    fn new() -> Self {
        let (session, lines) = (Session::new(), Lines::new());
        Console { session, lines, terminal: Terminal::default(), decoder: Decoder::default() }
    }

    fn type_(&mut self, bytes: &str) {
        for byte in bytes.bytes() {
            if let Some(key) = self.decoder.byte(byte) {
                self.session.key(key, &mut self.terminal);
            }
        }
    }

    fn read(&mut self, client: u64, waiter: &'static str) {
        self.session.read_line(client, waiter, "$ ", &mut self.terminal);
    }

    fn print(&mut self, client: u64, text: &str) {
        let mut view = View::new(&mut self.session, &mut self.terminal);
        self.lines.print(client, text.as_bytes(), &mut view).unwrap();
        view.settle();
    }

    /// The next answer: who, why, and what was typed.
    fn answer(&mut self) -> Option<(&'static str, Event, String)> {
        match self.session.answer()? {
            Answer::Line(waiter, event, text) => Some((waiter, event, text)),
            Answer::Key(..) => panic!("a key instead of a line"),
        }
    }

    fn line(&mut self) -> String {
        let (_, event, text) = self.answer().unwrap();
        assert_eq!(event, Event::Line);
        text
    }
}

#[test]
fn what_others_print_appears_above_the_prompt() {
    let mut console = Console::new();
    console.lines.hello(7, Name::new("hello").unwrap()).unwrap();
    console.print(7, "before\n");
    console.read(1, "a");
    console.type_("abc\x1b[D");
    console.print(7, "one\ntwo\nhalf");
    assert_eq!(console.terminal.lines(), ["hello: before", "hello: one", "hello: two", "$ abc"]);
    assert_eq!(console.terminal.with_cursor(), "$ ab|c");
    console.type_("x\r");
    assert_eq!(console.line(), "abxc");
    console.print(7, " a line\n");
    assert_eq!(console.terminal.lines()[3..], ["$ abxc", "hello: half a line", ""]);
}

#[test]
fn who_has_the_focus_writes_without_a_name() {
    let mut console = Console::new();
    assert!(!console.session.write(1, b"early", &mut console.terminal));
    console.read(1, "a");
    console.type_("x\n");
    assert!(console.session.write(1, b"one\ntwo", &mut console.terminal));
    assert!(!console.session.write(2, b"no", &mut console.terminal));
    console.print(2, "other\n");
    assert!(console.session.write(1, b"three", &mut console.terminal));
    console.read(1, "b");
    assert_eq!(console.terminal.lines(), ["$ x", "one", "two", "client 2: other", "three", "$"]);
}

#[test]
fn history_and_editing_keys_work_together() {
    let mut console = Console::new();
    for line in ["first", "second"] {
        console.read(1, "a");
        console.type_(line);
        console.type_("\r\n");
        assert_eq!(console.line(), line);
    }
    console.read(1, "a");
    console.type_("now\x1b[A\x1b[A");
    assert_eq!(console.terminal.with_cursor(), "$ first|");
    console.type_("\x1b[B\x1b[B");
    assert_eq!(console.terminal.with_cursor(), "$ now|");
    console.type_("\x10\x01x\x05y\r");
    assert_eq!(console.line(), "xsecondy");
    // Another client has lines of its own.
    console.read(2, "b");
    console.type_("\x1b[A\r");
    assert_eq!(console.line(), "");
}

#[test]
fn a_tab_asks_the_client() {
    let mut console = Console::new();
    console.read(1, "a");
    console.type_("he x\x1b[D\x1b[D\t");
    assert_eq!(console.answer(), Some(("a", Event::Tab, "he".into())));
    assert!(console.session.is_kept(1) && !console.session.is_kept(2));
    // What is typed meanwhile comes behind what the client inserts.
    console.type_("!");
    assert!(console.session.write(1, b"hello  help\n", &mut console.terminal));
    console.session.complete("b", "l", &mut console.terminal);
    assert_eq!(console.terminal.lines(), ["hello  help", "$ hel! x"]);
    assert_eq!(console.terminal.with_cursor(), "$ hel!| x");
    console.type_("\r");
    assert_eq!(console.answer(), Some(("b", Event::Line, "hel! x".into())));
}

#[test]
fn a_client_that_does_not_answer_a_tab_can_be_left() {
    let mut console = Console::new();
    console.read(1, "a");
    console.read(2, "b");
    console.type_("x\ty\r");
    assert_eq!(console.answer(), Some(("a", Event::Tab, "x".into())));
    assert_eq!(console.answer(), None);
    console.type_("\x03z\r");
    assert_eq!(console.answer(), Some(("b", Event::Line, "z".into())));
}

#[test]
fn readers_take_turns_and_typing_ahead_is_kept() {
    let mut console = Console::new();
    console.type_("early\rla");
    console.read(1, "a");
    assert_eq!(console.answer(), Some(("a", Event::Line, "early".into())));
    console.read(1, "b");
    console.read(2, "c");
    console.session.read_key(3, "d", &mut console.terminal);
    console.type_("te\rsecond\r\x1b[A");
    assert_eq!(console.answer(), Some(("b", Event::Line, "late".into())));
    assert_eq!(console.answer(), Some(("c", Event::Line, "second".into())));
    assert_eq!(console.session.answer(), Some(Answer::Key("d", Key::Up)));
    assert_eq!(console.session.answer(), None);
}

#[test]
fn lines_can_be_given_up_and_ended() {
    let mut console = Console::new();
    console.read(1, "a");
    console.type_("x\x03");
    assert_eq!(console.answer(), Some(("a", Event::Cancelled, String::new())));
    console.read(1, "b");
    console.type_("\x04");
    assert_eq!(console.answer(), Some(("b", Event::End, String::new())));
    console.read(1, "c");
    console.type_("abc\x0c");
    assert_eq!(console.terminal.lines(), ["$ abc"]);
}

#[test]
fn clients_that_end_or_read_again_leave_nothing_behind() {
    let mut console = Console::new();
    console.read(1, "a");
    console.type_("half");
    console.read(2, "b");
    console.session.gone(1, &mut console.terminal);
    console.type_("x\r");
    assert_eq!(console.answer(), Some(("b", Event::Line, "x".into())));
    console.read(2, "c");
    console.type_("old");
    console.read(2, "d");
    console.type_("new\r");
    assert_eq!(console.answer(), Some(("d", Event::Line, "new".into())));
    for client in 0..MAX_READERS as u64 {
        assert!(console.session.may_read(client));
        console.read(client, "e");
    }
    assert!(console.session.may_read(3) && !console.session.may_read(99));
}

#[test]
fn a_client_without_a_name_prints_under_its_number() {
    let mut terminal = Terminal::default();
    let mut session: Session<(), ()> = Session::new();
    let mut view = View::new(&mut session, &mut terminal);
    crate::lines::Output::line(&mut view, Client { badge: 5, name: None }, b"x");
    assert_eq!(terminal.lines(), ["client 5: x", ""]);
}
