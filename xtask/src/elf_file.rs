//! ELF files that were built: their sections.
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use elf::ElfBytes;
use elf::endian::AnyEndian;

use crate::failure::missing;

/// A file's content.
pub struct ElfFile {
    path: PathBuf,
    data: Vec<u8>,
}

impl ElfFile {
    /// Reads `path`.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn read(path: &Path) -> Result<Self> {
        let data = fs::read(path).map_err(|error| {
            missing(format!("cannot read {}: {error}; run `cargo xtask build`", path.display()))
        })?;
        Ok(Self { path: path.to_path_buf(), data })
    }

    /// Address and content of the section `name`.
    ///
    /// # Errors
    /// The file is no ELF file or has no such section.
    pub fn section(&self, name: &str) -> Result<(u64, &[u8])> {
        let file = ElfBytes::<AnyEndian>::minimal_parse(&self.data)
            .with_context(|| format!("{} is no ELF file", self.path.display()))?;
        let header = file.section_header_by_name(name)?;
        let header = header.with_context(|| format!("{} has no section `{name}`", self.path.display()))?;
        let (content, _) = file.section_data(&header)?;
        Ok((header.sh_addr, content))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// This test program is itself an ELF file.
    #[cfg(target_os = "linux")]
    #[test]
    fn sections_are_found_by_name() {
        let file = ElfFile::read(&std::env::current_exe().unwrap()).unwrap();
        let (address, code) = file.section(".text").unwrap();
        assert!(address > 0 && code.len() > 1000);
        assert!(file.section(".nothing").unwrap_err().to_string().contains("no section `.nothing`"));
    }
}
