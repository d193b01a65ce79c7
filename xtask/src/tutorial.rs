//! Servers outside of the tree, made, tested and run: the one that `new-server` makes, and the one of `docs/tutorial.md`,
//! whose text is the only copy of its code.
use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash, Hasher};
use std::path::{Component, Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};

use crate::context::Context;
use crate::guest::{End, Streams};
use crate::new_server::{self, NewServerArgs};
use crate::outside;
use crate::qemu::{self, QemuArgs};

/// A server outside of the tree that must work.
pub struct Case {
    /// What it is called.
    pub name: &'static str,
    /// The server; its client is `NAME-client`.
    server: &'static str,
    /// Makes the crate in the folder that is given.
    make: fn(&Context, &Path, &str) -> Result<()>,
    /// Lines that the client prints.
    expected: &'static [&'static str],
}

/// The servers.
pub const CASES: [Case; 2] = [
    Case {
        name: "a server by `cargo xtask new-server`, outside of the tree",
        server: "my-sum",
        make: from_template,
        expected: &[
            "my-sum-client: the sum is 42",
            "my-sum-client: not added: a value of the request is not possible",
        ],
    },
    Case {
        name: "the server of docs/tutorial.md",
        server: "kitchen-timer",
        make: from_tutorial,
        expected: &[
            "kitchen-timer-client: eggs: 1 of 2 rings",
            "kitchen-timer-client: eggs: 2 of 2 rings",
            "kitchen-timer-client: no rings left: not found",
        ],
    },
];

/// Makes, tests and runs a server.
///
/// # Errors
/// What does not work.
pub fn run(context: &Context, case: &Case, mut args: QemuArgs) -> Result<()> {
    let folder = work_folder(context);
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    let result = (case.make)(context, &folder, case.server).and_then(|()| {
        let crate_folder = folder.join(case.server);
        host_test(context, &crate_folder)?;
        args.image.server =
            vec![format!("{} service", crate_folder.display()), format!("{0}-client uses={0}", case.server)];
        judge(case, qemu::boot(context, &args, Streams::Captured)?)
    });
    fs::remove_dir_all(&folder)?;
    result
}

/// A folder outside of the tree; the same for every run in this checkout, so that cargo knows what it built.
fn work_folder(context: &Context) -> PathBuf {
    let mut hasher = DefaultHasher::new();
    context.root.hash(&mut hasher);
    std::env::temp_dir().join(format!("selkie-outside-{:016x}", hasher.finish()))
}

fn host_test(context: &Context, folder: &Path) -> Result<()> {
    let _stand = context.shell.push_dir(folder);
    let command = context.cargo().args(["test", "--lib", "--target-dir"]).arg(outside::target_dir(context));
    let output = context.read(command).context("its host test failed")?;
    ensure!(output.contains("test result: ok. 1 passed"), "it has no host test:\n{output}");
    Ok(())
}

fn judge(case: &Case, (end, output): (End, String)) -> Result<()> {
    for line in case.expected {
        ensure!(output.lines().any(|printed| printed == *line), "the line `{line}` is missing");
    }
    ensure!(end == End::Code(0), "the boot ended with {end:?}");
    Ok(())
}

fn from_template(context: &Context, folder: &Path, name: &str) -> Result<()> {
    let args = NewServerArgs { name: name.into(), path: Some(folder.into()), boot: false };
    new_server::make(context, &args).map(|_| ())
}

/// Writes the tutorial's files. The tutorial stands beside a checkout that is called `selkie`.
fn from_tutorial(context: &Context, folder: &Path, name: &str) -> Result<()> {
    let text =
        fs::read_to_string(context.root.join("docs/tutorial.md")).context("cannot read docs/tutorial.md")?;
    let libsel = context.root.join("libsel");
    for (path, content) in files(&text)? {
        let path = folder.join(name).join(path);
        fs::create_dir_all(path.parent().context("a file without a folder")?)?;
        fs::write(path, content.replace("../selkie/libsel", &libsel.display().to_string()))?;
    }
    fs::copy(context.root.join("Cargo.lock"), folder.join(name).join("Cargo.lock"))?;
    Ok(())
}

/// The files in a text: each block of code whose first line names a file behind the language, as in
/// ```` ```rust src/main.rs````. A block that names the same file again continues it.
fn files(text: &str) -> Result<Vec<(&str, String)>> {
    let mut files: Vec<(&str, String)> = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(info) = line.strip_prefix("```") else { continue };
        let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        let Some(path) = info.split_whitespace().nth(1) else { continue };
        if !Path::new(path).components().all(|part| matches!(part, Component::Normal(_))) {
            bail!("a block of code names `{path}`, which is no file of the crate");
        }
        let content = block.join("\n") + "\n";
        match files.iter_mut().find(|(known, _)| *known == path) {
            Some((_, before)) => before.extend(["\n", &content]),
            None => files.push((path, content)),
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_with_a_file_name_become_files() {
        let text = "a\n```rust src/lib.rs\none\n```\n```sh\nls\n```\n```toml Cargo.toml\n[x]\n\ny\n```\n```rust \
                    src/lib.rs\ntwo\n```\n";
        assert_eq!(
            files(text).unwrap(),
            [("src/lib.rs", "one\n\ntwo\n".to_string()), ("Cargo.toml", "[x]\n\ny\n".to_string())]
        );
        for path in ["../x", "/x"] {
            assert!(files(&format!("```rust {path}\n```\n")).is_err(), "{path}");
        }
    }

    #[test]
    fn the_tutorial_has_the_files_of_a_crate() {
        let files = files(include_str!("../../docs/tutorial.md")).unwrap();
        for path in ["Cargo.toml", "src/lib.rs", "src/main.rs", "src/bin/client.rs"] {
            assert!(files.iter().any(|(known, _)| *known == path), "{path}");
        }
    }
}
