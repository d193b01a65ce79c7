//! Names that are nearly right, and what names have in common.

use alloc::vec::Vec;

/// Changes that still make one name a mistyped other.
const MOST_CHANGES: usize = 2;

/// The name that this one was probably meant to be.
pub fn nearest<'a>(typed: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let rated = names.map(|name| (changes(typed, name), name));
    let (count, name) = rated.min_by_key(|(count, _)| *count)?;
    // With more changes than letters that stay, anything is near everything.
    (count <= MOST_CHANGES && count * 2 <= name.chars().count()).then_some(name)
}

/// Letters to be replaced, added, left out, or exchanged with their neighbour, to turn one name into the other.
fn changes(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let (mut before, mut last): (Vec<usize>, Vec<usize>) = (Vec::new(), (0..=to.len()).collect());
    let mut previous = None;
    for (row, letter) in from.chars().enumerate() {
        let mut next = alloc::vec![row + 1];
        for (column, other) in to.iter().enumerate() {
            let mut least = (last[column] + usize::from(letter != *other)).min(last[column + 1] + 1);
            least = least.min(next[column] + 1);
            if column > 0 && previous == Some(*other) && to[column - 1] == letter {
                least = least.min(before[column - 1] + 1);
            }
            next.push(least);
        }
        previous = Some(letter);
        before = core::mem::replace(&mut last, next);
    }
    last.last().copied().unwrap_or_default()
}

/// What all of the names begin with.
pub fn common_start<'a>(names: &[&'a str]) -> &'a str {
    let Some((first, others)) = names.split_first() else { return "" };
    let shared = |name: &&str| first.chars().zip(name.chars()).take_while(|(a, b)| a == b).count();
    let count = others.iter().map(shared).min().unwrap_or(usize::MAX);
    let end = first.char_indices().nth(count).map_or(first.len(), |(place, _)| place);
    first.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistyped_names_are_found() {
        let names = ["help", "ps", "mem", "map", "reboot"];
        let near = |typed| nearest(typed, names.into_iter());
        assert_eq!(near("hlep"), Some("help"));
        assert_eq!(near("rebot"), Some("reboot"));
        assert_eq!(near("memm"), Some("mem"));
        assert_eq!(near("p"), Some("ps"));
        assert_eq!(near("xyz"), None);
        assert_eq!(near("ls"), Some("ps"));
        assert_eq!((changes("", "abc"), changes("abc", ""), changes("ab", "ba")), (3, 3, 1));
    }

    #[test]
    fn the_common_start_ends_between_characters() {
        assert_eq!(common_start(&["cat", "caps"]), "ca");
        assert_eq!(common_start(&["süd", "söder"]), "s");
        assert_eq!(common_start(&["cat"]), "cat");
        assert_eq!(common_start(&["cat", "mem"]), "");
        assert_eq!(common_start(&[]), "");
    }
}
