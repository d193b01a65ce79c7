//! Lines of several clients, put together one client at a time.

use alloc::string::ToString;

use libsel::proto::Name;

use crate::output;
use crate::session::Session;

/// Clients that the console can tell apart.
pub const MAX_CLIENTS: usize = 32;
/// Bytes of a line; a longer one is continued on the next.
pub const LINE_BYTES: usize = 1024;

/// Receives a finished line, without its end, and whose it is.
pub trait Output {
    /// Shows the line of a client.
    fn line(&mut self, client: Client, line: &[u8]);
}

/// Shows lines on the terminal, above the prompt.
pub struct View<'a, L, K, T: output::Output> {
    session: &'a mut Session<L, K>,
    terminal: &'a mut T,
}

impl<'a, L, K, T: output::Output> View<'a, L, K, T> {
    /// A view of this terminal with this session's prompt.
    pub fn new(session: &'a mut Session<L, K>, terminal: &'a mut T) -> Self {
        View { session, terminal }
    }

    /// Draws the prompt again.
    pub fn settle(self) {
        self.session.settle(self.terminal);
    }
}

impl<L, K, T: output::Output> Output for View<'_, L, K, T> {
    fn line(&mut self, client: Client, line: &[u8]) {
        self.session.begin(self.terminal);
        match &client.name {
            Some(name) => self.terminal.write(name.as_str().as_bytes()),
            None => {
                self.terminal.write(b"client ");
                self.terminal.write(client.badge.to_string().as_bytes());
            }
        }
        self.terminal.write(b": ");
        self.terminal.write(line);
        self.terminal.write(output::LINE_END);
    }
}

/// Who prints.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Client {
    /// The badge of its capability: nobody can choose his own.
    pub badge: u64,
    /// What it calls itself.
    pub name: Option<Name>,
}

/// The table has no room for another client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TooManyClients;

/// A client and what it printed since its last line ended.
#[derive(Clone, Copy)]
struct Line {
    client: Client,
    length: usize,
    bytes: [u8; LINE_BYTES],
}

impl Line {
    fn push(&mut self, byte: u8, output: &mut impl Output) {
        match byte {
            b'\n' => return self.end(output),
            b'\r' => return,
            _ => {}
        }
        if self.length == LINE_BYTES {
            self.end(output);
        }
        if let Some(place) = self.bytes.get_mut(self.length) {
            // Control characters could move the cursor into the lines of others.
            *place = if byte.is_ascii_control() && byte != b'\t' { b'?' } else { byte };
            self.length += 1;
        }
    }

    fn end(&mut self, output: &mut impl Output) {
        output.line(self.client, self.bytes.get(..self.length).unwrap_or_default());
        self.length = 0;
    }
}

/// All clients. Empty it is all zero, so as static data it takes no room in the program's file.
pub struct Lines {
    /// How many of the lines belong to a client; the first ones do.
    clients: usize,
    lines: [Line; MAX_CLIENTS],
}

impl Lines {
    /// No clients.
    pub const fn new() -> Self {
        let unused = Line { client: Client { badge: 0, name: None }, length: 0, bytes: [0; LINE_BYTES] };
        Lines { clients: 0, lines: [unused; MAX_CLIENTS] }
    }

    /// Names a client.
    pub fn hello(&mut self, badge: u64, name: Name) -> Result<(), TooManyClients> {
        self.line(badge)?.client.name = Some(name);
        Ok(())
    }

    /// Adds to a client's line; every line that ends goes to `output`.
    pub fn print(
        &mut self,
        badge: u64,
        bytes: &[u8],
        output: &mut impl Output,
    ) -> Result<(), TooManyClients> {
        let line = self.line(badge)?;
        for byte in bytes {
            line.push(*byte, output);
        }
        Ok(())
    }

    /// A client has ended: shows what it did not end itself, and makes room for another.
    pub fn forget(&mut self, badge: u64, output: &mut impl Output) {
        let Some(index) = self.lines.iter().take(self.clients).position(|line| line.client.badge == badge)
        else {
            return;
        };
        let last = self.clients - 1;
        self.lines.swap(index, last);
        if let Some(line) = self.lines.get_mut(last) {
            if line.length > 0 {
                line.end(output);
            }
            line.client = Client { badge: 0, name: None };
        }
        self.clients = last;
    }

