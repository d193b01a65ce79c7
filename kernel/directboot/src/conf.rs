//! Reader of `limine.conf`: the first menu entry, as Limine's CONFIG.md describes the format.
//!
//! Read are `protocol`, `path` (`kernel_path`), `cmdline` (`kernel_cmdline`), `module_path` and `module_string`
//! (`module_cmdline`); other options are Limine's alone and are passed over. Macros and path hashes are refused,
//! because ignoring them would boot something else than Limine would.
use core::fmt;

/// The greatest number of modules of one entry.
pub const MAX_MODULES: usize = 32;

/// A module of the entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Module<'a> {
    /// Its path in the archive, without leading slash.
    pub path: &'a str,
    /// The string that the kernel gets with it.
    pub string: &'a str,
}

/// The menu entry that is booted.
#[derive(Debug)]
pub struct Entry<'a> {
    /// The kernel's path in the archive, without leading slash.
    pub kernel_path: &'a str,
    /// The kernel command line.
    pub command_line: &'a str,
    modules: [Module<'a>; MAX_MODULES],
    module_count: usize,
}

impl<'a> Entry<'a> {
    /// The modules in their order.
    pub fn modules(&self) -> &[Module<'a>] {
        self.modules.get(..self.module_count).unwrap_or_default()
    }
}

/// What is wrong with the configuration; `line` counts from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault<'a> {
    /// The file is not UTF-8 text.
    NotText,
    /// There is no line `/Title`.
    NoEntry,
    /// The entry has no `path`.
    NoPath,
    /// The entry's `protocol` is another one, or missing (then empty).
    Protocol(&'a str),
    /// A line that is neither `option: value` nor an entry's title.
    NotAnOption(usize),
    /// A macro, `${NAME}`.
    Macro(usize),
    /// A path that does not begin with `boot():/`, or that has a hash.
    Path(usize, &'a str),
    /// A `module_string` without a `module_path` before it.
    StringWithoutModule(usize),
    /// More than [`MAX_MODULES`] modules.
    TooManyModules(usize),
}

impl fmt::Display for Fault<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotText => write!(f, "is not UTF-8 text; write it anew"),
            Self::NoEntry => write!(f, "has no menu entry; add a line `/Selkie` and its options below it"),
            Self::NoPath => write!(f, "names no kernel; add `path: boot():/boot/selkie` to the first entry"),
            Self::Protocol(name) => {
                write!(f, "asks for protocol `{name}`; give the first entry `protocol: limine`")
            }
            Self::NotAnOption(line) => {
                write!(f, "line {line}: write `option: value`, `/Title` or `# comment`")
            }
            Self::Macro(line) => write!(f, "line {line}: directboot knows no macros; write the text out"),
            Self::Path(line, path) => {
                write!(f, "line {line}: path `{path}`; write it as `boot():/folder/file`, without hash")
            }
            Self::StringWithoutModule(line) => {
                write!(f, "line {line}: no module to give the string to; put its module_path before it")
            }
            Self::TooManyModules(line) => {
                write!(f, "line {line}: more than {MAX_MODULES} modules; remove some")
            }
        }
    }
}

/// Reads the first entry of the configuration file `bytes`.
pub fn parse(bytes: &[u8]) -> Result<Entry<'_>, Fault<'_>> {
    let text = core::str::from_utf8(bytes).map_err(|_| Fault::NotText)?;
    let mut reader = Reader { entry: EMPTY, protocol: "", options_seen: false };
    let mut in_entry = false;
    for (index, line) in text.lines().enumerate() {
        let line_number = index + 1;
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if line.contains("${") {
            return Err(Fault::Macro(line_number));
        }
        if line.starts_with('/') {
            // A title without options is a folder of entries: its first entry is the one.
            if reader.options_seen {
                break;
            }
            in_entry = true;
            continue;
        }
        let (name, value) = line.split_once(':').ok_or(Fault::NotAnOption(line_number))?;
        if in_entry {
            reader.option(name.trim(), value.trim(), line_number)?;
        }
    }
    if !in_entry {
        return Err(Fault::NoEntry);
    }
    if reader.protocol != "limine" {
        return Err(Fault::Protocol(reader.protocol));
    }
    if reader.entry.kernel_path.is_empty() {
        return Err(Fault::NoPath);
    }
    Ok(reader.entry)
}

const EMPTY: Entry<'static> = Entry {
    kernel_path: "",
    command_line: "",
    modules: [Module { path: "", string: "" }; MAX_MODULES],
    module_count: 0,
};

