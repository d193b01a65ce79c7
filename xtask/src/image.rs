//! `image`: the boot archive, a cpio file with `limine.conf`, the manifest, and the files that they name.
use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Args;

use crate::archive::{self, BootFile};
use crate::build::{self, BuildArgs};
use crate::context::Context;
use crate::cpio;
use crate::manifest;

/// Options of `image`; `iso` and `qemu` take them too.
#[derive(Args, Clone, Default)]
pub struct ImageArgs {
    /// Boot this root task instead of ours
    #[arg(long, value_name = "ELF")]
    pub root_task: Option<PathBuf>,
    /// Words for the kernel command line: "domains=4"; may be repeated
    #[arg(long, value_name = "WORDS")]
    pub cmdline: Vec<String>,
    /// List the servers by this file instead of servers.ini
    #[arg(long, value_name = "FILE", conflicts_with = "root_task")]
    pub manifest: Option<PathBuf>,
    /// Start one more: "crashy -- fault=panic", or a crate: "./folder"
    #[arg(long, value_name = "NAME|PATH WORDS")]
    pub server: Vec<String>,
    /// Leave out a server of servers.ini: "shell"; may be repeated
    #[arg(long, value_name = "NAME")]
    pub no_server: Vec<String>,
    /// Put one more file into the boot archive; may be repeated
    #[arg(long, value_name = "FILE")]
    pub file: Vec<PathBuf>,
    /// Goes behind the manifest's text without a check: what the root task has to survive, for tests.
    #[arg(skip)]
    pub unchecked: &'static str,
    #[command(flatten)]
    pub build: BuildArgs,
}

impl ImageArgs {
    /// The words of all `--cmdline` options, then `more`.
    pub fn words(&self, more: &[&str]) -> String {
        let given = self.cmdline.iter().flat_map(|words| words.split_whitespace());
        given.chain(more.iter().copied()).collect::<Vec<_>>().join(" ")
    }
}

/// Builds and packs the boot archive, and prints what is in it.
///
/// # Errors
/// The build fails, a file is missing, or the archive cannot be written.
pub fn run(context: &Context, args: &ImageArgs) -> Result<()> {
    manifest::check(context, args)?;
    build::run(context, &args.build)?;
    let files = archive::collect(context, args, &args.words(&[]))?;
    print_sizes(&files);
    let path = pack(context, &files)?;
    println!("{:>9} KiB  {}", fs::metadata(&path)?.len().div_ceil(1024), path.display());
    Ok(())
}

/// Writes `files` as the boot archive and gives its path.
///
/// # Errors
/// It cannot be written.
pub fn pack(context: &Context, files: &[BootFile]) -> Result<PathBuf> {
    let mut writer = cpio::Writer::default();
    for file in files {
        writer.add(&file.path, &file.data)?;
    }
    let path = context.output_dir()?.join("boot.cpio");
    fs::write(&path, writer.finish()).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

/// Prints each file with its size.
pub fn print_sizes(files: &[BootFile]) {
    for file in files {
        println!("{:>9} KiB  {}", file.data.len().div_ceil(1024), file.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_line_words_are_joined_by_single_spaces() {
        let args =
            ImageArgs { cmdline: vec!["a  b".into(), String::new(), "c=1".into()], ..Default::default() };
        assert_eq!(args.words(&["debug_exit=0xf4"]), "a b c=1 debug_exit=0xf4");
        assert_eq!(ImageArgs::default().words(&[]), "");
    }
}
