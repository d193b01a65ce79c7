//! The generated part of `docs/benchmarks.md`.
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use super::plot::Family;
use crate::failure::missing;

/// Files below the workspace's root.
pub const FILE: &str = "docs/benchmarks.md";
/// The picture that the text shows.
pub const PICTURE: &str = "docs/benchmarks.svg";

/// What surrounds the generated part.
const BEGIN: &str = "<!-- bench: begin (written by `cargo xtask bench --save-reference`) -->\n";
const END: &str = "<!-- bench: end -->\n";

/// Replaces the generated part of the text by `content`.
///
/// # Errors
/// The file is missing, has no markers, or cannot be written.
pub fn update(root: &Path, content: &str) -> Result<()> {
    let path = root.join(FILE);
    let text = fs::read_to_string(&path)
        .map_err(|error| missing(format!("cannot read {FILE}: {error}; restore it from git")))?;
    let text = replaced(&text, content)
        .with_context(|| format!("{FILE} has no place for the table: it needs the lines\n{BEGIN}{END}"))?;
    fs::write(&path, text).with_context(|| format!("cannot write {FILE}"))
}

fn replaced(text: &str, content: &str) -> Option<String> {
    let (before, rest) = text.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}{content}{END}{after}"))
}

/// A table of how costs grow with the number of objects.
pub fn growth(families: &[Family]) -> String {
    let mut text = String::from("| rows | objects | cost grows by |\n|---|---|--:|\n");
    for family in families {
        if let (Some((first, _)), Some((last, _)), Some(growth)) =
            (family.points.first(), family.points.last(), family.growth())
        {
            text += &format!("| {} | {first} to {last} | {growth:.2} |\n", family.name);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_part_between_the_markers_changes() {
        let text = format!("a\n{BEGIN}old\n{END}b\n");
        let changed = replaced(&text, "new\n").unwrap();
        assert_eq!(changed, format!("a\n{BEGIN}new\n{END}b\n"));
        assert_eq!(replaced(&changed, "old\n").unwrap(), text);
        assert_eq!(replaced("no markers", "x"), None);
        assert_eq!(replaced(BEGIN, "x"), None);
    }

    #[test]
    fn growth_is_from_the_first_to_the_last() {
        let family = Family { name: "revoke".into(), points: vec![(1, 200), (10, 900), (100, 500)] };
        assert_eq!(growth(&[family]).lines().last(), Some("| revoke | 1 to 100 | 2.50 |"));
    }
}
