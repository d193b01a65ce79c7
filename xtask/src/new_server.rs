//! `new-server`: a crate with a protocol of its own, a server, a host test and a client, to begin from.
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use roottask::manifest::FILE_NAME;

use crate::build;
use crate::context::Context;
use crate::image::ImageArgs;
use crate::limine_conf;
use crate::manifest::{self, Manifest};
use crate::needs::Need;
use crate::setup;

/// Bytes of a name at most: 32 are left for `NAME-client`.
const NAME_BYTES: usize = 25;
/// Names that cargo or the compiler refuses for a package, or that would hide a crate that the template uses.
const RESERVED: &[&str] = &[
    "abstract",
    "alloc",
    "as",
    "async",
    "await",
    "become",
    "box",
    "break",
    "build",
    "const",
    "continue",
    "core",
    "crate",
    "deps",
    "do",
    "dyn",
    "else",
    "enum",
    "examples",
    "extern",
    "false",
    "final",
    "fn",
    "for",
    "gen",
    "if",
    "impl",
    "in",
    "incremental",
    "let",
    "libsel",
    "loop",
    "macro",
    "match",
    "mod",
    "move",
    "mut",
    "override",
    "priv",
    "proc-macro",
    "pub",
    "ref",
    "return",
    "root",
    "self",
    "static",
    "std",
    "struct",
    "super",
    "test",
    "trait",
    "true",
    "try",
    "type",
    "typeof",
    "unsafe",
    "unsized",
    "use",
    "virtual",
    "where",
    "while",
    "yield",
];
/// The template's files beside the manifest.
const FILES: [(&str, &str); 3] = [
    ("src/lib.rs", include_str!("../templates/server/src/lib.rs")),
    ("src/main.rs", include_str!("../templates/server/src/main.rs")),
    ("src/bin/client.rs", include_str!("../templates/server/src/bin/client.rs")),
];
const TARGETS: &str = include_str!("../templates/server/targets.toml");
const TREE_MANIFEST: &str = include_str!("../templates/server/tree.toml");
const OUTSIDE_MANIFEST: &str = include_str!("../templates/server/outside.toml");

/// Options of `new-server`.
#[derive(Args, Clone)]
pub struct NewServerArgs {
    /// Name of the server, of its crate and of its folder
    pub name: String,
    /// Make the folder in this one, outside of the tree, instead of servers/
    #[arg(long, value_name = "FOLDER")]
    pub path: Option<PathBuf>,
    /// Enter it into servers.ini too, so that every boot starts it
    #[arg(long, conflicts_with = "path")]
    pub boot: bool,
}

/// Makes the server, and says how it is run.
///
/// # Errors
/// The name is none or is taken, or files cannot be written.
pub fn run(context: &Context, args: &NewServerArgs) -> Result<()> {
    let name = &args.name;
    let folder = make(context, args)?;
    let (shown, test) = match &args.path {
        Some(_) => (
            folder.display().to_string(),
            format!("cargo test --manifest-path {}/Cargo.toml", folder.display()),
        ),
        None => (format!("servers/{name}"), format!("cargo test -p {name}")),
    };
    let server = if args.path.is_some() { &shown } else { name };
    println!("made {shown}: the protocol is in src/lib.rs\n\n    {test}");
    if args.boot {
        println!("    cargo xtask qemu");
    } else {
        println!("    cargo xtask qemu --server \"{server} service\" --server \"{name}-client uses={name}\"");
    }
    Ok(())
}

/// Makes the server, and gives its folder.
///
/// # Errors
/// As [`run`].
pub fn make(context: &Context, args: &NewServerArgs) -> Result<PathBuf> {
    setup::ensure(context, &[Need::Rustfmt])?;
    let name = &args.name;
    check_name(name)?;
    check_free(context, name)?;
    let folder = match &args.path {
        Some(path) => std::path::absolute(path)?.join(name),
        None => context.root.join("servers").join(name),
    };
    ensure!(!folder.exists(), "{} exists already; choose another name or remove it", folder.display());
    let inside = folder.starts_with(&context.root);
    ensure!(
        args.path.is_none() || !inside,
        "{} is inside of Selkie's tree; leave out --path to make servers/{name}",
        folder.display()
    );
    let libsel = context.root.join("libsel");
    let manifest = if inside { TREE_MANIFEST } else { OUTSIDE_MANIFEST };
    let manifest = manifest.replace("@targets@", TARGETS).replace("@libsel@", &libsel.display().to_string());
    write(&folder.join("Cargo.toml"), &fill(&manifest, name))?;
    for (path, text) in FILES {
        write(&folder.join(path), &fill(text, name))?;
    }
    if inside {
        enter(context, name, args.boot)?;
    } else {
        // The versions of further crates that Selkie is tested with; cargo leaves out what is not needed.
        fs::copy(context.root.join("Cargo.lock"), folder.join("Cargo.lock"))?;
        write(&folder.join(".gitignore"), "/target\n")?;
    }
    // The lengths of names decide where lines break.
    let _stand = context.shell.push_dir(&folder);
    let style = context.root.join("rustfmt.toml");
    context.run_silently(context.cargo().args(["fmt", "--", "--config-path"]).arg(style))?;
    Ok(folder)
}