struct Reader<'a> {
    entry: Entry<'a>,
    protocol: &'a str,
    options_seen: bool,
}

impl<'a> Reader<'a> {
    fn option(&mut self, name: &str, value: &'a str, line: usize) -> Result<(), Fault<'a>> {
        let is = |names: &[&str]| names.iter().any(|known| name.eq_ignore_ascii_case(known));
        if is(&["comment"]) {
            return Ok(());
        }
        self.options_seen = true;
        if is(&["protocol"]) {
            self.protocol = value;
        } else if is(&["path", "kernel_path"]) {
            self.entry.kernel_path = archive_path(value, line)?;
        } else if is(&["cmdline", "kernel_cmdline"]) {
            self.entry.command_line = value;
        } else if is(&["module_path"]) {
            let path = archive_path(value, line)?;
            let count = self.entry.module_count;
            let slot = self.entry.modules.get_mut(count).ok_or(Fault::TooManyModules(line))?;
            *slot = Module { path, string: "" };
            self.entry.module_count = count + 1;
        } else if is(&["module_string", "module_cmdline"]) {
            let last = self.entry.module_count.checked_sub(1);
            let module = last.and_then(|last| self.entry.modules.get_mut(last));
            module.ok_or(Fault::StringWithoutModule(line))?.string = value;
        }
        Ok(())
    }
}

fn archive_path(value: &str, line: usize) -> Result<&str, Fault<'_>> {
    let path = value.strip_prefix("boot():/").map(|path| path.trim_start_matches('/'));
    path.filter(|path| !path.is_empty() && !path.contains('#')).ok_or(Fault::Path(line, value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;
    use std::string::String;

    #[test]
    fn reads_the_first_entry() {
        let text = "timeout: 0\n# list\n/Selkie\n  protocol: limine\n  path: boot():/boot/selkie\n  cmdline: domains=2\n\
                    module_path: boot():/boot/roottask\r\nMODULE_STRING: root\nmodule_path: boot():/boot/console\n\
                    module_cmdline: server console ports=3f8-3ff\nresolution: 640x480\n/Other\npath: boot():/x\n";
        let entry = parse(text.as_bytes()).unwrap();
        assert_eq!((entry.kernel_path, entry.command_line), ("boot/selkie", "domains=2"));
        assert_eq!(
            entry.modules(),
            [
                Module { path: "boot/roottask", string: "root" },
                Module { path: "boot/console", string: "server console ports=3f8-3ff" },
            ]
        );
    }

    #[test]
    fn reads_the_projects_own_file() {
        let entry = parse(include_bytes!("../../../limine.conf")).unwrap();
        assert_eq!(entry.kernel_path, "boot/selkie");
        assert_eq!(entry.modules().first().map(|module| module.string), Some("root"));
    }

    #[test]
    fn a_folder_gives_its_first_entry() {
        let text =
            "/+Systems\ncomment: all\n//Selkie\nprotocol: limine\nkernel_path: boot():/k\nkernel_cmdline: a";
        let entry = parse(text.as_bytes()).unwrap();
        assert_eq!((entry.kernel_path, entry.command_line, entry.modules().len()), ("k", "a", 0));
    }

    #[test]
    fn faults_name_their_line() {
        let fault = |text: &'static str| parse(text.as_bytes()).unwrap_err();
        assert_eq!(fault("timeout: 0"), Fault::NoEntry);
        assert_eq!(fault("/a\nprotocol: limine"), Fault::NoPath);
        assert_eq!(fault("/a\nprotocol: linux\npath: boot():/k"), Fault::Protocol("linux"));
        assert_eq!(fault("/a\nprotocol limine"), Fault::NotAnOption(2));
        assert_eq!(fault("/a\npath: ${K}"), Fault::Macro(2));
        assert_eq!(fault("/a\n\npath: hdd(1:1):/k"), Fault::Path(3, "hdd(1:1):/k"));
        assert_eq!(fault("/a\npath: boot():/k#00ff"), Fault::Path(2, "boot():/k#00ff"));
        assert_eq!(fault("/a\nmodule_string: x"), Fault::StringWithoutModule(2));
        assert_eq!(parse(b"/a\xff").unwrap_err(), Fault::NotText);
    }

    #[test]
    fn too_many_modules() {
        let mut text = String::from("/a\n");
        for index in 0..=MAX_MODULES {
            text += &format!("module_path: boot():/m{index}\n");
        }
        assert_eq!(parse(text.as_bytes()).unwrap_err(), Fault::TooManyModules(MAX_MODULES + 2));
    }
}
