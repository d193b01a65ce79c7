//! The proof that the kernel has no heap: its symbol table names nothing of the `alloc` crate.
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use elf::ElfBytes;
use elf::endian::AnyEndian;

use crate::failure::missing;

/// Entry points of the global allocator; newer compilers put them below a path of their own.
const ALLOCATOR_FUNCTIONS: [&str; 5] =
    ["__rust_alloc", "__rg_alloc", "__rdl_alloc", "__rust_realloc", "__rust_alloc_zeroed"];

/// Checks the kernel's ELF file.
///
/// # Errors
/// The file is missing, has no symbols, or links an allocator; the message names the symbols.
pub fn check_no_allocator(kernel: &Path) -> Result<()> {
    let data = fs::read(kernel).map_err(|error| {
        missing(format!("cannot read the kernel {}: {error}; run `cargo xtask build`", kernel.display()))
    })?;
    let names = names(&data).with_context(|| format!("cannot read the symbols of {}", kernel.display()))?;
    ensure!(
        !names.is_empty(),
        "{} has no symbols, so nothing can be said; do not strip it",
        kernel.display()
    );
    let found = of_allocator(names.iter().map(String::as_str));
    if !found.is_empty() {
        bail!("the kernel links an allocator; find what uses `alloc`, and remove it: {}", found.join(", "));
    }
    Ok(())
}

/// The names in an ELF file's symbol table.
fn names(data: &[u8]) -> Result<Vec<String>> {
    let file = ElfBytes::<AnyEndian>::minimal_parse(data)?;
    let Some((symbols, strings)) = file.symbol_table()? else { return Ok(Vec::new()) };
    let mut names = Vec::new();
    for symbol in symbols {
        let name = strings.get(symbol.st_name as usize)?;
        if !name.is_empty() {
            names.push(name.to_string());
        }
    }
    Ok(names)
}

/// Those of `names` that belong to an allocator or to the `alloc` crate, readable.
fn of_allocator<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    names
        .map(|name| format!("{:#}", rustc_demangle::demangle(name)))
        .filter(|name| is_of_allocator(name))
        .collect()
}

fn is_of_allocator(name: &str) -> bool {
    let last = name.rsplit("::").next().unwrap_or(name);
    // `<alloc::vec::Vec<T> as Drop>::drop` is a method of the crate as well.
    ALLOCATOR_FUNCTIONS.contains(&last) || name.trim_start_matches('<').starts_with("alloc::")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allocator_symbols_are_recognised_mangled_and_plain() {
        let names = [
            "__rust_alloc",
            "_RNvCs1234_7___rustc12___rust_alloc",
            "_ZN5alloc3vec12Vec$LT$T$GT$4push17h0123456789abcdefE",
            "_ZN66_$LT$alloc..vec..Vec$LT$T$GT$$u20$as$u20$core..ops..drop..Drop$GT$4drop17h0123456789abcdefE",
        ];
        assert_eq!(of_allocator(names.into_iter()).len(), names.len());
    }

    #[test]
    fn other_symbols_are_left_alone() {
        let names = ["memcpy", "_ZN6kernel5alloc4find17h0123456789abcdefE", "_start", "realloc_count"];
        assert_eq!(of_allocator(names.into_iter()), Vec::<String>::new());
    }

    /// This test program is itself an ELF file that links an allocator, so the whole check must fail on it.
    #[cfg(target_os = "linux")]
    #[test]
    fn the_check_fails_on_a_program_with_a_heap() {
        let error = check_no_allocator(&std::env::current_exe().unwrap()).unwrap_err();
        assert!(error.to_string().contains("links an allocator"), "{error:#}");
    }

    #[test]
    fn a_file_that_is_no_elf_is_an_error() {
        assert!(names(b"#!/bin/sh").is_err());
        assert_eq!(crate::failure::exit_code(&check_no_allocator(Path::new("/nonexistent")).unwrap_err()), 2);
    }
}