    /// The line of a client, known or new.
    fn line(&mut self, badge: u64) -> Result<&mut Line, TooManyClients> {
        let known = self.lines.iter().take(self.clients).position(|line| line.client.badge == badge);
        let index = known.unwrap_or(self.clients);
        let line = self.lines.get_mut(index).ok_or(TooManyClients)?;
        if known.is_none() {
            line.client.badge = badge;
            self.clients += 1;
        }
        Ok(line)
    }
}

impl Default for Lines {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Screen(Vec<String>);

    impl Output for Screen {
        fn line(&mut self, client: Client, line: &[u8]) {
            let name = client.name.map_or_else(|| client.badge.to_string(), |name| name.to_string());
            self.0.push(format!("{name}: {}", String::from_utf8_lossy(line)));
        }
    }

    #[test]
    fn lines_of_several_clients_do_not_mix() {
        let (mut lines, mut screen) = (Lines::new(), Screen::default());
        lines.hello(7, Name::new("hello").unwrap()).unwrap();
        lines.print(7, b"one ", &mut screen).unwrap();
        lines.print(8, b"other\r\n\nrest", &mut screen).unwrap();
        lines.print(7, b"line\n", &mut screen).unwrap();
        lines.print(8, b"\n", &mut screen).unwrap();
        assert_eq!(screen.0, ["8: other", "8: ", "hello: one line", "8: rest"]);
    }

    #[test]
    fn a_long_line_is_continued_and_loses_nothing() {
        let (mut lines, mut screen) = (Lines::new(), Screen::default());
        let text: String = ('a'..='z').cycle().take(2 * LINE_BYTES + 5).collect();
        lines.print(1, text.as_bytes(), &mut screen).unwrap();
        assert_eq!(screen.0.len(), 2);
        lines.print(1, b"\n", &mut screen).unwrap();
        let shown: String = screen.0.iter().map(|line| line.trim_start_matches("1: ")).collect();
        assert_eq!(shown, text);
        // A line of exactly the length is one line.
        screen.0.clear();
        lines.print(1, &[b'x'; LINE_BYTES], &mut screen).unwrap();
        lines.print(1, b"\n", &mut screen).unwrap();
        assert_eq!(screen.0.len(), 1);
    }

    #[test]
    fn control_characters_are_shown_not_obeyed() {
        let (mut lines, mut screen) = (Lines::new(), Screen::default());
        lines.print(1, b"a\x1b[2Jb\tc\x7f\x00\n", &mut screen).unwrap();
        assert_eq!(screen.0, ["1: a?[2Jb\tc??"]);
    }

    #[test]
    fn a_client_that_ended_makes_room_and_loses_nothing() {
        let (mut lines, mut screen) = (Lines::new(), Screen::default());
        for badge in 1..=MAX_CLIENTS as u64 {
            lines.print(badge, b"x", &mut screen).unwrap();
        }
        lines.hello(3, Name::new("three").unwrap()).unwrap();
        lines.forget(3, &mut screen);
        lines.forget(3, &mut screen);
        assert_eq!(screen.0, ["three: x"]);
        lines.print(99, b"new\n", &mut screen).unwrap();
        lines.print(32, b"y\n", &mut screen).unwrap();
        assert_eq!(screen.0, ["three: x", "99: new", "32: xy"]);
        assert_eq!(lines.print(3, b"x", &mut screen), Err(TooManyClients));
    }

    #[test]
    fn the_table_is_bounded_and_known_clients_stay() {
        let (mut lines, mut screen) = (Lines::new(), Screen::default());
        for badge in 0..MAX_CLIENTS as u64 {
            lines.print(badge, b"x", &mut screen).unwrap();
        }
        assert_eq!(lines.print(99, b"x\n", &mut screen), Err(TooManyClients));
        assert_eq!(lines.hello(99, Name::new("late").unwrap()), Err(TooManyClients));
        lines.print(31, b"y\n", &mut screen).unwrap();
        assert_eq!(screen.0, ["31: xy"]);
    }
}
