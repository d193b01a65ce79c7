//! The files of the Limine boot loader: from `LIMINE_DIR`, from a system package, or downloaded and checked.
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use sha2::{Digest, Sha256};

use crate::context::{Context, find_program};
use crate::failure::missing;

/// The version that is downloaded when none is installed.
pub const VERSION: &str = "8.2.0";
/// Upstream's released binaries of that version: the commit behind the tag `v8.2.0-binary`.
const DOWNLOAD: &str =
    "https://raw.githubusercontent.com/limine-bootloader/limine/1dbdf77f82211c42969c7c5114377436fabc9187";
/// Where packages put the files.
const SYSTEM_FOLDER: &str = "/usr/share/limine";

/// Stage 2 for BIOS; read from the boot volume.
pub const BIOS_STAGE: &str = "limine-bios.sys";
/// Boot image for BIOS on optical media.
pub const BIOS_CD: &str = "limine-bios-cd.bin";
/// FAT image with the UEFI program, for optical media.
pub const UEFI_CD: &str = "limine-uefi-cd.bin";
/// The UEFI program.
pub const UEFI_PROGRAM: &str = "BOOTX64.EFI";

/// The files that an ISO image needs, with the SHA-256 of those in [`DOWNLOAD`].
const FILES: [(&str, &str); 4] = [
    (BIOS_STAGE, "8382e36ff9d51e52e9160842f834a346028edf9e0319b1c728d290e3044a44a7"),
    (BIOS_CD, "3b889bf946b1f248c93efa90fd1718aad79f867e8184f9167a0b9875a0c41191"),
    (UEFI_CD, "1801a9034420fb1b17bdcdedee11f29c946169abac103b161e7bfd01d98caf29"),
    (UEFI_PROGRAM, "7bf99f9ffdbce1443bd7f148f01bee47d4a587f58fb170e42dab29790e6d831a"),
];

/// A folder with all the files.
pub struct Limine {
    /// The folder.
    pub folder: PathBuf,
    /// The program that makes an image bootable from a BIOS disk, if there is one.
    pub host_tool: Option<PathBuf>,
}

/// Finds the files or downloads them.
///
/// # Errors
/// There are none to be had (exit code 2), or a download's checksum is wrong.
pub fn find(context: &Context) -> Result<Limine> {
    if let Some(installed) = find_installed(context)? {
        return Ok(installed);
    }
    let folder = download_folder(context)?;
    for (name, checksum) in FILES {
        download(context, &folder, name, checksum)?;
    }
    Ok(in_folder(folder))
}

/// Finds the files without downloading; an earlier download counts.
///
/// # Errors
/// `LIMINE_DIR` is set to a folder that lacks a file.
pub fn find_installed(context: &Context) -> Result<Option<Limine>> {
    if let Some(folder) = env::var_os("LIMINE_DIR").filter(|value| !value.is_empty()) {
        let folder = std::path::absolute(folder)?;
        return match lacking(&folder) {
            None => Ok(Some(in_folder(folder))),
            Some(name) => Err(missing(format!(
                "LIMINE_DIR: {} has no {name}; point it at a folder with Limine's released binaries",
                folder.display()
            ))),
        };
    }
    let downloaded = download_folder(context)?;
    let folders = [PathBuf::from(SYSTEM_FOLDER), downloaded];
    Ok(folders.into_iter().find(|folder| lacking(folder).is_none()).map(in_folder))
}

/// The first needed file that is not in `folder`.
fn lacking(folder: &Path) -> Option<&'static str> {
    FILES.iter().map(|(name, _)| *name).find(|name| !folder.join(name).is_file())
}

fn in_folder(folder: PathBuf) -> Limine {
    let own_tool = Some(folder.join("limine")).filter(|path| path.is_file());
    Limine { host_tool: own_tool.or_else(|| find_program("limine")), folder }
}

fn download_folder(context: &Context) -> Result<PathBuf> {
    Ok(context.output_dir()?.join(format!("limine-{VERSION}")))
}

fn download(context: &Context, folder: &Path, name: &str, checksum: &str) -> Result<()> {
    let file = folder.join(name);
    if file.is_file() {
        return Ok(());
    }
    fs::create_dir_all(folder)?;
    let part = folder.join(format!("{name}.part"));
    let url = format!("{DOWNLOAD}/{name}");
    let curl = context.shell.cmd("curl").args(["-fsSL", "--retry", "2", "--connect-timeout", "10", "-o"]);
    let curl = curl.arg(&part).arg(url);
    if context.run(curl.ignore_stderr()).is_err() {
        return Err(missing(format!(
            "no Limine boot loader: set LIMINE_DIR to a folder with its released binaries, install your system's \
             limine package, or go online so that version {VERSION} can be downloaded with curl"
        )));
    }
    let actual = sha256(&fs::read(&part)?);
    ensure!(
        actual == checksum,
        "the download of {name} has the SHA-256 {actual}, not {checksum}; it is not used"
    );
    Ok(fs::rename(part, file)?)
}

fn sha256(data: &[u8]) -> String {
    Sha256::digest(data).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_those_of_sha256() {
        assert_eq!(sha256(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn a_folder_without_the_files_names_the_first_one_that_lacks() {
        assert_eq!(lacking(Path::new("/nonexistent")), Some(BIOS_STAGE));
    }
}
