//! The generated parts of `docs/benchmarks.md`.
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use super::plot::Family;
use crate::failure::missing;

/// Files below the workspace's root.
pub const FILE: &str = "docs/benchmarks.md";
/// The picture that the text shows.
pub const PICTURE: &str = "docs/benchmarks.svg";

/// The lines that surround a generated part.
#[derive(Clone, Copy)]
pub struct Section {
    /// The line before it.
    pub begin: &'static str,
    /// The line behind it.
    pub end: &'static str,
}

/// What the kernel's operations cost.
pub const KERNEL: Section = Section {
    begin: "<!-- bench: begin (written by `cargo xtask bench --save-reference`) -->\n",
    end: "<!-- bench: end -->\n",
};

/// Replaces a generated part of the text by `content`.
///
/// # Errors
/// The file is missing, has no markers, or cannot be written.
pub fn update(root: &Path, section: &Section, content: &str) -> Result<()> {
    let path = root.join(FILE);
    let text = fs::read_to_string(&path)
        .map_err(|error| missing(format!("cannot read {FILE}: {error}; restore it from git")))?;
    let Section { begin, end } = section;
    let text = replaced(&text, section, content)
        .with_context(|| format!("{FILE} has no place for the tables: it needs the lines\n{begin}{end}"))?;
    fs::write(&path, text).with_context(|| format!("cannot write {FILE}"))
}

fn replaced(text: &str, section: &Section, content: &str) -> Option<String> {
    let Section { begin, end } = section;
    let (before, rest) = text.split_once(begin)?;
    let (_, after) = rest.split_once(end)?;
    Some(format!("{before}{begin}{content}{end}{after}"))
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
        let Section { begin, end } = KERNEL;
        let text = format!("a\n{begin}old\n{end}b\n");
        let changed = replaced(&text, &KERNEL, "new\n").unwrap();
        assert_eq!(changed, format!("a\n{begin}new\n{end}b\n"));
        assert_eq!(replaced(&changed, &KERNEL, "old\n").unwrap(), text);
        assert_eq!(replaced("no markers", &KERNEL, "x"), None);
        assert_eq!(replaced(begin, &KERNEL, "x"), None);
    }

    #[test]
    fn growth_is_from_the_first_to_the_last() {
        let family = Family { name: "revoke".into(), points: vec![(1, 200), (10, 900), (100, 500)] };
        assert_eq!(growth(&[family]).lines().last(), Some("| revoke | 1 to 100 | 2.50 |"));
    }
}
