//! Everything that ends a boot, each as one line that says what to do.
use crate::memory_map::{Full, MAX_REGIONS};
use crate::{conf, cpio, kernel_image, requests};
use core::fmt;

/// Why the kernel is not started. `Display` gives the line to print, without the prefix `directboot: `.
#[derive(Clone, Copy, Debug)]
pub enum Error<'a> {
    /// What was handed over is no PVH start info; a long command line makes QEMU 7.2 overwrite it.
    NoStartInfo,
    /// The start info has no memory map.
    NoMemoryMap,
    /// The memory map has too many regions.
    MemoryMapFull,
    /// Something that the start info names lies beyond 4 GiB.
    OutOfReach {
        /// What it is.
        what: &'static str,
        /// Its physical address.
        address: u64,
    },
    /// The command line is not UTF-8 text.
    CommandLineNotText,
    /// The command line has this many bytes or more.
    CommandLineTooLong(u64),
    /// There is no module, thus no archive.
    NoArchive,
    /// The archive is damaged.
    Archive(cpio::Fault),
    /// The archive has no `limine.conf`.
    NoConfiguration,
    /// `limine.conf` cannot be followed.
    Configuration(conf::Fault<'a>),
    /// A file that `limine.conf` names is not in the archive.
    Missing {
        /// What it is: kernel or module.
        what: &'static str,
        /// Its path.
        path: &'a str,
    },
    /// The kernel file cannot be loaded.
    Kernel {
        /// Its path.
        path: &'a str,
        /// What is wrong.
        fault: kernel_image::Fault,
    },
    /// The kernel's requests cannot be answered.
    Requests {
        /// The kernel's path.
        path: &'a str,
        /// What is wrong.
        fault: requests::Fault,
    },
    /// The memory map reaches beyond what the direct map can hold.
    Unmappable,
    /// There is not enough memory.
    NoMemory {
        /// What for.
        what: &'a str,
        /// How much in bytes.
        bytes: u64,
    },
}

impl fmt::Display for Error<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoStartInfo => {
                write!(
                    f,
                    "no PVH start info; start this by `qemu-system-x86_64 -kernel`, with -append below 4096 bytes"
                )
            }
            Self::NoMemoryMap => write!(f, "the start info has no memory map; use QEMU 4.0 or later"),
            Self::MemoryMapFull => {
                write!(f, "the memory map has more than {MAX_REGIONS} regions; use a simpler machine model")
            }
            Self::OutOfReach { what, address } => {
                write!(f, "the {what} lies at {address:#x}, beyond 4 GiB; give the machine less memory by -m")
            }
            Self::CommandLineNotText => write!(f, "the command line is not UTF-8 text; correct -append"),
            Self::CommandLineTooLong(limit) => {
                write!(f, "the command line has {limit} bytes or more; shorten -append")
            }
            Self::NoArchive => write!(f, "no boot archive; give it to QEMU by -initrd"),
            Self::Archive(fault) => write!(f, "the boot archive {fault}"),
            Self::NoConfiguration => {
                write!(f, "the boot archive has no limine.conf; add it at the top level")
            }
            Self::Configuration(fault) => write!(f, "limine.conf {fault}"),
            Self::Missing { what, path } => write!(
                f,
                "{what} `{path}` is not in the boot archive; add it or correct its path in limine.conf"
            ),
            Self::Kernel { path, fault } => write!(f, "kernel `{path}` {fault}"),
            Self::Requests { path, fault } => write!(f, "kernel `{path}` {fault}"),
            Self::Unmappable => {
                write!(f, "the machine's memory does not fit the direct map; give it less memory by -m")
            }
            Self::NoMemory { what, bytes } => {
                let kib = bytes.div_ceil(1024);
                write!(f, "not enough memory for {what} ({kib} KiB); give the machine more by -m")
            }
        }
    }
}

impl From<cpio::Fault> for Error<'_> {
    fn from(fault: cpio::Fault) -> Self {
        Self::Archive(fault)
    }
}

impl<'a> From<conf::Fault<'a>> for Error<'a> {
    fn from(fault: conf::Fault<'a>) -> Self {
        Self::Configuration(fault)
    }
}

impl From<Full> for Error<'_> {
    fn from(Full: Full) -> Self {
        Self::MemoryMapFull
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn lines_name_the_culprit_and_the_remedy() {
        let missing = Error::Missing { what: "module", path: "boot/hello" };
        assert_eq!(
            missing.to_string(),
            "module `boot/hello` is not in the boot archive; add it or correct its path in limine.conf"
        );
        let kernel = Error::Kernel { path: "boot/selkie", fault: kernel_image::Fault::CutShort };
        assert_eq!(
            kernel.to_string(),
            "kernel `boot/selkie` is cut short; build the kernel and the archive anew"
        );
        let memory = Error::NoMemory { what: "the kernel", bytes: 1025 };
        assert_eq!(
            memory.to_string(),
            "not enough memory for the kernel (2 KiB); give the machine more by -m"
        );
    }
}
