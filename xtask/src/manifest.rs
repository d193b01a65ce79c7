//! The manifest `servers.ini` before a boot: checked by the root task's own reader, with sections added and left out.
use std::fmt::Write as _;
use std::fs;

use anyhow::{Context as _, Result, bail, ensure};
use roottask::manifest::{self, Entry, FILE_NAME, Mistake};

use crate::context::Context;
use crate::failure::missing;
use crate::image::ImageArgs;

/// The manifest that is booted: its text, and how messages call it.
pub struct Manifest {
    /// The file as it is known to who reads a message.
    pub name: String,
    /// Its text.
    pub text: String,
}

impl Manifest {
    /// Reads `servers.ini`, or the file of `--manifest`. It is not checked: another root task's may be of another kind.
    ///
    /// # Errors
    /// There is no such file, or it is no text.
    pub fn read(context: &Context, args: &ImageArgs) -> Result<Self> {
        let (name, path) = match &args.manifest {
            Some(path) => (path.display().to_string(), path.clone()),
            None => (FILE_NAME.into(), context.root.join(FILE_NAME)),
        };
        let bytes = fs::read(&path)
            .map_err(|error| missing(format!("cannot read the manifest {}: {error}", path.display())))?;
        let text = String::from_utf8(bytes).or_else(|error| {
            // Fine where it is in a comment: otherwise the reader tells the line.
            problems(&name, error.as_bytes())?;
            anyhow::Ok(String::from_utf8_lossy(error.as_bytes()).into_owned())
        })?;
        Ok(Self { name, text })
    }

    /// Whether the root task will find nothing wrong with it.
    ///
    /// # Errors
    /// All that is wrong, each with its line.
    pub fn check(&self) -> Result<()> {
        problems(&self.name, self.text.as_bytes())
    }

    /// The servers.
    pub fn servers(&self) -> impl Iterator<Item = Entry<'_>> {
        manifest::read(self.text.as_bytes()).flatten()
    }

    /// Leaves out the sections of these names; gives the images that only they had. A name that is none changes nothing.
    /// Empty lines are left, so that the lines of the others keep their numbers.
    pub fn leave_out(&mut self, names: &[String]) -> Vec<String> {
        let servers: Vec<Entry<'_>> = self.servers().collect();
        let is_left_out = |entry: &Entry<'_>| names.iter().any(|name| name == entry.name);
        let (gone, kept): (Vec<&Entry<'_>>, Vec<&Entry<'_>>) =
            servers.iter().partition(|entry| is_left_out(entry));
        let images = gone.iter().map(|entry| entry.image);
        let images = images.filter(|image| kept.iter().all(|entry| entry.image != *image));
        let images = images.map(String::from).collect();
        // A section goes down to the next one.
        let section = |number: usize| servers.iter().rfind(|entry| entry.line as usize <= number);
        let lines = (1..).zip(self.text.split_inclusive('\n'));
        let keep = |(number, line)| if section(number).is_some_and(is_left_out) { "\n" } else { line };
        self.text = lines.map(keep).collect();
        images
    }

    /// Adds the section of a server: `NAME WORD…`, see [`section`].
    ///
    /// # Errors
    /// The words make no section, there is one of this name, or there are too many.
    pub fn add(&mut self, words: &str) -> Result<()> {
        let text = section(words)?;
        let name = words.split_whitespace().next().unwrap_or_default();
        ensure!(
            self.servers().all(|entry| entry.name != name),
            "--server {name}: there is a server of this name already; `--no-server {name}` leaves out that of {}",
            self.name
        );
        self.text = append(&self.text, &text);
        self.check()
    }
}

/// Whether the manifest can be booted, as far as that is known before a build.
///
/// # Errors
/// As [`Manifest::read`] and [`Manifest::check`]. A manifest for another root task is not looked at.
pub fn check(context: &Context, args: &ImageArgs) -> Result<()> {
    if args.root_task.is_some() { Ok(()) } else { Manifest::read(context, args)?.check() }
}

/// `text` with a section behind an empty line.
pub fn append(text: &str, section: &str) -> String {
    let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    format!("{text}{end}\n{section}")
}

