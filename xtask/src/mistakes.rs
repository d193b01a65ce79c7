//! A boot by a manifest with mistakes: the root task tells each of them, and starts the servers that have none.
use anyhow::{Result, ensure};

use crate::context::Context;
use crate::guest::{End, Streams};
use crate::qemu::{self, QemuArgs};

/// Goes behind the sections of `servers.ini`.
const MANIFEST: &str = "
[crashy]
priority = 999
colour = red
[hello]
quota = 1M
[ghost]
[broken
admin = yes
[twin]
image = hello
priority = 101
";

/// Of each line what is behind the file's name and the line's number.
const TOLD: [&str; 6] = [
    "[crashy] priority = 999: allowed is a number from 0 to 253",
    "[crashy] unknown key `colour`; known are image, priority,",
    "[crashy] is not started because of its mistakes",
    "[hello] a section of this name begins in line ",
    "[ghost] image = ghost: there is no such file; limine.conf needs a module with `module_cmdline: file ghost`",
    "`[broken` is no section, which is `[NAME]` alone in its line;",
];

/// What the servers without mistakes print.
const WORKED: [&str; 2] = ["hello: the sum of 1 to 1000 is 500500", "twin: the sum of 1 to 1000 is 500500"];

/// Boots.
///
/// # Errors
/// What was not told, or which server did not run.
pub fn run(context: &Context, mut args: QemuArgs) -> Result<()> {
    args.image.unchecked = MANIFEST;
    let (end, output) = qemu::boot(context, &args, Streams::Captured)?;
    judge(&output, end)
}

fn judge(output: &str, end: End) -> Result<()> {
    let told: Vec<&str> = output.lines().filter_map(mistake).collect();
    for text in TOLD {
        ensure!(told.iter().any(|line| line.starts_with(text)), "it does not say `{text}`");
    }
    ensure!(told.len() == TOLD.len(), "it says more: {told:#?}");
    for line in WORKED {
        ensure!(output.lines().any(|printed| printed == line), "the line `{line}` is missing");
    }
    ensure!(end == End::Code(1), "the boot ended with {end:?} in spite of the mistakes");
    Ok(())
}

/// What a line tells of a mistake, without the file and the line's number.
fn mistake(line: &str) -> Option<&str> {
    let (number, text) = line.strip_prefix("root: servers.ini:")?.split_once(": ")?;
    number.parse::<u32>().is_ok().then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mistake_has_to_be_told_and_no_other() {
        let line = |text: &str| format!("root: servers.ini:7: {text} x\n");
        let good = TOLD.map(line).concat() + &WORKED.join("\n");
        assert!(judge(&good, End::Code(1)).is_ok());
        assert!(judge(&good, End::Code(0)).unwrap_err().to_string().contains("in spite of"));
        assert!(judge(&good.replace("ghost", "gone"), End::Code(1)).is_err());
        assert!(judge(&good.replace("twin: ", "twin: no "), End::Code(1)).is_err());
        assert!(judge(&(line("more") + &good), End::Code(1)).unwrap_err().to_string().contains("says more"));
    }
}
