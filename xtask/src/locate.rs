//! `locate`: which line of a program an address of a fault report belongs to.
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, bail};
use clap::Args;

use crate::build::{self, BuildArgs};
use crate::context::Context;
use crate::failure::missing;
use crate::outside;

/// Options of `locate`.
#[derive(Args, Clone)]
#[command(
    after_help = "An address is hexadecimal, as in a fault report. Functions that were inlined\ncome first, \
then those that they are in.\n\nExample:\n  cargo xtask locate crashy 0x204001"
)]
pub struct LocateArgs {
    /// A server, roottask, selkie (the kernel), or an ELF file's path
    #[arg(value_name = "PROGRAM")]
    program: String,
    /// Addresses
    #[arg(value_name = "ADDRESS", required = true, value_parser = address)]
    addresses: Vec<u64>,
    #[command(flatten)]
    build: BuildArgs,
}

/// Prints the functions and lines of addresses.
///
/// # Errors
/// There is no such program, it has no debug information, or none of the addresses is of its code.
pub fn run(context: &Context, args: &LocateArgs) -> Result<()> {
    let folders =
        [build::folder(context, &args.build), build::folder_in(&outside::target_dir(context), &args.build)];
    let mut places = folders.map(|folder| folder.join(&args.program));
    if args.program.contains('/') {
        places = [PathBuf::from(&args.program), PathBuf::new()];
    }
    let Some(path) = places.iter().find(|path| path.is_file()) else {
        let path = places[0].display();
        return Err(missing(format!("there is no {path}; `cargo xtask build` makes the programs")));
    };
    let lines = Lines::open(path)?;
    let mut unknown = 0;
    for address in &args.addresses {
        println!("{address:#x}");
        let frames = lines.frames(*address)?;
        if frames.is_empty() {
            unknown += 1;
            let symbol = lines.symbol(*address).unwrap_or_else(|| "none".into());
            println!("    no line is known; the symbol before it: {symbol}");
        }
        for Frame { function, file, line } in frames {
            println!("    {function}\n        {}:{line}", readable(&context.root, &file));
        }
    }
    if unknown == args.addresses.len() {
        bail!("nothing is known in {}; was it built again since?", path.display());
    }
    Ok(())
}

fn address(text: &str) -> Result<u64> {
    u64::from_str_radix(text.trim_start_matches("0x"), 16).context("a hexadecimal number is wanted: 0x204001")
}

/// A function that an instruction belongs to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Frame {
    /// Its path, demangled.
    pub function: String,
    /// The file as the compiler named it; `?`: unknown.
    pub file: String,
    /// The line of the instruction, or of the call that was inlined; 0: unknown.
    pub line: u32,
}

/// The debug information of a program.
pub struct Lines(addr2line::Loader);

impl Lines {
    /// That of an ELF file.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn open(path: &Path) -> Result<Self> {
        addr2line::Loader::new(path).map(Lines).map_err(|error| anyhow!("{}: {error}", path.display()))
    }

    /// The function at an address, and those that it was inlined into, innermost first. None: no code is known there.
    ///
    /// # Errors
    /// The debug information is damaged.
    pub fn frames(&self, address: u64) -> Result<Vec<Frame>> {
        let damaged = |error| anyhow!("debug information of {address:#x}: {error}");
        let mut frames = self.0.find_frames(address).map_err(damaged)?;
        let mut found = Vec::new();
        while let Some(frame) = frames.next().map_err(|error| damaged(error.into()))? {
            let name = frame.function.map(|function| function.demangle().unwrap_or_default().into_owned());
            let place =
                frame.location.map(|location| (location.file.unwrap_or("?"), location.line.unwrap_or(0)));
            let (file, line) = place.unwrap_or(("?", 0));
            let function = name.map_or_else(|| "?".into(), |name| demangled(&name));
            found.push(Frame { function, file: file.into(), line });
        }
        Ok(found)
    }

    /// The last symbol at or before an address: for assembly code, of which no lines are known.
    pub fn symbol(&self, address: u64) -> Option<String> {
        self.0.find_symbol(address).map(demangled)
    }
}

/// Without the hash at its end.
fn demangled(name: &str) -> String {
    format!("{:#}", rustc_demangle::demangle(name))
}

/// A file's path from the root of this tree, of its crate, or of Rust's library.
fn readable<'a>(root: &Path, file: &'a str) -> &'a str {
    let behind = |mark: &str| file.find(mark).map(|at| &file[at + mark.len()..]);
    let own = root.to_str().and_then(|root| file.strip_prefix(root)).map(|path| path.trim_start_matches('/'));
    let registry = || behind("/registry/src/").and_then(|path| path.split_once('/')).map(|(_, path)| path);
    own.or_else(registry).or_else(|| file.find("/library/").map(|at| &file[at + 1..])).unwrap_or(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A function that this test program surely has.
    #[inline(never)]
    fn here(value: u64) -> u64 {
        std::hint::black_box(value) + 1
    }

    #[test]
    fn an_address_of_this_program_has_its_line() {
        // Where the program lies in memory, less where its file says so.
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let program = std::env::current_exe().unwrap();
        let first = maps.lines().find(|line| line.ends_with(program.to_str().unwrap())).unwrap();
        let base = u64::from_str_radix(first.split_once('-').unwrap().0, 16).unwrap();
        let lines = Lines::open(&program).unwrap();
        let frames = lines.frames(here as *const () as u64 - base).unwrap();
        let frame = frames.last().unwrap();
        assert!(frame.function.ends_with("locate::tests::here"), "{frame:?}");
        assert!(frame.file.ends_with("locate.rs") && frame.line > 100, "{frame:?}");
        assert_eq!(lines.frames(u64::MAX / 2).unwrap(), []);
    }

    #[test]
    fn paths_are_short() {
        let root = Path::new("/home/me/selkie");
        for (file, expected) in [
            ("/home/me/selkie/servers/crashy/src/main.rs", "servers/crashy/src/main.rs"),
            ("/root/.cargo/registry/src/index.crates.io-1949/spin-0.9/src/once.rs", "spin-0.9/src/once.rs"),
            ("/rustc/5980/library/core/src/ptr/mod.rs", "library/core/src/ptr/mod.rs"),
            ("/home/you/server/src/main.rs", "/home/you/server/src/main.rs"),
        ] {
            assert_eq!(readable(root, file), expected);
        }
    }

    #[test]
    fn addresses_are_hexadecimal() {
        assert_eq!((address("0x204001").unwrap(), address("204001").unwrap()), (0x204001, 0x204001));
        assert!(address("crashy").is_err());
    }
}
