//! The boot modules: which one is the root task, and what the root task is told about the others.
#![forbid(unsafe_code)]

use core::fmt;

use sel_abi::bootinfo::{BootModule, MODULE_STRING_BYTES};

use super::MAX_MODULES;
use super::memory::PAGE;
use super::region::Region;

/// A module as the boot loader gives it.
#[derive(Clone, Copy, Debug)]
pub struct ModuleFile<'a> {
    /// Physical address.
    pub paddr: u64,
    /// Bytes.
    pub size: u64,
    /// Its string in `limine.conf`.
    pub string: &'a str,
}

impl ModuleFile<'_> {
    /// The pages that hold it; None if it wraps around.
    pub fn pages(&self) -> Option<Region> {
        let end = self.paddr.checked_add(self.size)?;
        Some(Region { start: self.paddr, end }.aligned_outward(PAGE))
    }
}

/// The modules, told apart.
#[derive(Clone, Debug)]
pub struct Modules {
    /// The root task's ELF file.
    pub root: Region,
    /// The others.
    pub list: [BootModule; MAX_MODULES],
    /// How many of them.
    pub count: usize,
}

/// Why the kernel cannot start with these modules.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ModuleError<'a> {
    /// None has the string `root`.
    NoRoot,
    /// There are more than [`MAX_MODULES`].
    TooMany,
    /// The string does not fit.
    LongString(&'a str),
    /// The file does not start at a page, or wraps around the address space.
    Misplaced(&'a str),
}

impl fmt::Display for ModuleError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ModuleError::NoRoot => write!(
                f,
                "no boot module is the root task: limine.conf needs `module_path: boot():/boot/roottask` followed by \
                 `module_cmdline: root`"
            ),
            ModuleError::TooMany => {
                write!(f, "more than {MAX_MODULES} boot modules: remove some from limine.conf")
            }
            ModuleError::LongString(string) => write!(
                f,
                "a module_cmdline of limine.conf is longer than {} bytes: `{string}`",
                MODULE_STRING_BYTES - 1
            ),
            ModuleError::Misplaced(string) => {
                write!(
                    f,
                    "the boot loader put the module `{string}` where it cannot be used: not on a page boundary"
                )
            }
        }
    }
}

impl Modules {
    /// Tells the modules apart: the first whose string starts with the word `root` is the root task.
    pub fn new<'a>(files: impl Iterator<Item = ModuleFile<'a>>) -> Result<Self, ModuleError<'a>> {
        const EMPTY: BootModule = BootModule { paddr: 0, size: 0, string: [0; MODULE_STRING_BYTES] };
        let mut root = None;
        let mut list = [EMPTY; MAX_MODULES];
        let mut count = 0;
        for file in files {
            let pages = file.pages().ok_or(ModuleError::Misplaced(file.string))?;
            if pages.start != file.paddr {
                return Err(ModuleError::Misplaced(file.string));
            }
            if root.is_none() && file.string.split_ascii_whitespace().next() == Some("root") {
                root = Some(Region { start: file.paddr, end: file.paddr + file.size });
                continue;
            }
            let module = list.get_mut(count).ok_or(ModuleError::TooMany)?;
            // The last byte stays NUL.
            let room = module.string.get_mut(..MODULE_STRING_BYTES - 1).unwrap_or_default();
            let room = room.get_mut(..file.string.len()).ok_or(ModuleError::LongString(file.string))?;
            room.copy_from_slice(file.string.as_bytes());
            (module.paddr, module.size) = (file.paddr, file.size);
            count += 1;
        }
        Ok(Modules { root: root.ok_or(ModuleError::NoRoot)?, list, count })
    }

    /// All but the root task.
    pub fn others(&self) -> &[BootModule] {
        self.list.get(..self.count).unwrap_or_default()
    }
}

/// The pages of a module.
pub fn pages(module: &BootModule) -> Region {
    Region { start: module.paddr, end: module.paddr.saturating_add(module.size) }.aligned_outward(PAGE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(paddr: u64, size: u64, string: &str) -> ModuleFile<'_> {
        ModuleFile { paddr, size, string }
    }

    #[test]
    fn the_first_root_is_the_root_task() {
        let files = [file(0x1000, 10, "server a"), file(0x2000, 5000, "root"), file(0x4000, 1, "root")];
        let modules = Modules::new(files.into_iter()).unwrap();
        assert_eq!(modules.root, Region { start: 0x2000, end: 0x2000 + 5000 });
        let others: Vec<_> = modules.others().iter().map(|module| (module.paddr, module.size)).collect();
        assert_eq!(others, [(0x1000, 10), (0x4000, 1)]);
        assert_eq!(modules.others()[0].string[..9], *b"server a\0");
        assert_eq!(pages(&modules.others()[0]), Region { start: 0x1000, end: 0x2000 });
    }

    #[test]
    fn what_cannot_work_is_refused() {
        let refuse = |files: &[ModuleFile<'static>]| Modules::new(files.iter().copied()).unwrap_err();
        assert_eq!(refuse(&[]), ModuleError::NoRoot);
        assert_eq!(refuse(&[file(0x1000, 1, "rooty")]), ModuleError::NoRoot);
        assert_eq!(refuse(&[file(0x1008, 1, "root")]), ModuleError::Misplaced("root"));
        assert_eq!(refuse(&[file(u64::MAX - 4095, 8192, "root")]), ModuleError::Misplaced("root"));
        assert_eq!(refuse(&[file(0x1000, 1, "x"); 33]), ModuleError::TooMany);
        let long = "a string that is much too long for the record of a module, so that the root task could only be told \
                    of a part of it";
        assert_eq!(refuse(&[file(0x1000, 1, long)]), ModuleError::LongString(long));
    }
}
