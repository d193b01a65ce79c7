//! `machines`: boots the system on every kind of machine that it should run on, one after the other.
use std::time::Instant;

use anyhow::{Result, bail};
use clap::Args;

use crate::context::Context;
use crate::guest::{End, Streams};
use crate::machine::Part;
use crate::qemu::{self, QemuArgs};

/// Seconds that a machine may take.
const TIME_LIMIT: u64 = 120;
/// What the root task prints when everything went well.
const SUCCESS: &str = "root: the boot script is done";

/// Options of `machines`.
#[derive(Args)]
#[command(
    after_help = "Each machine boots the ISO image by its firmware and runs the boot script to\nits end."
)]
pub struct MachinesArgs {
    /// Only machines whose description contains this text
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub only: String,
}

/// Who loads the kernel.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Firmware {
    SeaBios,
    Ovmf,
    /// None: QEMU itself, for machines that boot no ISO image.
    Direct,
}

/// A machine.
struct Machine {
    firmware: Firmware,
    model: &'static str,
    cores: u32,
    memory: &'static str,
    without: &'static [Part],
}

const fn machine(firmware: Firmware, model: &'static str, cores: u32, memory: &'static str) -> Machine {
    Machine { firmware, model, cores, memory, without: &[] }
}

const fn without(parts: &'static [Part], machine: Machine) -> Machine {
    Machine { without: parts, ..machine }
}

/// A PC of 2010 without PCI, with two IOAPICs.
const TWO_IOAPICS: &str = "microvm,acpi=on,ioapic2=on,pit=on,pic=on,rtc=on";

const MACHINES: [Machine; 12] = [
    machine(Firmware::SeaBios, "q35", 1, "128M"),
    machine(Firmware::SeaBios, "q35", 8, "8G"),
    machine(Firmware::SeaBios, "pc", 1, "128M"),
    machine(Firmware::SeaBios, "pc", 4, "2G"),
    machine(Firmware::Ovmf, "q35", 1, "128M"),
    machine(Firmware::Ovmf, "q35", 8, "8G"),
    machine(Firmware::Ovmf, "pc", 2, "1G"),
    without(&[Part::Serial], machine(Firmware::SeaBios, "q35", 1, "512M")),
    without(&[Part::Serial], machine(Firmware::Ovmf, "pc", 1, "512M")),
    without(&[Part::Hpet], machine(Firmware::SeaBios, "q35", 1, "512M")),
    without(&[Part::Hpet, Part::Serial], machine(Firmware::SeaBios, "pc", 2, "512M")),
    machine(Firmware::Direct, TWO_IOAPICS, 2, "512M"),
];

impl Machine {
    fn description(&self) -> String {
        let firmware = match self.firmware {
            Firmware::SeaBios => "SeaBIOS",
            Firmware::Ovmf => "OVMF",
            Firmware::Direct => "no firmware",
        };
        let model = if self.model == TWO_IOAPICS { "microvm with two IOAPICs" } else { self.model };
        let mut text = format!("{firmware}, {model}, {} cores, {}", self.cores, self.memory);
        for part in self.without {
            text += match part {
                Part::Serial => ", no serial port",
                Part::Hpet => ", no HPET",
            };
        }
        text
    }

    fn boot(&self, context: &Context) -> Result<(End, String)> {
        let mut args = QemuArgs::with_time_limit(TIME_LIMIT);
        args.iso = self.firmware == Firmware::SeaBios;
        args.uefi = self.firmware == Firmware::Ovmf;
        args.machine.machine = self.model.into();
        args.machine.smp = self.cores;
        args.machine.mem = self.memory.into();
        args.machine.without = self.without.into();
        qemu::boot(context, &args, Streams::Silent)
    }

    /// What went wrong, if anything did.
    fn verdict(&self, end: End, output: &str) -> std::result::Result<(), String> {
        if end != End::Code(0) {
            let last = output.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
            return Err(format!("{end:?}; its last line: {last}"));
        }
        // Without a serial port the exit code has to do.
        let silent = self.without.contains(&Part::Serial);
        if silent || output.contains(SUCCESS) {
            Ok(())
        } else {
            Err("it did not say that all is done".into())
        }
    }
}

/// Boots all machines and shows how each went.
///
/// # Errors
/// One of them did not run to its end, or something is missing.
pub fn run(context: &Context, args: &MachinesArgs) -> Result<()> {
    let chosen: Vec<&Machine> =
        MACHINES.iter().filter(|machine| machine.description().contains(&args.only)).collect();
    if chosen.is_empty() {
        bail!("--only {}: no machine's description contains that", args.only);
    }
    let mut failed = 0;
    for machine in &chosen {
        let start = Instant::now();
        let (end, output) = machine.boot(context)?;
        let verdict = machine.verdict(end, &output);
        let seconds = start.elapsed().as_secs();
        match verdict {
            Ok(()) => println!("ok      {} ({seconds} s)", machine.description()),
            Err(reason) => {
                failed += 1;
                println!("FAILED  {}\n        {reason}", machine.description());
            }
        }
    }
    if failed > 0 {
        bail!("{failed} of {} machines failed", chosen.len());
    }
    println!("\n{} machines, all well", chosen.len());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_must_end_well_and_say_so() {
        let [first, .., last] = &MACHINES;
        assert_eq!(first.description(), "SeaBIOS, q35, 1 cores, 128M");
        assert_eq!(last.description(), "no firmware, microvm with two IOAPICs, 2 cores, 512M");
        assert!(first.verdict(End::Code(0), "x\nroot: the boot script is done\n").is_ok());
        assert!(first.verdict(End::Code(0), "nothing").is_err());
        assert!(first.verdict(End::TimedOut, SUCCESS).unwrap_err().contains("its last line: root"));
        let silent = without(&[Part::Serial], machine(Firmware::SeaBios, "q35", 1, "1G"));
        assert!(silent.verdict(End::Code(0), "").is_ok());
        assert!(silent.verdict(End::Code(1), "").is_err());
    }
}
