//! Lines into words.

use alloc::string::String;
use alloc::vec::Vec;

/// A quote is not closed, or a backslash has nothing behind it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unfinished;

impl core::fmt::Display for Unfinished {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("a quote is not closed; a quote itself is written \\\"")
    }
}

/// The words of a line. Blanks separate them, but for those between quotes (`"` or `'`) or behind a backslash; `\n` is
/// a line end.
pub fn split(line: &str) -> Result<Vec<String>, Unfinished> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' if quote != Some('\'') => {
                let next = characters.next().ok_or(Unfinished)?;
                word.get_or_insert_default().push(if next == 'n' { '\n' } else { next });
            }
            _ if quote == Some(character) => quote = None,
            '"' | '\'' if quote.is_none() => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            _ if character.is_whitespace() && quote.is_none() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(character),
        }
    }
    words.extend(word);
    if quote.is_some() { Err(Unfinished) } else { Ok(words) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_quotes_and_backslashes() {
        assert_eq!(split("  write a  b ").unwrap(), ["write", "a", "b"]);
        assert_eq!(split(r#"write f "a  b" '' x"y z"w"#).unwrap(), ["write", "f", "a  b", "", "xy zw"]);
        assert_eq!(split(r#"\"a\ b 'c\n' "d\n" \\"#).unwrap(), ["\"a b", r"c\n", "d\n", r"\"]);
        assert_eq!(split(" \t ").unwrap(), [""; 0]);
        assert_eq!(split("a 'b"), Err(Unfinished));
        assert_eq!(split("a\\"), Err(Unfinished));
    }
}
