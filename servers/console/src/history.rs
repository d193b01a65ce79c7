//! Lines that were typed before.

use alloc::collections::VecDeque;
use alloc::string::String;

/// Lines that are kept.
const KEPT: usize = 64;

/// Lines, oldest first, and the one that is shown while somebody goes through them.
#[derive(Clone, Default, Debug)]
pub struct History {
    lines: VecDeque<String>,
    /// How far back from the newest; none while the line of now is shown.
    back: Option<usize>,
    /// The line of now, while another one is shown.
    draft: String,
}

impl History {
    /// Keeps a line that was typed, unless it is blank or the same as the last one. Whoever goes up again begins at the
    /// newest.
    pub fn add(&mut self, line: &str) {
        self.back = None;
        self.draft.clear();
        if line.trim().is_empty() || self.lines.back().is_some_and(|last| last == line) {
            return;
        }
        if self.lines.len() == KEPT {
            self.lines.pop_front();
        }
        self.lines.push_back(line.into());
    }

    /// The line before the one that is shown, if there is one. `now` is what is being typed.
    pub fn up(&mut self, now: &str) -> Option<&str> {
        let back = self.back.map_or(0, |back| back + 1);
        let line = self.lines.len().checked_sub(back + 1).and_then(|place| self.lines.get(place))?;
        if self.back.is_none() {
            self.draft = now.into();
        }
        self.back = Some(back);
        Some(line)
    }

    /// The line after the one that is shown, at last the one that was being typed.
    pub fn down(&mut self) -> Option<&str> {
        self.back = self.back?.checked_sub(1);
        match self.back {
            Some(back) => self.lines.get(self.lines.len() - 1 - back).map(String::as_str),
            None => Some(&self.draft),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn up_and_down_go_through_the_lines_and_come_back() {
        let mut history = History::default();
        assert_eq!(history.up("x"), None);
        assert_eq!(history.down(), None);
        for line in ["one", "two", "two", " ", "three"] {
            history.add(line);
        }
        let up: Vec<_> = (0..3).map(|_| history.up("now").unwrap().to_string()).collect();
        assert_eq!(up, ["three", "two", "one"]);
        assert_eq!(history.up("now"), None);
        let down: Vec<_> = (0..3).map(|_| history.down().unwrap().to_string()).collect();
        assert_eq!(down, ["two", "three", "now"]);
        assert_eq!(history.down(), None);
        history.up("now");
        history.add("four");
        assert_eq!(history.up(""), Some("four"));
    }

    #[test]
    fn the_oldest_lines_go() {
        let mut history = History::default();
        for number in 0..KEPT + 5 {
            history.add(&number.to_string());
        }
        let mut oldest = String::new();
        while let Some(line) = history.up("") {
            oldest = line.to_string();
        }
        assert_eq!((oldest.as_str(), history.lines.len()), ("5", KEPT));
    }
}
