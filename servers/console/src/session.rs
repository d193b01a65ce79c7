//! Who reads, and what happens on the terminal between the prompt and what others print.
//!
//! Readers wait in a queue. The first one has the focus: its prompt is drawn, and it gets the keys. Before anything else
//! is printed the prompt is taken away, and drawn again below.

use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;

use libsel::proto::console::{Event, Key};

use crate::editor::Editor;
use crate::history::History;
use crate::output::{CLEAR, LINE_END, Output, harmless};
use crate::prompt::{Prompt, erase};

/// Readers at most.
pub const MAX_READERS: usize = 8;
/// Keys that are kept for the next reader.
const MAX_AHEAD: usize = 256;
const CANCEL: Key = Key::control(b'c');

/// A client that gets its answer: `L` stands for one that waits for a line, `K` for one that waits for a key.
#[derive(PartialEq, Eq, Debug)]
pub enum Answer<L, K> {
    /// What was typed, and why it is told now.
    Line(L, Event, String),
    /// A key.
    Key(K, Key),
}

enum Wanted<L, K> {
    Line {
        prompt: Prompt,
        editor: Editor,
        /// None between a Tab and the client's answer to it.
        waiter: Option<L>,
    },
    Key(K),
}

struct Reader<L, K> {
    client: u64,
    wanted: Wanted<L, K>,
}

/// The state between two keys.
pub struct Session<L, K> {
    readers: VecDeque<Reader<L, K>>,
    /// Whose text needs no name: who reads, or read last.
    focus: Option<u64>,
    histories: Vec<(u64, History)>,
    ahead: VecDeque<Key>,
    /// The first reader's prompt is on the terminal.
    drawn: bool,
    /// The cursor is behind text that did not end with its line.
    open: bool,
    answers: VecDeque<Answer<L, K>>,
}

impl<L, K> Session<L, K> {
    /// Nobody reads.
    pub const fn new() -> Self {
        Session {
            readers: VecDeque::new(),
            focus: None,
            histories: Vec::new(),
            ahead: VecDeque::new(),
            drawn: false,
            open: false,
            answers: VecDeque::new(),
        }
    }

    /// A client that is to be answered now.
    pub fn answer(&mut self) -> Option<Answer<L, K>> {
        self.answers.pop_front()
    }

    /// There is room for one more reader. A client that reads again takes the place that it had.
    pub fn may_read(&self, client: u64) -> bool {
        self.readers.len() < MAX_READERS || self.readers.iter().any(|reader| reader.client == client)
    }

    /// The line of this client waits for its answer to a Tab.
    pub fn is_kept(&self, client: u64) -> bool {
        self.readers.front().is_some_and(|first| {
            first.client == client && matches!(first.wanted, Wanted::Line { waiter: None, .. })
        })
    }

    /// A client reads a line.
    pub fn read_line(&mut self, client: u64, waiter: L, prompt: &str, output: &mut impl Output) {
        let (prompt, editor) = (Prompt::new(prompt), Editor::default());
        self.enqueue(client, Wanted::Line { prompt, editor, waiter: Some(waiter) }, output);
    }

    /// A client reads a key.
    pub fn read_key(&mut self, client: u64, waiter: K, output: &mut impl Output) {
        self.enqueue(client, Wanted::Key(waiter), output);
    }

    /// A client whose line [`Self::is_kept`] answers a Tab.
    pub fn complete(&mut self, new_waiter: L, insert: &str, output: &mut impl Output) {
        if let Some(Reader { wanted: Wanted::Line { prompt, editor, waiter }, .. }) = self.readers.front_mut()
        {
            editor.insert(insert);
            *waiter = Some(new_waiter);
            if self.drawn {
                prompt.draw(editor, output);
            }
        }
        self.settle(output);
    }

    fn enqueue(&mut self, client: u64, wanted: Wanted<L, K>, output: &mut impl Output) {
        // A client waits for one answer at a time: what it waited for before was given up, or another client has its
        // number now.
        self.remove(client, output);
        self.readers.push_back(Reader { client, wanted });
        self.settle(output);
    }

    fn remove(&mut self, client: u64, output: &mut impl Output) {
        if self.readers.front().is_some_and(|first| first.client == client) {
            self.begin(output);
        }
        self.readers.retain(|reader| reader.client != client);
    }

    /// A client has ended.
    pub fn gone(&mut self, client: u64, output: &mut impl Output) {
        self.remove(client, output);
        self.histories.retain(|(owner, _)| *owner != client);
        self.focus = self.focus.filter(|focus| *focus != client);
        self.settle(output);
    }

    /// Makes the cursor's row free for a line of anybody. After the last one [`Self::settle`] is due.
    pub fn begin(&mut self, output: &mut impl Output) {
        if core::mem::take(&mut self.drawn) {
            erase(output);
        }
        if core::mem::take(&mut self.open) {
            output.write(LINE_END);
        }
    }

