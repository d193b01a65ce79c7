//! `tidy`: formatting, lints, the kernel's symbols, and a hint about long files.
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use xshell::Cmd;

use crate::build::{self, BuildArgs};
use crate::context::{Context, TARGET};
use crate::needs::Need;
use crate::setup;
use crate::symbols;

/// Lines from which on a file is better split by topic.
const LONG_FILE_LINES: usize = 400;

/// Runs all checks, also after one has failed.
///
/// # Errors
/// A check failed; its messages are above.
pub fn run(context: &Context) -> Result<()> {
    setup::ensure(context, &[Need::RustTarget, Need::Rustfmt, Need::Clippy])?;
    let mut failed = Vec::new();
    let mut check = |name: &'static str, result: Result<()>| match result {
        Ok(()) => println!("ok      {name}"),
        Err(error) => {
            println!("FAILED  {name}: {error:#}");
            failed.push(name);
        }
    };
    check("formatting", context.run(context.cargo().args(["fmt", "--all", "--check"])));
    check("lints of libraries on the host", host_lints(context));
    check("lints of xtask", lint(context, context.cargo().args(["clippy", "-p", "xtask", "--all-targets"])));
    check("lints of programs on the machine", machine_lints(context));
    check("documentation of libsel", documentation(context));
    let trace = context.cargo().args(["clippy", "--target", TARGET, "-p", "kernel", "--features", "trace"]);
    check("lints of the trace kernel", lint(context, trace));
    check("no allocator in the kernel", no_allocator(context));
    for (lines, path) in long_files(&context.root) {
        println!(
            "hint    {} has {lines} lines; a file by topic is seldom over {LONG_FILE_LINES}",
            path.display()
        );
    }
    if !failed.is_empty() {
        bail!("not tidy: {}", failed.join(", "));
    }
    Ok(())
}

fn host_lints(context: &Context) -> Result<()> {
    let mut command = context.cargo().args(["clippy", "--lib", "--tests", "--benches"]);
    for package in build::host_libraries(&context.root)? {
        command = command.args(["-p", &package]);
    }
    lint(context, command)
}

fn machine_lints(context: &Context) -> Result<()> {
    let mut command = context.cargo().args(["clippy", "--target", TARGET]);
    for package in build::packages(&context.root)? {
        command = command.args(["-p", &package]);
    }
    lint(context, command)
}

/// The workspace's lints hold as they are; whatever only warns is an error here.
fn lint(context: &Context, command: Cmd<'_>) -> Result<()> {
    context.run(command.args(["--quiet", "--", "-D", "warnings"]))
}

/// Links that lead nowhere, and items without a word.
fn documentation(context: &Context) -> Result<()> {
    let command = context.cargo().args(["doc", "--quiet", "--no-deps", "-p", "libsel", "-p", "sel-abi"]);
    context.run(command.env("RUSTDOCFLAGS", "-D warnings"))
}

fn no_allocator(context: &Context) -> Result<()> {
    let args = BuildArgs::default();
    build::run(context, &args)?;
    symbols::check_no_allocator(&build::folder(context, &args).join("selkie"))
}

/// Rust files of the workspace at `root` over the limit, longest first.
fn long_files(root: &Path) -> Vec<(usize, PathBuf)> {
    let mut files = Vec::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let (path, name) = (entry.path(), entry.file_name());
            let name = name.to_string_lossy();
            if path.is_dir() && !name.starts_with('.') && !name.starts_with("target") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let lines = fs::read_to_string(&path).map_or(0, |text| text.lines().count());
                if lines > LONG_FILE_LINES {
                    files.push((lines, path.strip_prefix(root).unwrap_or(&path).to_path_buf()));
                }
            }
        }
    }
    files.sort_by(|a, b| b.cmp(a));
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_long_rust_files_outside_build_folders_are_listed() {
        let root = std::env::temp_dir().join(format!("selkie-tidy-{}", std::process::id()));
        for folder in ["src", "target"] {
            fs::create_dir_all(root.join(folder)).unwrap();
            fs::write(root.join(folder).join("long.rs"), "\n".repeat(LONG_FILE_LINES + 1)).unwrap();
            fs::write(root.join(folder).join("short.rs"), "\n".repeat(LONG_FILE_LINES)).unwrap();
            fs::write(root.join(folder).join("long.txt"), "\n".repeat(LONG_FILE_LINES + 1)).unwrap();
        }
        let found = long_files(&root);
        fs::remove_dir_all(&root).unwrap();
        assert_eq!(found, [(LONG_FILE_LINES + 1, PathBuf::from("src/long.rs"))]);
    }
}
