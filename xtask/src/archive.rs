//! What goes onto the boot volume: `limine.conf` and the files that it names, for boot archive and ISO alike.
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::build;
use crate::context::Context;
use crate::failure::missing;
use crate::image::ImageArgs;
use crate::limine_conf;
use crate::outside;

/// A file of the boot volume.
pub struct BootFile {
    /// Path on the volume, such as `boot/selkie`.
    pub path: String,
    /// Its content.
    pub data: Vec<u8>,
}

/// Collects the boot volume's files; `limine.conf` is the first, with `words` added to the kernel command line.
///
/// # Errors
/// `limine.conf` is malformed, or a file that it names was not built.
pub fn collect(context: &Context, args: &ImageArgs, words: &str) -> Result<Vec<BootFile>> {
    let (text, sources) = sources(context, args)?;
    let conf = limine_conf::with_command_line(&text, words)?;
    let mut files = vec![BootFile { path: "limine.conf".into(), data: conf.into_bytes() }];
    for (path, source) in sources {
        let data = fs::read(&source).map_err(|error| {
            missing(format!("cannot read {} for {path} of limine.conf: {error}", source.display()))
        })?;
        files.push(BootFile { path, data });
    }
    Ok(files)
}

/// The text of `limine.conf` with the servers that `args` add, and the files that it names: path on the volume, and
/// where it is. The kernel is the first.
///
/// # Errors
/// `limine.conf` is malformed, or names a file that no build makes.
pub fn sources(context: &Context, args: &ImageArgs) -> Result<(String, Vec<(String, PathBuf)>)> {
    let text = fs::read_to_string(context.root.join("limine.conf")).map_err(|error| {
        missing(format!("cannot read limine.conf in {}: {error}", context.root.display()))
    })?;
    let text = limine_conf::without_servers(&text, &args.no_server);
    let servers = outside::build(context, args, &limine_conf::parse(&text)?.files())?;
    let text = limine_conf::with_servers(&text, &servers.entries)?;
    let text = limine_conf::with_files(&text, &file_names(&args.file)?)?;
    let entry = limine_conf::parse(&text)?;
    if args.root_task.is_some() {
        entry
            .root_task()
            .context("--root-task: limine.conf has no module with the string `root` to replace")?;
    }
    let programs = build::folder(context, &args.build);
    let source = |path: &str| {
        let replacement = args.root_task.as_deref().filter(|_| entry.root_task() == Some(path));
        let given = given_file(&args.file, path).or_else(|| servers.file(path));
        let source = match replacement.or(given) {
            Some(source) => source.to_path_buf(),
            None => program_file(&programs, path)?,
        };
        Ok((path.to_string(), source))
    };
    let sources = entry.files().into_iter().map(source).collect::<Result<_>>()?;
    Ok((text, sources))
}

/// The names of given files, under which they are in the archive.
fn file_names(files: &[PathBuf]) -> Result<Vec<String>> {
    let name = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.filter(|name| !name.contains(char::is_whitespace));
        name.map(String::from).with_context(|| format!("--file: {} has no usable name", path.display()))
    };
    files.iter().map(name).collect()
}

/// The given file for the volume path `boot/NAME`.
fn given_file<'a>(files: &'a [PathBuf], path: &str) -> Option<&'a Path> {
    let name = path.strip_prefix("boot/")?;
    files.iter().find(|file| file.file_name().is_some_and(|own| own == name)).map(PathBuf::as_path)
}

/// The built program for the volume path `boot/NAME`.
fn program_file(programs: &Path, path: &str) -> Result<PathBuf> {
    path.strip_prefix("boot/").filter(|name| !name.contains('/')).map(|name| programs.join(name)).ok_or_else(
        || missing(format!("limine.conf names `{path}`, which no build makes; write boot():/boot/NAME")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn volume_paths_lead_to_built_programs() {
        let folder = Path::new("/out");
        assert_eq!(program_file(folder, "boot/selkie").unwrap(), Path::new("/out/selkie"));
        for path in ["selkie", "boot/a/b", "etc/x"] {
            assert!(program_file(folder, path).is_err(), "{path}");
        }
    }

    #[test]
    fn given_files_keep_their_names() {
        let files = [PathBuf::from("/x/a.ops"), PathBuf::from("b")];
        assert_eq!(file_names(&files).unwrap(), ["a.ops", "b"]);
        assert_eq!(given_file(&files, "boot/a.ops"), Some(Path::new("/x/a.ops")));
        assert_eq!(given_file(&files, "boot/c"), None);
        assert!(file_names(&[PathBuf::from("/x/..")]).is_err());
        assert!(file_names(&[PathBuf::from("two words")]).is_err());
    }
}
