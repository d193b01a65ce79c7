//! `build`: every program that runs on the machine, in one cargo invocation.
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::{Args, ValueEnum};

use crate::context::{Context, TARGET};
use crate::needs::Need;
use crate::setup;

/// Packages for the machine besides the servers.
pub const BASE_PACKAGES: [&str; 3] = ["kernel", "directboot", "roottask"];

/// Options of `build`.
#[derive(Args, Clone, Default)]
pub struct BuildArgs {
    /// How to compile: `debug` is unoptimised, with full debug information
    #[arg(long, value_enum, default_value_t)]
    pub profile: Profile,
}

/// Cargo's profiles.
#[derive(Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Profile {
    /// Optimised, with line tables for backtraces
    #[default]
    Release,
    /// Not optimised
    Debug,
}

/// Builds, after installing the Rust target if it is missing.
///
/// # Errors
/// The Rust target cannot be installed, or a package does not compile.
pub fn run(context: &Context, args: &BuildArgs) -> Result<()> {
    setup::ensure(context, &[Need::RustTarget])?;
    let mut command = context.cargo().args(["build", "--target", TARGET]);
    if args.profile == Profile::Release {
        command = command.arg("--release");
    }
    for package in packages(&context.root)? {
        command = command.args(["-p", &package]);
    }
    context.run(command).context("the build failed")
}

/// The folder that [`run`] puts the programs into.
pub fn folder(context: &Context, args: &BuildArgs) -> PathBuf {
    let profile = match args.profile {
        Profile::Release => "release",
        Profile::Debug => "debug",
    };
    context.target_dir.join(TARGET).join(profile)
}

/// The packages of the workspace at `root` that are compiled for the machine, servers last and in order of name.
///
/// # Errors
/// A server's manifest cannot be read or names no package.
pub fn packages(root: &Path) -> Result<Vec<String>> {
    let servers = root.join("servers");
    let mut manifests: Vec<PathBuf> = fs::read_dir(&servers)
        .with_context(|| format!("cannot read the folder {}", servers.display()))?
        .filter_map(|entry| Some(entry.ok()?.path().join("Cargo.toml")))
        .filter(|manifest| manifest.is_file())
        .collect();
    manifests.sort();
    let mut packages: Vec<String> = BASE_PACKAGES.map(String::from).to_vec();
    for manifest in manifests {
        let name = package_name(&fs::read_to_string(&manifest)?)
            .with_context(|| format!("{} names no package; give it `name = \"…\"`", manifest.display()))?;
        packages.push(name);
    }
    Ok(packages)
}

/// The `name` in the `[package]` section of a manifest.
fn package_name(manifest: &str) -> Option<String> {
    let section = manifest.lines().skip_while(|line| line.trim() != "[package]").skip(1);
    section.take_while(|line| !line.starts_with('[')).find_map(|line| {
        let (key, value) = line.split_once('=')?;
        (key.trim() == "name").then(|| value.trim().trim_matches('"').to_string())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_package_name_comes_from_its_section() {
        let manifest =
            "[[bin]]\nname = \"tool\"\n[package]\nversion = \"1\"\nname = \"ramfs\"\n[lib]\nname = \"x\"\n";
        assert_eq!(package_name(manifest).as_deref(), Some("ramfs"));
        assert_eq!(package_name("[package]\nversion = \"1\"\n[lib]\nname = \"x\"\n"), None);
    }

    #[test]
    fn every_folder_in_servers_is_built() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let packages = packages(root).unwrap();
        for expected in ["kernel", "directboot", "roottask", "console", "hello"] {
            assert!(packages.iter().any(|name| name == expected), "{expected} is missing in {packages:?}");
        }
    }
}
