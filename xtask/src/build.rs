//! `build`: every program that runs on the machine, in one cargo invocation.
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::{Args, ValueEnum};

use crate::context::{Context, TARGET};
use crate::needs::Need;
use crate::setup;

/// The package of the kernel.
const KERNEL: &str = "kernel";
/// Packages for the machine besides the servers.
const BASE_PACKAGES: [&str; 3] = [KERNEL, "directboot", "roottask"];
/// Packages besides the servers whose library is also compiled for the host, where its tests run.
const BASE_LIBRARIES: [&str; 6] = ["sel-abi", "kernel", "directboot", "libsel", "libsel-macros", "roottask"];

/// Options of `build`.
#[derive(Args, Clone, Default)]
pub struct BuildArgs {
    /// How to compile
    #[arg(long, value_enum, default_value_t)]
    pub profile: Profile,
    /// What it can do: debug, release, benchmark, trace
    #[arg(long, value_enum, default_value_t, hide_possible_values = true)]
    pub kernel: KernelKind,
}

/// The cargo features of the kernel.
#[derive(Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum KernelKind {
    /// Debug calls, thread names, printing
    #[default]
    Debug,
    /// None, and no thread names
    Release,
    /// Benchmark calls, no debug calls
    Benchmark,
    /// As debug, and a ring of kernel events
    Trace,
}

impl KernelKind {
    /// As its option is spelled.
    pub const fn word(self) -> &'static str {
        match self {
            KernelKind::Debug => "debug",
            KernelKind::Release => "release",
            KernelKind::Benchmark => "benchmark",
            KernelKind::Trace => "trace",
        }
    }

    fn features(self) -> &'static [&'static str] {
        match self {
            KernelKind::Debug => &[],
            KernelKind::Release => &["--no-default-features"],
            KernelKind::Trace => &["--features", "trace"],
            KernelKind::Benchmark => &["--no-default-features", "--features", "benchmark"],
        }
    }

    /// Further arguments of cargo: frame pointers, for backtraces, where there is a console to print them to. They are
    /// added to what `.cargo/config.toml` says.
    fn arguments(self) -> &'static [&'static str] {
        const FRAME_POINTERS: &str =
            r#"target.x86_64-unknown-none.rustflags=["-C","force-frame-pointers=yes"]"#;
        match self {
            KernelKind::Debug | KernelKind::Trace => &["--config", FRAME_POINTERS],
            KernelKind::Release | KernelKind::Benchmark => &[],
        }
    }
}

/// Cargo's profiles.
#[derive(Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Profile {
    /// Optimised, with line tables for backtraces
    #[default]
    Release,
    /// Not optimised, with full debug information
    Debug,
}

/// Builds, after installing the Rust target if it is missing.
///
/// # Errors
/// The Rust target cannot be installed, or a package does not compile.
pub fn run(context: &Context, args: &BuildArgs) -> Result<()> {
    setup::ensure(context, &[Need::RustTarget])?;
    // Features on cargo's command line are for all packages of one invocation.
    let (kernel, others): (Vec<_>, Vec<_>) =
        packages(&context.root)?.into_iter().partition(|package| package == KERNEL);
    cargo_build(context, args, &others, &[])?;
    cargo_build(context, args, &kernel, &[args.kernel.arguments(), args.kernel.features()].concat())
}

fn cargo_build(context: &Context, args: &BuildArgs, packages: &[String], more: &[&str]) -> Result<()> {
    let mut command = context.cargo().args(["build", "--target", TARGET]).args(more);
    if args.profile == Profile::Release {
        command = command.arg("--release");
    }
    for package in packages {
        command = command.args(["-p", package]);
    }
    context.run(command).context("the build failed")
}

/// The folder that [`run`] puts the programs into.
pub fn folder(context: &Context, args: &BuildArgs) -> PathBuf {
    folder_in(&context.target_dir, args)
}

/// The same below another target folder.
pub fn folder_in(target_dir: &Path, args: &BuildArgs) -> PathBuf {
    let profile = match args.profile {
        Profile::Release => "release",
        Profile::Debug => "debug",
    };
    target_dir.join(TARGET).join(profile)
}

/// The packages of the workspace at `root` that are compiled for the machine, servers last and in order of name.
///
/// # Errors
/// A server's manifest cannot be read or names no package.
pub fn packages(root: &Path) -> Result<Vec<String>> {
    let base = BASE_PACKAGES.map(String::from).into_iter();
    Ok(base.chain(servers(root)?.into_iter().map(|(name, _)| name)).collect())
}

/// The packages of the workspace at `root` whose library is also compiled for the host, where its tests run. A server
/// has one if there is something in it to test.
///
/// # Errors
/// As [`packages`].
pub fn host_libraries(root: &Path) -> Result<Vec<String>> {
    let base = BASE_LIBRARIES.map(String::from).into_iter();
    let with_library = servers(root)?.into_iter().filter(|(_, folder)| folder.join("src/lib.rs").is_file());
    Ok(base.chain(with_library.map(|(name, _)| name)).collect())
}

/// Package name and folder of each server, in order of folder name.
fn servers(root: &Path) -> Result<Vec<(String, PathBuf)>> {
    let servers = root.join("servers");
    let mut folders: Vec<PathBuf> = fs::read_dir(&servers)
        .with_context(|| format!("cannot read the folder {}", servers.display()))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|folder| folder.join("Cargo.toml").is_file())
        .collect();
    folders.sort();
    let named = |folder: PathBuf| {
        let manifest = folder.join("Cargo.toml");
        let name = package_name(&fs::read_to_string(&manifest)?)
            .with_context(|| format!("{} names no package; give it `name = \"…\"`", manifest.display()))?;
        Ok((name, folder))
    };
    folders.into_iter().map(named).collect()
}

/// The `name` in the `[package]` section of a manifest.
pub fn package_name(manifest: &str) -> Option<String> {
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

    #[test]
    fn a_server_with_a_library_is_tested_on_the_host() {
        let root = std::env::temp_dir().join(format!("selkie-build-{}", std::process::id()));
        for (name, file) in [("with", "lib.rs"), ("without", "main.rs")] {
            let folder = root.join("servers").join(name);
            fs::create_dir_all(folder.join("src")).unwrap();
            fs::write(folder.join("Cargo.toml"), format!("[package]\nname = \"{name}\"\n")).unwrap();
            fs::write(folder.join("src").join(file), "").unwrap();
        }
        let (built, tested) = (packages(&root).unwrap(), host_libraries(&root).unwrap());
        fs::remove_dir_all(&root).unwrap();
        assert_eq!(built, ["kernel", "directboot", "roottask", "with", "without"]);
        assert_eq!(tested[BASE_LIBRARIES.len()..], ["with"]);
    }
}