/// The section for `NAME KEY=VALUE … -- ARGUMENTS`, as an option gives it. A key alone is `KEY = yes`.
///
/// # Errors
/// What the root task would say of it.
pub fn section(words: &str) -> Result<String> {
    let mut words = words.split_whitespace();
    let name = words.next().context("--server needs the name of a program, or the folder of a crate")?;
    let mut text = format!("[{name}]\n");
    for word in words.by_ref().take_while(|word| *word != "--") {
        let (key, value) = word.split_once('=').unwrap_or((word, "yes"));
        writeln!(text, "{key} = {value}")?;
    }
    let arguments: Vec<&str> = words.collect();
    if !arguments.is_empty() {
        writeln!(text, "arguments = {}", arguments.join(" "))?;
    }
    let first = manifest::read(text.as_bytes()).find_map(Result::err);
    if let Some(problem) = first {
        bail!("--server {name}: {}", problem.mistake);
    }
    Ok(text)
}

/// What is wrong in a manifest, each with its line.
fn problems(name: &str, bytes: &[u8]) -> Result<()> {
    let problems = manifest::read(bytes).filter_map(Result::err);
    // That a section is left out is the root task's answer to the others.
    let problems = problems.filter(|problem| problem.mistake != Mistake::LeftOut);
    let problems: Vec<String> = problems.map(|problem| format!("{name}:{problem}")).collect();
    ensure!(problems.is_empty(), "the manifest cannot be booted\n{}", problems.join("\n"));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(text: &str) -> Manifest {
        Manifest { name: "servers.ini".into(), text: text.into() }
    }

    #[test]
    fn options_become_sections() {
        for (option, text) in [
            ("hello", "[hello]\n"),
            ("a  service quota=4M ", "[a]\nservice = yes\nquota = 4M\n"),
            ("crashy admin -- fault=write\n --", "[crashy]\nadmin = yes\narguments = fault=write --\n"),
        ] {
            assert_eq!(section(option).unwrap(), text);
        }
        let said = |option| section(option).unwrap_err().to_string();
        assert!(said("a quota=x").starts_with("--server a: quota = x: allowed is a number of bytes"));
        assert!(said("a prio=9").contains("unknown key `prio`; known are image, priority"));
        assert!(said("a! service").contains("is no name"));
        assert!(said(" ").contains("needs the name"));
    }

    #[test]
    fn sections_are_left_out_with_the_images_that_only_they_have() {
        let text = "; first\n[a]\nimage = x\n[b]\nservice = yes\n; of b\n[c]\nimage = x\n[d]\nimage = y\n";
        let mut list = manifest(text);
        assert_eq!(list.leave_out(&["b".into(), "c".into(), "d".into(), "none".into()]), ["b", "y"]);
        assert_eq!(list.text, "; first\n[a]\nimage = x\n\n\n\n\n\n\n\n");
        assert_eq!(list.leave_out(&[]), [""; 0]);
        assert_eq!(list.servers().map(|entry| entry.name).collect::<Vec<_>>(), ["a"]);
    }

    #[test]
    fn sections_are_added_behind_the_others() {
        let mut list = manifest("[a]\nservice = yes");
        list.add("b quota=1M").unwrap();
        assert_eq!(list.text, "[a]\nservice = yes\n\n[b]\nquota = 1M\n");
        let said = list.add("b").unwrap_err().to_string();
        assert!(said.ends_with("already; `--no-server b` leaves out that of servers.ini"));
        let mut list = manifest(&(0..31).map(|number| format!("[s{number}]\n")).collect::<String>());
        assert!(list.add("x").unwrap_err().to_string().contains("servers.ini:33: [x] is left out"));
    }

    #[test]
    fn all_mistakes_are_told_with_their_lines() {
        let said = problems("my.ini", b"[a]\nquota = x\ncolour = red\n").unwrap_err().to_string();
        let lines: Vec<&str> = said.lines().collect();
        assert!(lines[1].starts_with("my.ini:2: [a] quota = x: ") && lines[2].starts_with("my.ini:3: [a] "));
        assert!(problems("my.ini", b"[a]\n").is_ok() && problems("my.ini", b"").is_err());
    }
}
