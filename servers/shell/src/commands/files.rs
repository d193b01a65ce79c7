//! Files: those of the file system, and the programs of the boot archive.

use alloc::string::String;

use libsel::proto::ServiceError;
use libsel::proto::root::FileInfo;

use super::{Argument, Command, Context, none, one, usage};
use crate::show::Size;
use crate::system::{Failure, Result, each, each_file};

pub const IMAGES: Command = Command {
    name: "images",
    usage: "",
    summary: "list the files of the boot archive",
    help: "`spawn` starts the programs among them.",
    arguments: &[],
    run: |context, arguments| {
        none(&IMAGES, arguments)?;
        let (system, out) = (&mut *context.system, &mut *context.out);
        each(|index| system.image(index), |file| line(out, &file)).map(|_| ())
    },
};

pub const LS: Command = Command {
    name: "ls",
    usage: "",
    summary: "list the files",
    help: "Size and name of each file.",
    arguments: &[],
    run: |context, arguments| {
        none(&LS, arguments)?;
        let (system, out) = (&mut *context.system, &mut *context.out);
        let count = each_file(system, |file| line(out, &file))?;
        if count == 0 {
            writeln!(context.out, "there is no file; `write NAME \"text\"` makes one")?;
        }
        Ok(())
    },
};

pub const CAT: Command = Command {
    name: "cat",
    usage: "FILE",
    summary: "show what is in a file",
    help: "Bytes that are no text are shown as ?.",
    arguments: &[Argument::File],
    run: cat,
};

pub const WRITE: Command = Command {
    name: "write",
    usage: "FILE TEXT",
    summary: "write a line to a file, in place of what was in it",
    help: "Several words become one line with a blank between them. Between quotes blanks\n\
           stay as they are, and \\n begins a new line.",
    arguments: &[Argument::File],
    run: write,
};

pub const RM: Command = Command {
    name: "rm",
    usage: "FILE",
    summary: "remove a file",
    help: "It cannot be brought back.",
    arguments: &[Argument::File],
    run: |context, arguments| {
        let name = one(&RM, arguments)?;
        context.system.remove(name).map_err(|failure| no_file(failure, name))
    },
};

/// Bytes that `cat` shows at most: a console is no place for more.
const MOST_BYTES: u64 = 64 << 10;

fn line(out: &mut dyn core::fmt::Write, file: &FileInfo) -> Result<()> {
    Ok(writeln!(out, "{:>9} {}", Size(file.bytes), file.name)?)
}

fn no_file(failure: Failure, name: &str) -> Failure {
    failure.explain(ServiceError::NotFound, || alloc::format!("there is no file `{name}`; `ls` lists them"))
}

fn cat(context: &mut Context<'_>, arguments: &[String]) -> Result<()> {
    let name = one(&CAT, arguments)?;
    let (mut offset, mut last) = (0, b'\n');
    let mut bytes = [0; 512];
    while offset < MOST_BYTES {
        let count =
            context.system.read(name, offset, &mut bytes).map_err(|failure| no_file(failure, name))?;
        let Some(read) = bytes.get(..count).filter(|read| !read.is_empty()) else { break };
        // A character that the end of a part cuts is read again with the next one.
        let whole = match core::str::from_utf8(read) {
            Err(error) if error.error_len().is_none() && error.valid_up_to() > 0 => error.valid_up_to(),
            _ => count,
        };
        let read = read.get(..whole).unwrap_or_default();
        for chunk in read.utf8_chunks() {
            context.out.write_str(chunk.valid())?;
            context.out.write_str(if chunk.invalid().is_empty() { "" } else { "?" })?;
        }
        last = read.last().copied().unwrap_or(last);
        offset += whole as u64;
    }
    if last != b'\n' {
        writeln!(context.out)?;
    }
    if offset >= MOST_BYTES {
        writeln!(context.out, "… cut after {}", Size(MOST_BYTES))?;
    }
    Ok(())
}

fn write(context: &mut Context<'_>, arguments: &[String]) -> Result<()> {
    let Some((name, words)) = arguments.split_first().filter(|(_, words)| !words.is_empty()) else {
        return Err(usage(&WRITE));
    };
    let mut text = words.join(" ");
    if !text.ends_with('\n') {
        text.push('\n');
    }
    context.system.write(name, text.as_bytes())?;
    Ok(writeln!(context.out, "{} written", Size(text.len() as u64))?)
}