fn write(path: &Path, text: &str) -> Result<()> {
    let folder = path.parent().context("a file without a folder")?;
    fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// Whether a text can be the name of a server, a package and a folder.
fn check_name(name: &str) -> Result<()> {
    let valid = name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        && !name.ends_with('-')
        && !name.contains("--");
    ensure!(
        valid,
        "`{name}` is no name for a server; use lower-case letters, digits and single `-`, a letter first: `my-clock`"
    );
    ensure!(name.len() <= NAME_BYTES, "`{name}` is too long; a name has at most {NAME_BYTES} letters");
    ensure!(!RESERVED.contains(&name), "`{name}` has a meaning in Rust or Selkie; choose another name");
    Ok(())
}

/// Whether nothing that boots or is built has the name, nor its client's.
fn check_free(context: &Context, name: &str) -> Result<()> {
    let mut packages = build::packages(&context.root)?;
    packages.extend(build::host_libraries(&context.root)?);
    packages.push("xtask".into());
    let conf = fs::read_to_string(context.root.join("limine.conf"))?;
    let entry = limine_conf::parse(&conf)?;
    let manifest = Manifest::read(context, &ImageArgs::default())?;
    for name in [name, &format!("{name}-client")] {
        let booted = entry.files().contains(&format!("boot/{name}").as_str())
            || manifest.servers().any(|server| server.name == name);
        if booted || packages.iter().any(|package| package == name) {
            bail!("the name `{name}` is taken; choose another one");
        }
    }
    Ok(())
}

/// The template's text for a server of this name.
fn fill(text: &str, name: &str) -> String {
    let capital = |word: &str| {
        let (first, rest) = word.split_at(word.len().min(1));
        first.to_uppercase() + rest
    };
    let type_name: String = name.split('-').map(capital).collect();
    text.replace("@name@", name).replace("@module@", &name.replace('-', "_")).replace("@Type@", &type_name)
}

/// Enters the server into the workspace and, if every boot is to start it, into `servers.ini` and `limine.conf`.
fn enter(context: &Context, name: &str, boot: bool) -> Result<()> {
    let manifest = context.root.join("Cargo.toml");
    let text = fs::read_to_string(&manifest)?;
    write(&manifest, &with_member(&text, name)?)?;
    if boot {
        let conf = context.root.join("limine.conf");
        let text = fs::read_to_string(&conf)?;
        let images = [name.to_string(), format!("{name}-client")];
        write(&conf, &limine_conf::with_files(&text, &images)?)?;
        let list = context.root.join(FILE_NAME);
        let mut text = fs::read_to_string(&list)?;
        for server in [format!("{name} service"), format!("{name}-client uses={name}")] {
            text = manifest::append(&text, &manifest::section(&server)?);
        }
        write(&list, &text)?;
    }
    Ok(())
}

/// The workspace's manifest with one more server, in order of name.
fn with_member(text: &str, name: &str) -> Result<String> {
    let mut lines: Vec<&str> = text.lines().collect();
    let line = format!("    \"servers/{name}\",");
    let is_server = |line: &&str| line.trim_start().starts_with("\"servers/");
    let last = lines.iter().rposition(is_server).context("Cargo.toml lists no servers among its members")?;
    let at = lines.iter().position(|other| is_server(other) && *other > line.as_str()).unwrap_or(last + 1);
    lines.insert(at, &line);
    Ok(lines.join("\n") + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_names_are_told() {
        for name in ["clock", "my-clock2", "a"] {
            check_name(name).unwrap();
        }
        for name in ["", "Clock", "2a", "-a", "a-", "a--b", "a_b", "a/b", "..", "é"] {
            assert!(check_name(name).unwrap_err().to_string().contains("is no name"), "{name}");
        }
        assert!(check_name(&"a".repeat(26)).unwrap_err().to_string().contains("too long"));
        assert!(check_name("match").unwrap_err().to_string().contains("a meaning"));
    }

    #[test]
    fn taken_names_are_told() {
        let context = Context::new(false).unwrap();
        check_free(&context, "not-there-yet").unwrap();
        for name in ["hello", "kernel", "xtask", "libsel", "console"] {
            assert!(check_free(&context, name).unwrap_err().to_string().contains("is taken"), "{name}");
        }
    }

    #[test]
    fn names_become_types_and_modules() {
        assert_eq!(fill("@name@ @module@ @Type@", "my-clock"), "my-clock my_clock MyClock");
        for (path, text) in FILES {
            assert!(!fill(text, "a").contains('@'), "{path}");
        }
    }

    #[test]
    fn members_stay_in_order() {
        let text =
            "members = [\n    \"libsel\",\n    \"servers/b\",\n    \"servers/d\",\n    \"xtask\",\n]\n";
        for (name, line) in [("a", 2), ("c", 3), ("e", 4)] {
            let entered = with_member(text, name).unwrap();
            assert_eq!(entered.lines().nth(line), Some(format!("    \"servers/{name}\",").as_str()));
            assert_eq!(entered.lines().count(), text.lines().count() + 1);
        }
        assert!(with_member("members = []\n", "a").is_err());
        let own = include_str!("../../Cargo.toml");
        assert!(with_member(own, "zz").unwrap().contains("    \"servers/zz\",\n    \"xtask\",\n"));
    }
}
