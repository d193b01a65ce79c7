//! Hostile user space: a root task whose threads attack the kernel with random system calls.
//!
//! Six threads with different priorities and small budgets do what a random generator tells them ([`generate`]): mostly
//! invocations with arguments that nearly make sense, of objects of every kind in a CSpace full of them ([`classes`],
//! [`world`]); also messages, odd system calls, wild registers and faulting instructions ([`code`]). They can destroy each
//! other and themselves. The supervisor ([`supervisor`]) runs in a CSpace and memory of its own, gives them their
//! records, answers their faults and makes the world anew when it is dead.
//!
//! After every round everything is revoked, and then nothing may have leaked ([`check`]) and the supervisor's own objects
//! must be unchanged ([`canary`]). The random numbers depend on the seed alone; with counted instructions (QEMU's
//! `-icount`) a whole run repeats.
//!
//! Command line: `ops=N`, `seed=S`, `domains=4`. Output: a line for each round, a table of labels and outcomes, a closing
//! line `N operations, R rounds, nothing leaked`; exit code 0 or 1.
//!
//! What hostile threads do not get, because it ends or breaks the machine by right, is listed in [`generate`] (system
//! calls) and `generate/devices.rs` (ports). Of device memory they get addresses where the machine has nothing.

#[path = "../bare/exit.rs"]
mod exit;

mod canary;
mod check;
mod classes;
mod code;
mod console;
mod domains;
mod generate;
mod helpers;
mod machine;
mod occupancy;
mod random;
mod shared;
mod supervisor;
mod tally;
mod world;

use libsel::bootinfo::BootInfoView;

use canary::Canary;
use machine::{Failure, Machine, slots};
use supervisor::Supervisor;

/// A run of so many operations has to reach a success of every invocation.
const COVERING: u64 = 1_000_000;
/// Operations of a round.
const ROUND: u64 = 50_000;

/// Attacks the kernel and ends the machine.
pub fn run(bootinfo: &BootInfoView<'_>) -> ! {
    let code = match attack(bootinfo) {
        Ok(()) => 0,
        Err(failure) => {
            console::line(format_args!("FAILED: {failure}"));
            1
        }
    };
    // Only now: the checks want all ports.
    exit::prepare(bootinfo, bootinfo.empty().start + slots::EXIT);
    exit::exit(code)
}

fn attack(bootinfo: &BootInfoView<'_>) -> Result<(), Failure> {
    let machine = Machine::new(bootinfo)?;
    let canary = Canary::new(&machine).map_err(|_| "the canaries cannot be made")?;
    helpers::start(&machine).map_err(|_| "the helpers cannot be started")?;
    console::line(format_args!("hostile: {} operations, seed {}", machine.operations, machine.seed));
    check::nothing_leaked(&machine)?;
    canary.check()?;
    let mut supervisor = Supervisor::new(&machine);
    let mut rounds = 0;
    while supervisor.tally.operations < machine.operations {
        let end = (supervisor.tally.operations + ROUND).min(machine.operations);
        let round = supervisor.round(end);
        if let Err(error) = round {
            console::line(format_args!("round {rounds}: {error}"));
            return Err("the supervisor cannot make or take back the hostile world");
        }
        check::nothing_leaked(&machine)?;
        canary.check()?;
        rounds += 1;
        supervisor.tally.print_progress(rounds);
    }
    supervisor.tally.print_table();
    if machine.operations >= COVERING && supervisor.tally.missing().next().is_some() {
        return Err("an invocation never succeeded: the generator does not reach it");
    }
    let operations = supervisor.tally.operations;
    console::line(format_args!("{operations} operations, {rounds} rounds, nothing leaked"));
    Ok(())
}
