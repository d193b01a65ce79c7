//! What goes onto the boot volume: `limine.conf`, the manifest, and the files that they name, for boot archive and ISO
//! alike.
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use roottask::manifest::{FILE_NAME, MODULE};

use crate::build;
use crate::context::Context;
use crate::failure::missing;
use crate::image::ImageArgs;
use crate::limine_conf;
use crate::manifest::Manifest;
use crate::outside::{self, Servers};

/// A file of the boot volume.
pub struct BootFile {
    /// Path on the volume, such as `boot/selkie`.
    pub path: String,
    /// Its content.
    pub data: Vec<u8>,
}

/// What is on the boot volume.
pub struct Volume {
    /// The text of `limine.conf`, with the modules that were added.
    pub conf: String,
    /// The manifest's text, and its path on the volume; none if `limine.conf` has no such module.
    pub manifest: Option<(String, String)>,
    /// The other files that `limine.conf` names: path on the volume, and where it is. The kernel is the first.
    pub files: Vec<(String, PathBuf)>,
}

/// Collects the boot volume's files; `limine.conf` is the first, with `words` added to the kernel command line.
///
/// # Errors
/// As [`volume`], or a file was not built.
pub fn collect(context: &Context, args: &ImageArgs, words: &str) -> Result<Vec<BootFile>> {
    let Volume { conf, manifest, files: sources } = volume(context, args)?;
    let conf = limine_conf::with_command_line(&conf, words)?;
    let mut files = vec![BootFile { path: "limine.conf".into(), data: conf.into_bytes() }];
    files.extend(manifest.map(|(path, text)| BootFile { path, data: text.into_bytes() }));
    for (path, source) in sources {
        let data = fs::read(&source).map_err(|error| {
            missing(format!("cannot read {} for {path} of limine.conf: {error}", source.display()))
        })?;
        files.push(BootFile { path, data });
    }
    Ok(files)
}

/// What `limine.conf`, the manifest and `args` want on the boot volume.
///
/// # Errors
/// `limine.conf` or the manifest has a mistake, or one of them names a file that no build makes.
pub fn volume(context: &Context, args: &ImageArgs) -> Result<Volume> {
    let text = fs::read_to_string(context.root.join("limine.conf")).map_err(|error| {
        missing(format!("cannot read limine.conf in {}: {error}", context.root.display()))
    })?;
    let programs = build::folder(context, &args.build);
    let mut manifest = Manifest::read(context, args)?;
    if args.root_task.is_none() {
        manifest.check()?;
    }
    let left_out = manifest.leave_out(&args.no_server);
    let conf = limine_conf::without_files(&text, &left_out);
    let servers = outside::build(context, args, &limine_conf::parse(&conf)?.files())?;
    let conf = match &args.root_task {
        // What another root task makes of its modules, it knows.
        Some(_) => limine_conf::with_servers(&conf, &servers.entries)?,
        None => with_listed(&conf, &mut manifest, args, &servers, &programs)?,
    };
    let conf = limine_conf::with_files(&conf, &file_names(&args.file)?)?;
    let entry = limine_conf::parse(&conf)?;
    if args.root_task.is_some() {
        entry
            .root_task()
            .context("--root-task: limine.conf has no module with the string `root` to replace")?;
    }
    let manifest_path = entry.path_of(MODULE).map(String::from);
    let source = |path: &str| {
        let replacement = args.root_task.as_deref().filter(|_| entry.root_task() == Some(path));
        let given = given_file(&args.file, path).or_else(|| servers.file(path));
        let source = match replacement.or(given) {
            Some(source) => source.to_path_buf(),
            None => program_file(&programs, path)?,
        };
        Ok((path.to_string(), source))
    };
    let files = entry.files().into_iter().filter(|path| Some(*path) != manifest_path.as_deref());
    let files = files.map(source).collect::<Result<_>>()?;
    Ok(Volume { conf, manifest: manifest_path.map(|path| (path, manifest.text)), files })
}

/// Adds servers to the manifest, and to the text of `limine.conf` a module for each image that has none.
fn with_listed(
    conf: &str,
    manifest: &mut Manifest,
    args: &ImageArgs,
    servers: &Servers,
    programs: &Path,
) -> Result<String> {
    for server in &servers.entries {
        manifest.add(server)?;
    }
    let entry = limine_conf::parse(conf)?;
    ensure!(
        entry.path_of(MODULE).is_some(),
        "limine.conf does not load the manifest: it needs `module_path: boot():/boot/{FILE_NAME}` followed by \
         `module_cmdline: {MODULE}`"
    );
    let mut more: Vec<String> = Vec::new();
    for server in manifest.servers() {
        let (name, image) = (server.name, server.image);
        if entry.path_of(&format!("file {image}")).is_some() || more.iter().any(|known| known == image) {
            continue;
        }
        let path = format!("boot/{image}");
        let is_there = servers.file(&path).is_some() || programs.join(image).is_file();
        // A file of --file has a module of its own.
        let is_given = given_file(&args.file, &path).is_some();
        ensure!(
            is_there || is_given,
            "{}:{}: [{name}] image = {image}: no build makes such a program; give its crate to --server, or its file to --file",
            manifest.name,
            server.line
        );
        if !is_given {
            more.push(image.into());
        }
    }
    manifest.text += args.unchecked;
    limine_conf::with_files(conf, &more)
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
