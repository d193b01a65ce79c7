//! `iso`: a hybrid ISO image that boots from BIOS and UEFI, from CD and USB stick, through the Limine boot loader.
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::Args;

use crate::archive::{self, BootFile};
use crate::build;
use crate::context::Context;
use crate::image::{self, ImageArgs};
use crate::limine::{self, BIOS_CD, BIOS_STAGE, Limine, UEFI_CD, UEFI_PROGRAM};
use crate::manifest;
use crate::needs::Need;
use crate::setup;

/// Where Limine looks for its own files.
const LIMINE_FOLDER: &str = "boot/limine";

/// Options of `iso`.
#[derive(Args, Clone)]
pub struct IsoArgs {
    /// Where to write the image [default: TARGET FOLDER/selkie/selkie.iso]
    #[arg(short, long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub image: ImageArgs,
}

/// Builds and packs the image, and prints what is in it.
///
/// # Errors
/// The build fails, Limine or a tool is missing, or the image cannot be made.
pub fn run(context: &Context, args: &IsoArgs) -> Result<()> {
    let limine = tools(context)?;
    manifest::check(context, &args.image)?;
    build::run(context, &args.image.build)?;
    let out = match &args.out {
        Some(out) => std::path::absolute(out)?,
        None => context.output_dir()?.join("selkie.iso"),
    };
    let words = args.image.words(&[]);
    image::print_sizes(&archive::collect(context, &args.image, &words)?);
    pack(context, &limine, &args.image, &words, &out)?;
    println!("{:>9} KiB  {}", fs::metadata(&out)?.len().div_ceil(1024), out.display());
    if limine.host_tool.is_none() {
        println!(
            "No `limine` program was found: CD and UEFI boot work, BIOS boot from USB is not\ninstalled."
        );
    }
    Ok(())
}

/// Finds what [`pack`] needs, before any time goes into a build: xorriso, mtools and Limine's files.
///
/// # Errors
/// Something is not to be had.
pub fn tools(context: &Context) -> Result<Limine> {
    setup::ensure(context, &[Need::Xorriso, Need::Mtools])?;
    limine::find(context)
}

/// Packs an image with `words` on the kernel command line into the file `out`.
///
/// # Errors
/// A built file is missing, or xorriso fails.
pub fn pack(context: &Context, limine: &Limine, args: &ImageArgs, words: &str, out: &Path) -> Result<()> {
    let root = context.output_dir()?.join("iso-root");
    lay_out(&root, &archive::collect(context, args, words)?, limine)?;
    let xorriso = context.shell.cmd("xorriso").args(["-as", "mkisofs", "-R", "-r", "-J"]);
    let xorriso = xorriso.arg("-b").arg(format!("{LIMINE_FOLDER}/{BIOS_CD}"));
    let xorriso = xorriso.args(["-no-emul-boot", "-boot-load-size", "4", "-boot-info-table"]);
    let xorriso = xorriso.args(["-hfsplus", "-apm-block-size", "2048"]);
    let xorriso = xorriso.arg("--efi-boot").arg(format!("{LIMINE_FOLDER}/{UEFI_CD}"));
    let xorriso = xorriso.args(["-efi-boot-part", "--efi-boot-image", "--protective-msdos-label"]);
    context.run_silently(xorriso.arg(&root).arg("-o").arg(out))?;
    if let Some(tool) = &limine.host_tool {
        let install = context.shell.cmd(tool).arg("bios-install").arg(out);
        context.run_silently(install).context("cannot make the image bootable from a BIOS disk")?;
    }
    Ok(())
}

/// Fills the folder `root`, emptied first, with the image's files.
fn lay_out(root: &Path, files: &[BootFile], limine: &Limine) -> Result<()> {
    if root.exists() {
        fs::remove_dir_all(root).with_context(|| format!("cannot empty {}", root.display()))?;
    }
    for file in files {
        let path = match file.path.as_str() {
            "limine.conf" => root.join(LIMINE_FOLDER).join("limine.conf"),
            path => root.join(path),
        };
        write(&path, &file.data)?;
    }
    for name in [BIOS_STAGE, BIOS_CD, UEFI_CD] {
        copy(limine, name, &root.join(LIMINE_FOLDER).join(name))?;
    }
    copy(limine, UEFI_PROGRAM, &root.join("EFI/BOOT").join(UEFI_PROGRAM))
}

fn copy(limine: &Limine, name: &str, to: &Path) -> Result<()> {
    let from = limine.folder.join(name);
    let data = fs::read(&from).with_context(|| format!("cannot read {}", from.display()))?;
    write(to, &data)
}

fn write(path: &Path, data: &[u8]) -> Result<()> {
    let written = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(path, data));
    written.with_context(|| format!("cannot write {}", path.display()))
}
