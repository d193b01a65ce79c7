//! UEFI firmware for QEMU: where the systems put the two flash images of OVMF.
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::context::{Context, find_program};

/// The emulator's program.
pub const QEMU: &str = "qemu-system-x86_64";

/// Code and variable store, in the order of preference; the last is in the emulator's own data folder.
const PAIRS: [(&str, &str); 6] = [
    ("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"),
    ("/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"),
    ("/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd"),
    ("/usr/share/edk2/x64/OVMF_CODE.4m.fd", "/usr/share/edk2/x64/OVMF_VARS.4m.fd"),
    ("/usr/share/edk2-ovmf/x64/OVMF_CODE.fd", "/usr/share/edk2-ovmf/x64/OVMF_VARS.fd"),
    ("share/qemu/edk2-x86_64-code.fd", "share/qemu/edk2-i386-vars.fd"),
];

/// The two flash images.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Firmware {
    /// The program; never written.
    pub code: PathBuf,
    /// The store of variables: a template, or a copy that the guest may write.
    pub variables: PathBuf,
}

/// The firmware of this machine.
pub fn find() -> Option<Firmware> {
    // /opt/homebrew/bin/qemu-system-x86_64 has its data in /opt/homebrew/share/qemu.
    let prefix = find_program(QEMU).and_then(|path| Some(path.parent()?.parent()?.to_path_buf()));
    find_below(&prefix.unwrap_or_else(|| "/usr".into()), Path::is_file)
}

fn find_below(prefix: &Path, exists: impl Fn(&Path) -> bool) -> Option<Firmware> {
    // Joining an absolute path replaces the prefix.
    PAIRS
        .iter()
        .map(|(code, variables)| Firmware { code: prefix.join(code), variables: prefix.join(variables) })
        .find(|pair| exists(&pair.code) && exists(&pair.variables))
}

impl Firmware {
    /// The same code with a fresh copy of the variable store, which the guest may write.
    ///
    /// # Errors
    /// The store cannot be copied.
    pub fn with_own_variables(&self, context: &Context) -> Result<Self> {
        let copy = context.output_dir()?.join("ovmf-variables.fd");
        // Written anew instead of copied: the template may be read-only, and a copy would be too.
        let template = std::fs::read(&self.variables);
        template
            .and_then(|bytes| std::fs::write(&copy, bytes))
            .with_context(|| format!("cannot copy {} to {}", self.variables.display(), copy.display()))?;
        Ok(Self { code: self.code.clone(), variables: copy })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_and_variables_are_found_as_a_pair() {
        let only =
            |names: &'static [&'static str]| move |path: &Path| names.iter().any(|n| path.ends_with(n));
        let found = find_below(Path::new("/usr"), only(&["OVMF_CODE_4M.fd", "OVMF_CODE.fd", "OVMF_VARS.fd"]));
        assert_eq!(found.unwrap().code, Path::new("/usr/share/OVMF/OVMF_CODE.fd"));
        let brew = find_below(Path::new("/opt/b"), only(&["edk2-x86_64-code.fd", "edk2-i386-vars.fd"]));
        assert_eq!(brew.unwrap().code, Path::new("/opt/b/share/qemu/edk2-x86_64-code.fd"));
        assert_eq!(find_below(Path::new("/usr"), only(&["OVMF_CODE_4M.fd"])), None);
    }
}
