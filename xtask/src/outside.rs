//! Servers from outside of the tree: crates in folders of their own, given to `--server` by path.
//!
//! Such a crate depends on libsel by path or git and needs nothing else: it is built with the settings of Selkie's
//! `.cargo/config.toml`, into a folder of its own below the target folder.
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use crate::build::{self, Profile};
use crate::context::{Context, TARGET};
use crate::failure::missing;
use crate::image::ImageArgs;

/// The options `--server`, with crates replaced by their programs.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Servers {
    /// Each server: the name of its program, and the words behind it.
    pub entries: Vec<String>,
    programs: Vec<Program>,
}

/// A program of a crate outside.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Program {
    name: String,
    file: PathBuf,
}

impl Servers {
    /// The file of a program from outside, by its path on the boot volume.
    pub fn file(&self, volume_path: &str) -> Option<&Path> {
        let name = volume_path.strip_prefix("boot/")?;
        self.programs.iter().find(|program| program.name == name).map(|program| program.file.as_path())
    }

    /// Adds the programs of a crate; their names must be new.
    fn add(&mut self, programs: Vec<Program>, taken: &[&str]) -> Result<()> {
        for program in programs {
            if self.programs.contains(&program) {
                continue;
            }
            let path = format!("boot/{}", program.name);
            ensure!(
                self.file(&path).is_none() && !taken.contains(&path.as_str()),
                "two programs are called `{}`; give one of them another name in its Cargo.toml",
                program.name
            );
            self.programs.push(program);
        }
        Ok(())
    }
}

/// Builds the crates that `--server` names by path. The first word of such an option is a path if there is a `/` in it
/// or it consists of dots; the server is the crate's program that is called as its package, or its only one. Its other
/// programs can be started by name with further options. `taken` are the files that the boot volume has anyway.
///
/// # Errors
/// There is no crate, it does not compile, it has no program to choose, or a name is taken.
pub fn build(context: &Context, args: &ImageArgs, taken: &[&str]) -> Result<Servers> {
    let mut servers = Servers::default();
    for option in &args.server {
        let word = option.split_whitespace().next().unwrap_or_default();
        if !is_path(word) {
            servers.entries.push(option.clone());
            continue;
        }
        let (manifest, folder) = find(Path::new(word))?;
        let programs = build_crate(context, &folder, args.build.profile)?;
        let name = choose(&programs, build::package_name(&manifest).as_deref())
            .with_context(|| format!("--server {word}"))?;
        servers.entries.push(format!("{name}{}", option.trim_start().strip_prefix(word).unwrap_or_default()));
        servers.add(programs, taken)?;
    }
    Ok(servers)
}

fn is_path(word: &str) -> bool {
    word.contains('/') || word == "." || word == ".."
}

/// The manifest's text and the folder of a crate.
fn find(path: &Path) -> Result<(String, PathBuf)> {
    let manifest = path.join("Cargo.toml");
    let text = fs::read_to_string(&manifest).map_err(|error| {
        missing(format!("--server {}: cannot read {}: {error}", path.display(), manifest.display()))
    })?;
    Ok((text, path.canonicalize()?))
}

/// Builds the programs of the crate in a folder.
fn build_crate(context: &Context, folder: &Path, profile: Profile) -> Result<Vec<Program>> {
    let _stand = context.shell.push_dir(folder);
    let settings = context.root.join(".cargo/config.toml");
    let mut command =
        context.cargo().args(["build", "--bins", "--target", TARGET]).arg("--config").arg(settings);
    command =
        command.arg("--message-format=json-render-diagnostics").arg("--target-dir").arg(target_dir(context));
    if profile == Profile::Release {
        command = command.arg("--release");
    }
    let messages =
        context.read(command).with_context(|| format!("the build of {} failed", folder.display()))?;
    Ok(programs(&messages))
}

/// Where crates from outside are built: their programs may be called as ours.
pub fn target_dir(context: &Context) -> PathBuf {
    context.target_dir.join("outside")
}

/// The programs that cargo says it made.
fn programs(messages: &str) -> Vec<Program> {
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let program = |message: Value| {
        let name = message["target"]["name"].as_str()?.to_string();
        Some(Program { name, file: message["executable"].as_str()?.into() })
    };
    messages.filter_map(program).collect()
}

/// The program that is called as the package, or the only one.
fn choose<'a>(programs: &'a [Program], package: Option<&str>) -> Result<&'a str> {
    let named = programs.iter().find(|program| Some(program.name.as_str()) == package);
    match (named, programs) {
        (Some(program), _) | (None, [program]) => Ok(&program.name),
        (None, []) => bail!("the crate has no program; a server needs a src/main.rs"),
        (None, several) => {
            let names: Vec<&str> = several.iter().map(|program| program.name.as_str()).collect();
            bail!("the crate has the programs {}; call one of them as the package", names.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(name: &str, file: &str) -> Program {
        Program { name: name.into(), file: file.into() }
    }

    #[test]
    fn names_and_paths_are_told_apart() {
        for path in [".", "..", "./a", "a/b", "/a", "../a"] {
            assert!(is_path(path), "{path}");
        }
        for name in ["crashy", "a.b", ""] {
            assert!(!is_path(name), "{name}");
        }
    }

    #[test]
    fn cargos_messages_tell_the_programs() {
        let messages = r#"{"reason":"compiler-artifact","target":{"name":"dep"},"executable":null}
{"reason":"compiler-artifact","target":{"name":"clock"},"executable":"/t/clock"}
not a message
{"reason":"build-finished","success":true}"#;
        assert_eq!(programs(messages), [program("clock", "/t/clock")]);
    }

    #[test]
    fn the_server_is_called_as_the_package_or_the_only_program() {
        let (one, other) = (program("a", "/a"), program("b", "/b"));
        let both = [one.clone(), other];
        assert_eq!(choose(&both, Some("b")).unwrap(), "b");
        assert_eq!(choose(&[one], Some("x")).unwrap(), "a");
        assert!(choose(&both, Some("x")).unwrap_err().to_string().contains("programs a, b;"));
        assert!(choose(&[], Some("x")).unwrap_err().to_string().contains("no program"));
    }

    #[test]
    fn a_name_that_is_taken_is_refused() {
        let mut servers = Servers::default();
        servers.add(vec![program("a", "/a")], &["boot/b"]).unwrap();
        servers.add(vec![program("a", "/a")], &["boot/b"]).unwrap();
        assert_eq!(servers.file("boot/a"), Some(Path::new("/a")));
        assert_eq!(servers.file("boot/b"), None);
        for taken in [program("a", "/other"), program("b", "/b")] {
            assert!(servers.add(vec![taken], &["boot/b"]).is_err());
        }
    }

    #[test]
    fn a_folder_without_a_crate_is_named() {
        let error = find(Path::new("/nonexistent/x")).unwrap_err();
        assert!(error.to_string().contains("/nonexistent/x/Cargo.toml"));
        assert_eq!(crate::failure::exit_code(&error), 2);
    }
}
