//! `setup`: installs what is missing; the other verbs call it for what they need themselves.
use anyhow::{Context as _, Result};

use crate::context::{Context, find_program};
use crate::failure::missing;
use crate::needs::{Need, Packages, Source, missing_of};

/// Installs everything that is missing.
///
/// # Errors
/// Something is missing and cannot be installed from here; the message holds the commands that do it.
pub fn run(context: &Context) -> Result<()> {
    ensure(context, &Need::ALL)?;
    println!("Everything is installed. Next: cargo xtask qemu");
    Ok(())
}

/// Installs those of `needs` that are missing.
///
/// # Errors
/// As [`run`].
pub fn ensure(context: &Context, needs: &[Need]) -> Result<()> {
    let lacking = missing_of(context, needs);
    if lacking.is_empty() {
        return Ok(());
    }
    install_from_rustup(context, &lacking)?;
    install_nightly(context, &lacking)?;
    install_packages(context, &lacking)?;
    let still = missing_of(context, &lacking);
    if still.is_empty() {
        return Ok(());
    }
    let names: Vec<_> = still.iter().map(|need| need.name()).collect();
    Err(missing(format!(
        "still missing after the installation: {}; `cargo xtask doctor` shows the fix for each",
        names.join(", ")
    )))
}

fn install_from_rustup(context: &Context, lacking: &[Need]) -> Result<()> {
    let mut targets = Vec::new();
    let mut components = Vec::new();
    for need in lacking {
        match need.source() {
            Source::RustupTarget(name) => targets.push(name),
            Source::RustupComponent(name) => components.push(name),
            Source::RustupNightly(_) | Source::System(_) => {}
        }
    }
    for (kind, names) in [("target", targets), ("component", components)] {
        if names.is_empty() {
            continue;
        }
        if find_program("rustup").is_none() {
            return Err(missing(format!(
                "Rust's {kind} {} is missing and so is rustup; install rustup from https://rustup.rs, or this {kind} \
                 through the package manager that Rust came from",
                names.join(", ")
            )));
        }
        eprintln!("xtask: installing {}", names.join(", "));
        let command = context.shell.cmd("rustup").args([kind, "add"]).args(&names);
        context.run(command).map_err(|error| missing(format!("{error}; is the machine online?")))?;
    }
    Ok(())
}

/// Installs the nightly toolchain with the components that are missing from it.
fn install_nightly(context: &Context, lacking: &[Need]) -> Result<()> {
    let component = |need: &Need| match need.source() {
        Source::RustupNightly(name) => Some(name),
        _ => None,
    };
    let components: Vec<&str> = lacking.iter().filter_map(component).collect();
    if components.is_empty() {
        return Ok(());
    }
    if find_program("rustup").is_none() {
        return Err(missing(format!(
            "{} needs Rust's nightly toolchain, and rustup is missing; install rustup from https://rustup.rs",
            components.join(", ")
        )));
    }
    eprintln!("xtask: installing the nightly toolchain with {}", components.join(", "));
    let toolchain = ["toolchain", "install", "nightly", "--profile", "minimal", "--component", "rust-src"];
    let mut command = context.shell.cmd("rustup").args(toolchain);
    for component in &components {
        command = command.args(["--component", component]);
    }
    context.run(command).map_err(|error| missing(format!("{error}; is the machine online?")))
}

fn install_packages(context: &Context, lacking: &[Need]) -> Result<()> {
    let (names, packages) = of_packages(lacking);
    if packages.is_empty() {
        return Ok(());
    }
    if !(is_root(context) && find_program("apt-get").is_some()) {
        return Err(missing(format!(
            "missing: {}. Install with the line for your system, then try again:\n{}",
            names.join(", "),
            install_commands(&packages)
        )));
    }
    let names = names_for(&packages, |package| package.apt);
    eprintln!("xtask: installing {}", names.join(", "));
    let apt = || context.shell.cmd("apt-get").env("DEBIAN_FRONTEND", "noninteractive").arg("-qq");
    let install = apt().args(["install", "-y", "--no-install-recommends"]).args(&names);
    context
        .run_silently(apt().arg("update"))
        .and_then(|()| context.run_silently(install))
        .context("apt-get could not install what is missing")
        .map_err(|error| missing(format!("{error:#}")))
}

/// Those of `needs` that come as packages of the system: their names in messages, and the packages.
fn of_packages(needs: &[Need]) -> (Vec<&'static str>, Vec<Packages>) {
    let package = |need: &Need| match need.source() {
        Source::System(packages) => Some((need.name(), packages)),
        Source::RustupTarget(_) | Source::RustupComponent(_) | Source::RustupNightly(_) => None,
    };
    needs.iter().filter_map(package).unzip()
}

/// One install command a line, for each package manager.
pub fn install_commands(packages: &[Packages]) -> String {
    let line = |command: &str, names: Vec<&str>| format!("  {command} {}\n", names.join(" "));
    [
        line("sudo apt-get update && sudo apt-get install -y", names_for(packages, |package| package.apt)),
        line("sudo dnf install -y", names_for(packages, |package| package.dnf)),
        line("sudo pacman -S --needed", names_for(packages, |package| package.pacman)),
        line("brew install", names_for(packages, |package| package.brew)),
    ]
    .concat()
    .trim_end()
    .to_string()
}

/// Names for one package manager, each once.
fn names_for(packages: &[Packages], name: fn(&Packages) -> &'static str) -> Vec<&'static str> {
    let mut names: Vec<&str> = Vec::new();
    for package in packages {
        if !names.contains(&name(package)) {
            names.push(name(package));
        }
    }
    names
}

fn is_root(context: &Context) -> bool {
    context.ask(context.shell.cmd("id").arg("-u")).is_some_and(|id| id.trim() == "0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_package_manager_gets_its_own_names_once() {
        let (names, packages) = of_packages(&[Need::Qemu, Need::Ovmf, Need::RustTarget, Need::Xorriso]);
        assert_eq!(names, ["qemu-system-x86_64", "OVMF", "xorriso"]);
        let commands = install_commands(&packages);
        let lines: Vec<&str> = commands.lines().map(str::trim).collect();
        assert_eq!(
            lines,
            [
                "sudo apt-get update && sudo apt-get install -y qemu-system-x86 ovmf xorriso",
                "sudo dnf install -y qemu-system-x86 edk2-ovmf xorriso",
                "sudo pacman -S --needed qemu-system-x86 edk2-ovmf libisoburn",
                "brew install qemu xorriso",
            ]
        );
    }
}
