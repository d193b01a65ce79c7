//! The emulated machine: QEMU's arguments from the options of `qemu`.
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};

use crate::failure::missing;
use crate::firmware::Firmware;

/// The port that ends QEMU with an exit code, for `-device isa-debug-exit`; the kernel learns it by [`EXIT_PORT_WORD`].
const EXIT_DEVICE: &str = "isa-debug-exit,iobase=0xf4,iosize=0x04";
/// The kernel command line's word for that port.
pub const EXIT_PORT_WORD: &str = "debug_exit=0xf4";
/// The value of `--display` for a machine whose screen nobody sees.
const NO_DISPLAY: &str = "none";
/// directboot's word for: set up a screen with so many pixels.
pub const RESOLUTION_WORD: &str = "resolution=1024x768";
/// The root task's word for: power off after the boot script.
pub const EXIT_WORD: &str = "exit_when_done";

/// What the machine is made of.
#[derive(Args, Clone)]
pub struct MachineArgs {
    /// Main memory, with a unit (M, G)
    #[arg(long, value_name = "SIZE", default_value = "512M")]
    pub mem: String,
    /// Number of processor cores
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub smp: u32,
    /// Virtualisation
    #[arg(long, value_enum, default_value_t)]
    pub kvm: Kvm,
    /// Processor model, one of `qemu-system-x86_64 -cpu help`
    #[arg(long, value_name = "MODEL", default_value = "max")]
    pub cpu: String,
    /// Machine model: q35 (PCI Express) or pc
    #[arg(long, value_name = "MODEL", default_value = "q35")]
    pub machine: String,
    /// Screen, such as gtk or sdl
    #[arg(long, value_name = "KIND", default_value = NO_DISPLAY)]
    pub display: String,
    /// Wait for a debugger on TCP port 1234 before the first instruction
    #[arg(long)]
    pub gdb: bool,
    /// Leave a part out of the machine
    #[arg(long, value_name = "PART", value_enum, value_delimiter = ',')]
    pub without: Vec<Part>,
    /// Let each instruction take 1 ns, so that runs repeat exactly
    #[arg(long)]
    pub icount: bool,
}

/// What a machine can do without.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// Serial port COM1
    Serial,
    /// High precision event timer
    Hpet,
}

/// Use of hardware virtualisation.
#[derive(Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Kvm {
    /// Where /dev/kvm and the processor allow it
    #[default]
    Auto,
    /// Fail without it
    On,
    /// Emulate
    Off,
}

/// Where the machine's serial line leads.
pub enum Serial {
    /// To the terminal, which it shares with QEMU's monitor (Ctrl-A c).
    Terminal,
    /// Its output to QEMU's.
    Output,
    /// Its output into a file.
    File(PathBuf),
}

/// What the machine boots.
pub enum Medium {
    /// QEMU itself loads the loader and the boot archive.
    Direct {
        /// ELF file of directboot.
        loader: PathBuf,
        /// The boot archive.
        archive: PathBuf,
        /// Words added to the kernel's command line.
        words: String,
    },
    /// Firmware boots an ISO image: SeaBIOS, or the UEFI firmware given.
    Iso {
        /// The image.
        path: PathBuf,
        /// UEFI firmware.
        firmware: Option<Firmware>,
    },
}

/// Whether KVM can be used, or the reason why not.
///
/// # Errors
/// The reason, as text.
pub fn kvm_available() -> std::result::Result<(), &'static str> {
    // Some containers have the device file on a machine that cannot virtualise: opening it then fails late, in QEMU.
    let flags = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    if !Path::new("/dev/kvm").exists() {
        Err("no /dev/kvm")
    } else if !has_virtualisation(&flags) {
        Err("the processor has neither vmx nor svm")
    } else if fs::File::options().read(true).write(true).open("/dev/kvm").is_err() {
        Err("no right to open /dev/kvm; join the group kvm")
    } else {
        Ok(())
    }
}

fn has_virtualisation(cpuinfo: &str) -> bool {
    let flags = cpuinfo.lines().find(|line| line.starts_with("flags")).unwrap_or_default();
    flags.split_whitespace().any(|flag| flag == "vmx" || flag == "svm")
}

impl MachineArgs {
    /// Decides between hardware virtualisation and emulation.
    ///
    /// # Errors
    /// KVM is demanded and absent, or demanded together with counted instructions.
    pub fn use_kvm(&self) -> Result<bool> {
        match (self.kvm, kvm_available()) {
            (Kvm::On, _) if self.icount => bail!("--icount works in emulation only; leave out --kvm on"),
            (Kvm::On, Err(reason)) => Err(missing(format!("--kvm on: {reason}; leave it out to emulate"))),
            (Kvm::Off, _) | (_, Err(_)) => Ok(false),
            (_, Ok(())) => Ok(!self.icount),
        }
    }

    /// True if somebody sees the machine's screen.
    pub fn has_screen(&self) -> bool {
        self.display != NO_DISPLAY
    }

