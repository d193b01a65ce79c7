//! `abi`: boots the self-test, which prints the table of the kernel's interface, and writes it to `docs/abi.md`.
//!
//! `test` only compares digests: the self-test tells the one of its table in every run.
use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};

use crate::context::Context;
use crate::guest::Streams;
use crate::{qemu, report, test};

/// The file, from the root of the workspace.
const FILE: &str = "docs/abi.md";
/// The command line's word for: print the table.
const PRINT_WORD: &str = "coverage";
/// The line before the table.
const BEGIN: &str = "----- begin docs/abi.md -----";
/// The line behind it.
const END: &str = "----- end docs/abi.md -----";
/// How the line with the digest of the table begins.
const DIGEST: &str = "coverage: ";

/// Boots the self-test and writes the table.
///
/// # Errors
/// A test fails: the table would not be true. Or the self-test cannot be run, or the file not be written.
pub fn run(context: &Context) -> Result<()> {
    let args = test::self_test_args(context, PRINT_WORD);
    let (end, output) = qemu::boot(context, &args, Streams::Captured)?;
    if let Err((_, problem)) = report::judge_self_test(&output, end) {
        bail!("{FILE} was not written: the self-test: {problem}");
    }
    let Some(table) = table(&output) else {
        bail!("{FILE} was not written: the self-test did not print the table")
    };
    let path = path(context);
    fs::write(&path, table).with_context(|| format!("cannot write {}", path.display()))?;
    println!("\nwrote {FILE}");
    Ok(())
}

/// Compares the committed file with the table of a run.
///
/// # Errors
/// They differ, the file is missing, or the run told no digest.
pub fn check(context: &Context, output: &str) -> Result<(), String> {
    let text = fs::read_to_string(path(context)).unwrap_or_default();
    match told_digest(output) {
        None => Err("it did not tell the digest of its table".into()),
        Some(told) if told == digest(&text) => Ok(()),
        Some(_) => Err(format!("{FILE} is not what the self-test shows; run `cargo xtask abi`")),
    }
}

fn path(context: &Context) -> PathBuf {
    context.root.join(FILE)
}

/// What stands between the marks.
fn table(output: &str) -> Option<&str> {
    let (_, rest) = output.split_once(&format!("{BEGIN}\n"))?;
    rest.split_once(&format!("{END}\n")).map(|(table, _)| table)
}

/// The digest in the line `coverage: N rows, digest X`.
fn told_digest(output: &str) -> Option<u64> {
    let line = output.lines().find_map(|line| line.strip_prefix(DIGEST))?;
    u64::from_str_radix(line.rsplit_once(' ')?.1, 16).ok()
}

/// FNV-1a of 64 bits, as the self-test computes it.
fn digest(text: &str) -> u64 {
    let step = |digest: u64, byte: u8| (digest ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
    text.bytes().fold(0xcbf2_9ce4_8422_2325, step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_stands_between_the_marks() {
        let output = format!("ok A\n{BEGIN}\n# Title\n\n| a |\n{END}\ncoverage: 1 rows, digest 1f\n");
        assert_eq!(table(&output), Some("# Title\n\n| a |\n"));
        assert_eq!(told_digest(&output), Some(0x1f));
        assert_eq!(table("ok A\n1 passed, 0 failed\n"), None);
        assert_eq!(told_digest("ok A\n1 passed, 0 failed\n"), None);
    }

    #[test]
    fn the_digest_is_fnv_1a() {
        assert_eq!(digest(""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(digest("a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(digest("foobar"), 0x8594_4171_f739_67e8);
    }
}
