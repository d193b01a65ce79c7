//! What the verbs need from the machine, how each thing is found, and where it comes from.
use std::path::{Path, PathBuf};

use crate::context::{Context, TARGET, find_program};
use crate::firmware;

/// A thing that some verb needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// The core library for the machine.
    RustTarget,
    /// The sources of the core library (for debuggers and for rebuilding it).
    RustSource,
    /// LLVM's tools for looking at ELF files.
    LlvmTools,
    /// `cargo fmt`.
    Rustfmt,
    /// `cargo clippy`.
    Clippy,
    /// The interpreter that finds undefined behaviour; it comes with the nightly toolchain only.
    Miri,
    /// The emulator.
    Qemu,
    /// UEFI firmware for the emulator.
    Ovmf,
    /// Packs ISO images.
    Xorriso,
    /// Reads and writes FAT images, such as an ISO's EFI partition.
    Mtools,
    /// The debugger.
    Gdb,
}

/// Where a need comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// `rustup target add`.
    RustupTarget(&'static str),
    /// `rustup component add`.
    RustupComponent(&'static str),
    /// `rustup toolchain install nightly` with this component.
    RustupNightly(&'static str),
    /// A package of the system.
    System(Packages),
}

/// A package's name for each package manager.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packages {
    /// Debian, Ubuntu.
    pub apt: &'static str,
    /// Fedora.
    pub dnf: &'static str,
    /// Arch.
    pub pacman: &'static str,
    /// macOS.
    pub brew: &'static str,
}

impl Need {
    /// Every need, in the order of the table that `doctor` prints.
    pub const ALL: [Self; 11] = [
        Self::RustTarget,
        Self::RustSource,
        Self::LlvmTools,
        Self::Rustfmt,
        Self::Clippy,
        Self::Miri,
        Self::Qemu,
        Self::Ovmf,
        Self::Xorriso,
        Self::Mtools,
        Self::Gdb,
    ];

    /// Its name in messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::RustTarget => TARGET,
            Self::RustSource => "rust-src",
            Self::LlvmTools => "llvm-tools",
            Self::Rustfmt => "rustfmt",
            Self::Clippy => "clippy",
            Self::Miri => "miri",
            Self::Qemu => firmware::QEMU,
            Self::Ovmf => "OVMF",
            Self::Xorriso => "xorriso",
            Self::Mtools => "mtools",
            Self::Gdb => "gdb",
        }
    }

    /// Where it comes from.
    pub fn source(self) -> Source {
        let system = |apt, dnf, pacman, brew| Source::System(Packages { apt, dnf, pacman, brew });
        match self {
            Self::RustTarget => Source::RustupTarget(TARGET),
            Self::RustSource | Self::LlvmTools | Self::Rustfmt | Self::Clippy => {
                Source::RustupComponent(self.name())
            }
            Self::Miri => Source::RustupNightly(self.name()),
            Self::Qemu => system("qemu-system-x86", "qemu-system-x86", "qemu-system-x86", "qemu"),
            Self::Ovmf => system("ovmf", "edk2-ovmf", "edk2-ovmf", "qemu"),
            Self::Xorriso => system("xorriso", "xorriso", "libisoburn", "xorriso"),
            Self::Mtools => system("mtools", "mtools", "mtools", "mtools"),
            Self::Gdb => system("gdb", "gdb", "gdb", "gdb"),
        }
    }

    /// Where it is on this machine, if it is there.
    pub fn find(self, rust: &RustInstallation) -> Option<PathBuf> {
        let existing = |path: PathBuf| path.exists().then_some(path);
        match self {
            Self::RustTarget => existing(rust.library().join(TARGET).join("lib")),
            Self::RustSource => existing(rust.library().join("src/rust/library/core")),
            Self::LlvmTools => existing(rust.library().join(&rust.host).join("bin/llvm-objdump")),
            Self::Rustfmt => existing(rust.sysroot.join("bin/rustfmt")).or_else(|| find_program("rustfmt")),
            Self::Clippy => {
                existing(rust.sysroot.join("bin/cargo-clippy")).or_else(|| find_program("cargo-clippy"))
            }
            Self::Miri => rust.nightly.as_ref().and_then(|root| existing(root.join("bin/cargo-miri"))),
            Self::Ovmf => firmware::find().map(|firmware| firmware.code),
            Self::Qemu | Self::Xorriso | Self::Mtools | Self::Gdb => find_program(self.name()),
        }
    }
}

/// The Rust toolchain that builds the workspace.
pub struct RustInstallation {
    sysroot: PathBuf,
    host: String,
    /// Where the nightly toolchain is, if there is one.
    nightly: Option<PathBuf>,
}

impl RustInstallation {
    /// Asks `rustc` where it lives; everything counts as missing when it does not answer.
    pub fn find(context: &Context) -> Self {
        let ask = |args: &[&str]| context.ask(context.shell.cmd("rustc").args(args));
        let sysroot = ask(&["--print", "sysroot"]).unwrap_or_default();
        let version = ask(&["-vV"]).unwrap_or_default();
        let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or_default();
        // Without rustup there is no `+nightly`.
        let nightly = context.ask(context.shell.cmd("rustc").args(["+nightly", "--print", "sysroot"]));
        let nightly = nightly.map(|path| PathBuf::from(path.trim()));
        Self { sysroot: PathBuf::from(sysroot.trim()), host: host.to_string(), nightly }
    }

    fn library(&self) -> PathBuf {
        Path::new(&self.sysroot).join("lib/rustlib")
    }
}

/// The needs out of `needs` that are not on this machine.
pub fn missing_of(context: &Context, needs: &[Need]) -> Vec<Need> {
    let rust = RustInstallation::find(context);
    needs.iter().copied().filter(|need| need.find(&rust).is_none()).collect()
}