    /// Writes a client's text as it is, if the client has the focus; says whether it has.
    pub fn write(&mut self, client: u64, text: &[u8], output: &mut impl Output) -> bool {
        if self.focus != Some(client) {
            return false;
        }
        if core::mem::take(&mut self.drawn) {
            erase(output);
        }
        self.open = harmless(text, output).unwrap_or(self.open);
        self.settle(output);
        true
    }

    /// A key was pressed.
    pub fn key(&mut self, key: Key, output: &mut impl Output) {
        let nobody = match self.readers.front() {
            Some(Reader { wanted: Wanted::Line { waiter, .. }, .. }) => waiter.is_none(),
            Some(_) => false,
            None => true,
        };
        if key == CANCEL && nobody {
            // Also the way out when a client does not come back with its answer to a Tab.
            self.ahead.clear();
            self.begin(output);
            self.readers.pop_front();
        } else if self.ahead.len() < MAX_AHEAD {
            self.ahead.push_back(key);
        }
        self.settle(output);
    }

    /// Draws the prompt of the first reader if it should be there and is not, and gives it the keys that wait.
    pub fn settle(&mut self, output: &mut impl Output) {
        while let Some(reader) = self.readers.front() {
            self.focus = Some(reader.client);
            match &reader.wanted {
                Wanted::Line { waiter: None, .. } => return,
                Wanted::Line { prompt, editor, .. } if !self.drawn => {
                    if core::mem::take(&mut self.open) {
                        output.write(LINE_END);
                    }
                    prompt.draw(editor, output);
                    self.drawn = true;
                }
                _ => {}
            }
            let Some(key) = self.ahead.pop_front() else { return };
            self.give(key, output);
        }
    }

    /// Gives the first reader a key.
    fn give(&mut self, key: Key, output: &mut impl Output) {
        let Some(reader) = self.readers.front_mut() else { return };
        let history = history_of(&mut self.histories, reader.client);
        let (prompt, editor) = match &mut reader.wanted {
            Wanted::Line { prompt, editor, .. } => (prompt, editor),
            Wanted::Key(_) => {
                if let Some(Reader { wanted: Wanted::Key(waiter), .. }) = self.readers.pop_front() {
                    self.answers.push_back(Answer::Key(waiter, key));
                }
                return;
            }
        };
        let other_line = match key {
            Key::Char('\n') => {
                output.write(LINE_END);
                let line = editor.take();
                history.add(&line);
                return self.finish(Event::Line, line);
            }
            Key::Char('\t') => {
                let before = editor.before().into();
                return self.keep(before);
            }
            CANCEL => {
                output.write(b"^C");
                output.write(LINE_END);
                return self.finish(Event::Cancelled, String::new());
            }
            Key::Char('\x04') if editor.text().is_empty() => {
                output.write(LINE_END);
                return self.finish(Event::End, String::new());
            }
            Key::Char('\x0c') => {
                output.write(CLEAR);
                return prompt.draw(editor, output);
            }
            Key::Up | Key::Char('\x10') => history.up(editor.text()),
            Key::Down | Key::Char('\x0e') => history.down(),
            key => {
                let change = editor.key(key);
                return prompt.update(editor, change, output);
            }
        };
        if let Some(line) = other_line {
            editor.set(line);
            prompt.draw(editor, output);
        }
    }

    /// The first reader's line is over.
    fn finish(&mut self, event: Event, line: String) {
        self.drawn = false;
        if let Some(Reader { wanted: Wanted::Line { waiter: Some(waiter), .. }, .. }) =
            self.readers.pop_front()
        {
            self.answers.push_back(Answer::Line(waiter, event, line));
        }
    }

    /// The first reader's line stays, and its client is asked what should follow this text.
    fn keep(&mut self, before: String) {
        if let Some(Reader { wanted: Wanted::Line { waiter, .. }, .. }) = self.readers.front_mut()
            && let Some(waiter) = waiter.take()
        {
            self.answers.push_back(Answer::Line(waiter, Event::Tab, before));
        }
    }
}

impl<L, K> Default for Session<L, K> {
    fn default() -> Self {
        Self::new()
    }
}

/// The lines that a client read before. The client that read first is forgotten when there are too many.
fn history_of(histories: &mut Vec<(u64, History)>, client: u64) -> &mut History {
    let known = histories.iter().position(|(owner, _)| *owner == client);
    let place = known.unwrap_or_else(|| {
        if histories.len() == MAX_READERS {
            histories.remove(0);
        }
        histories.push((client, History::default()));
        histories.len() - 1
    });
    &mut histories[place].1
}