    /// QEMU's arguments.
    pub fn qemu_arguments(&self, medium: &Medium, kvm: bool, serial: &Serial) -> Vec<OsString> {
        let smp = self.smp.to_string();
        let hpet = if self.without.contains(&Part::Hpet) { ",hpet=off" } else { "" };
        let machine = format!("{}{hpet}", self.machine);
        let mut arguments: Vec<OsString> = Vec::new();
        let mut add = |words: &[&str]| arguments.extend(words.iter().map(OsString::from));
        add(&["-machine", &machine, "-cpu", &self.cpu, "-m", &self.mem, "-smp", &smp]);
        add(&["-accel", if kvm { "kvm" } else { "tcg" }, "-display", &self.display, "-no-reboot"]);
        match serial {
            _ if self.without.contains(&Part::Serial) => add(&["-serial", "none", "-monitor", "none"]),
            Serial::Terminal => add(&["-serial", "mon:stdio"]),
            Serial::Output => add(&["-serial", "stdio", "-monitor", "none"]),
            Serial::File(path) => {
                add(&["-serial", &format!("file:{}", path.display()), "-monitor", "none"]);
            }
        }
        add(&["-device", EXIT_DEVICE]);
        if self.gdb {
            add(&["-s", "-S"]);
        }
        if self.icount {
            // Time does not stand still for the host while the machine idles, so that a run repeats exactly.
            add(&["-icount", "shift=0,sleep=off"]);
        }
        arguments.extend(medium.qemu_arguments());
        arguments
    }
}

impl Medium {
    fn qemu_arguments(&self) -> Vec<OsString> {
        match self {
            Self::Direct { loader, archive, words } => vec![
                "-kernel".into(),
                loader.into(),
                "-initrd".into(),
                archive.into(),
                "-append".into(),
                words.into(),
            ],
            Self::Iso { path, firmware } => {
                let mut arguments: Vec<OsString> = Vec::new();
                if let Some(firmware) = firmware {
                    let flash = [(&firmware.code, "on"), (&firmware.variables, "off")];
                    for (unit, (image, read_only)) in flash.into_iter().enumerate() {
                        let drive = format!("if=pflash,format=raw,unit={unit},readonly={read_only},file=");
                        arguments.extend(["-drive".into(), with_path(&drive, image)]);
                    }
                }
                arguments
                    .extend(["-drive".into(), with_path("media=cdrom,format=raw,readonly=on,file=", path)]);
                arguments.extend(["-boot".into(), "d".into()]);
                arguments
            }
        }
    }
}

/// `path` as the value of an option's last key; QEMU reads a doubled comma as one of the value.
fn with_path(option: &str, path: &Path) -> OsString {
    format!("{option}{}", path.to_string_lossy().replace(',', ",,")).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine() -> MachineArgs {
        MachineArgs {
            mem: "512M".into(),
            smp: 2,
            kvm: Kvm::Off,
            cpu: "max".into(),
            machine: "q35".into(),
            display: "none".into(),
            gdb: false,
            without: Vec::new(),
            icount: false,
        }
    }

    fn text(arguments: &[OsString]) -> String {
        arguments.iter().map(|argument| argument.to_string_lossy()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_direct_boot_has_the_documented_arguments() {
        let medium =
            Medium::Direct { loader: "db".into(), archive: "ar".into(), words: "debug_exit=0xf4 x".into() };
        assert_eq!(
            text(&machine().qemu_arguments(&medium, false, &Serial::Output)),
            "-machine q35 -cpu max -m 512M -smp 2 -accel tcg -display none -no-reboot -serial stdio -monitor none \
             -device isa-debug-exit,iobase=0xf4,iosize=0x04 -kernel db -initrd ar -append debug_exit=0xf4 x"
        );
    }

    #[test]
    fn uefi_firmware_comes_as_two_flash_drives() {
        let firmware = Firmware { code: "/c,1".into(), variables: "/v".into() };
        let medium = Medium::Iso { path: "s.iso".into(), firmware: Some(firmware) };
        let arguments = text(&machine().qemu_arguments(&medium, true, &Serial::Terminal));
        assert!(arguments.contains("-accel kvm"));
        assert!(arguments.contains("-serial mon:stdio"));
        assert!(arguments.contains(
            "unit=0,readonly=on,file=/c,,1 -drive if=pflash,format=raw,unit=1,readonly=off,file=/v"
        ));
        assert!(arguments.ends_with("media=cdrom,format=raw,readonly=on,file=s.iso -boot d"));
    }

    #[test]
    fn counted_instructions_exclude_kvm() {
        let counted = MachineArgs { icount: true, kvm: Kvm::Auto, ..machine() };
        assert!(!counted.use_kvm().unwrap());
        assert!(MachineArgs { kvm: Kvm::On, ..counted }.use_kvm().is_err());
    }

    #[test]
    fn virtualisation_is_a_whole_word_of_the_flags() {
        assert!(has_virtualisation("processor : 0\nflags\t\t: fpu svm sse\n"));
        assert!(!has_virtualisation("flags : fpu svm_lock\nbugs : vmx\n"));
    }
}
