//! `doctor`: a table of what the verbs need: found and in which version, or missing and the fix.
use std::path::Path;

use anyhow::Result;

use crate::context::{Context, find_program};
use crate::limine;
use crate::machine;
use crate::needs::{Need, RustInstallation, Source};

/// Width of a terminal line that the table keeps to.
const COLUMNS: usize = 80;

/// One line of the table.
struct Row {
    name: String,
    state: &'static str,
    detail: String,
}

/// Prints the table. It only looks; `setup` installs.
///
/// # Errors
/// None at present; the signature is that of every verb.
pub fn run(context: &Context) -> Result<()> {
    let rust = RustInstallation::find(context);
    let mut rows = vec![program_row(context, "cargo", "install rustup from https://rustup.rs")];
    for need in Need::ALL {
        let (state, detail) = match need.find(&rust) {
            Some(path) => ("found", found_detail(context, need, &path)),
            None => ("missing", fix(need)),
        };
        rows.push(Row { name: need.name().to_string(), state, detail });
    }
    rows.push(limine_row(context));
    let (state, detail) = match machine::kvm_available() {
        Ok(()) => ("found", "QEMU will use it".to_string()),
        Err(reason) => ("absent", format!("{reason}: emulated")),
    };
    rows.push(Row { name: "KVM".into(), state, detail });
    rows.iter().for_each(|row| println!("{}", line(row)));
    if rows.iter().any(|row| row.state == "missing") {
        println!("\n`cargo xtask setup` installs what is missing, or prints the command that does.");
    }
    Ok(())
}

fn program_row(context: &Context, name: &str, fix: &str) -> Row {
    match version(context, name) {
        Some(detail) => Row { name: name.into(), state: "found", detail },
        None => Row { name: name.into(), state: "missing", detail: fix.into() },
    }
}

fn limine_row(context: &Context) -> Row {
    let (state, detail) = match limine::find_installed(context) {
        Ok(Some(files)) => ("found", files.folder.display().to_string()),
        Ok(None) => ("absent", format!("`iso` downloads {}, or set LIMINE_DIR", limine::VERSION)),
        Err(error) => ("missing", error.to_string()),
    };
    Row { name: "Limine".into(), state, detail }
}

fn found_detail(context: &Context, need: Need, path: &Path) -> String {
    let version = match need {
        Need::Qemu | Need::Xorriso | Need::Mtools | Need::Gdb | Need::Rustfmt => {
            version(context, need.name())
        }
        Need::Clippy => version(context, "cargo-clippy"),
        Need::RustTarget => version(context, "rustc"),
        Need::RustSource | Need::LlvmTools | Need::Miri | Need::Ovmf => None,
    };
    version.unwrap_or_else(|| path.display().to_string())
}

/// The first line of a program's `--version`.
fn version(context: &Context, program: &str) -> Option<String> {
    find_program(program)?;
    let text = context.ask(context.shell.cmd(program).arg("--version"))?;
    text.lines().find(|line| !line.trim().is_empty()).map(|line| line.trim().to_string())
}

fn fix(need: Need) -> String {
    match need.source() {
        Source::RustupTarget(name) => format!("rustup target add {name}"),
        Source::RustupComponent(name) => format!("rustup component add {name}"),
        Source::RustupNightly(name) => format!("rustup toolchain install nightly -c {name}"),
        Source::System(packages) if find_program("dnf").is_some() => format!("dnf install {}", packages.dnf),
        Source::System(packages) if find_program("pacman").is_some() => {
            format!("pacman -S {}", packages.pacman)
        }
        Source::System(packages) if find_program("brew").is_some() => {
            format!("brew install {}", packages.brew)
        }
        Source::System(packages) => format!("apt-get install {}", packages.apt),
    }
}

fn line(row: &Row) -> String {
    let text = format!("{:<20} {:<8} {}", row.name, row.state, row.detail);
    if text.chars().count() <= COLUMNS {
        return text;
    }
    // The end of a path says more than its beginning.
    if row.detail.starts_with('/') {
        let room = COLUMNS - 31;
        let tail: Vec<char> = row.detail.chars().collect();
        let tail: String = tail[tail.len() - room..].iter().collect();
        return format!("{:<20} {:<8} …{tail}", row.name, row.state);
    }
    text.chars().take(COLUMNS - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_cut_to_the_terminals_width() {
        for detail in ["/x".repeat(80), "version ".repeat(20), "short".to_string()] {
            let row = Row { name: "x86_64-unknown-none".into(), state: "missing", detail };
            assert!(line(&row).chars().count() <= COLUMNS, "{}", line(&row));
        }
    }

    #[test]
    fn every_need_has_a_fix_that_fits() {
        for need in Need::ALL {
            let row = Row { name: need.name().into(), state: "missing", detail: fix(need) };
            assert!(!line(&row).contains('…'), "{}", line(&row));
        }
    }
}
