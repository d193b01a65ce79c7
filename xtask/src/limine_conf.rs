//! Reader and rewriter of `limine.conf`, the list of what is booted.
//!
//! Read is the first menu entry (the default one): `path`, `cmdline` and the `module_path`/`module_string` pairs, also
//! under Limine's longer names `kernel_path`, `kernel_cmdline`, `module_cmdline`. Keys ignore case, as in Limine.
use anyhow::{Result, bail, ensure};

/// What the first menu entry boots. Paths are those in the archive, such as `boot/selkie`.
#[derive(Debug, PartialEq, Eq)]
pub struct BootEntry {
    /// The kernel's file.
    pub kernel: String,
    /// The modules, in order.
    pub modules: Vec<Module>,
}

/// A boot module.
#[derive(Debug, PartialEq, Eq)]
pub struct Module {
    /// Path in the archive.
    pub path: String,
    /// Its string: `root`, `manifest`, or `file NAME`.
    pub string: String,
}

impl BootEntry {
    /// The root task's path: that of the first module with the string `root`.
    pub fn root_task(&self) -> Option<&str> {
        self.path_of("root")
    }

    /// The path of the first module with this string.
    pub fn path_of(&self, string: &str) -> Option<&str> {
        self.modules.iter().find(|module| module.string == string).map(|module| module.path.as_str())
    }

    /// Every file that the entry names, each once, kernel first.
    pub fn files(&self) -> Vec<&str> {
        let mut files = vec![self.kernel.as_str()];
        for module in &self.modules {
            if !files.contains(&module.path.as_str()) {
                files.push(&module.path);
            }
        }
        files
    }
}

/// Reads the first menu entry of `text`.
///
/// # Errors
/// There is no entry or it has no `path`; a path is not on the boot volume; a module string has no module.
pub fn parse(text: &str) -> Result<BootEntry> {
    let mut kernel = None;
    let mut modules: Vec<Module> = Vec::new();
    for (index, line) in entry_lines(text)? {
        let number = index + 1;
        let Some((key, value)) = option(line) else { continue };
        match key.as_str() {
            "path" | "kernel_path" => kernel = Some(archive_path(value, number)?),
            "module_path" => {
                modules.push(Module { path: archive_path(value, number)?, string: String::new() });
            }
            "module_string" | "module_cmdline" => match modules.last_mut() {
                Some(module) if module.string.is_empty() => module.string = value.to_string(),
                _ => bail!("limine.conf:{number}: a module_string must follow its module_path"),
            },
            _ => {}
        }
    }
    match kernel {
        Some(kernel) => Ok(BootEntry { kernel, modules }),
        None => bail!("limine.conf: the first entry has no `path:`; name the kernel there"),
    }
}

/// `text` with `words` added to the kernel command line of its first menu entry.
///
/// # Errors
/// There is no menu entry.
pub fn with_command_line(text: &str, words: &str) -> Result<String> {
    if words.is_empty() {
        return Ok(text.to_string());
    }
    let entry = entry_lines(text)?;
    let is_command_line =
        |line: &str| option(line).is_some_and(|(key, _)| key == "cmdline" || key == "kernel_cmdline");
    let mut lines: Vec<String> = text.lines().map(String::from).collect();
    match entry.iter().find(|(_, line)| is_command_line(line)) {
        Some(&(index, line)) => lines[index] = format!("{} {words}", line.trim_end()),
        None => {
            let end = entry.last().map_or(lines.len(), |(index, _)| index + 1);
            lines.insert(end, format!("    cmdline: {words}"));
        }
    }
    Ok(lines.join("\n") + "\n")
}

/// `text` with one more boot module for each of `servers` at the end of its first menu entry, for a root task that is not
/// Selkie's: the name of a program, and words. Its string is `server NAME WORDS`.
///
/// # Errors
/// There is no menu entry.
pub fn with_servers(text: &str, servers: &[String]) -> Result<String> {
    let module = |server: &String| {
        let name = server.split_whitespace().next().unwrap_or_default();
        (name.to_string(), format!("server {server}"))
    };
    with_modules(text, servers.iter().map(module))
}

/// `text` with one more boot module for each of `files` at the end of its first menu entry: images and data, known by
/// their names.
///
/// # Errors
/// There is no menu entry.
pub fn with_files(text: &str, files: &[String]) -> Result<String> {
    with_modules(text, files.iter().map(|name| (name.clone(), format!("file {name}"))))
}

/// `text` with modules, each a file's name and its string, at the end of its first menu entry.
fn with_modules(text: &str, modules: impl Iterator<Item = (String, String)>) -> Result<String> {
    let mut at = entry_lines(text)?.last().map_or(0, |(index, _)| index + 1);
    let mut lines: Vec<String> = text.lines().map(String::from).collect();
    for (name, string) in modules {
        lines.insert(at, format!("    module_path: boot():/boot/{name}"));
        lines.insert(at + 1, format!("    module_cmdline: {string}"));
        at += 2;
    }
    Ok(lines.join("\n") + "\n")
}

/// `text` without the boot modules that are files of these names. A name that is none of them changes nothing.
pub fn without_files(text: &str, names: &[String]) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        if let ["module_cmdline:" | "module_string:", "file", name] = words[..]
            && names.iter().any(|left_out| left_out == name)
        {
            // Its path is the line before.
            kept.pop();
        } else {
            kept.push(line);
        }
    }
    kept.join("\n") + "\n"
}

/// The lines of the first bootable menu entry with their indices in `text`. An entry that only opens a submenu (the
/// next one is a level deeper) has no options of its own.
fn entry_lines(text: &str) -> Result<Vec<(usize, &str)>> {
    let lines: Vec<(usize, &str)> = text.lines().enumerate().collect();
    let is_title = |line: &str| line.trim_start().starts_with('/');
    let mut rest = lines.as_slice();
    while let Some(title) = rest.iter().position(|(_, line)| is_title(line)) {
        rest = &rest[title + 1..];
        let end = rest.iter().position(|(_, line)| is_title(line)).unwrap_or(rest.len());
        if rest[..end].iter().any(|(_, line)| option(line).is_some_and(|(key, _)| key == "protocol")) {
            return Ok(rest[..end].to_vec());
        }
    }
    bail!("limine.conf has no menu entry with a `protocol:`; add `/Selkie` and its options")
}

/// Key (in lower case) and value of a line `key: value`; none for comments and other lines.
fn option(line: &str) -> Option<(String, &str)> {
    let line = line.trim();
    if line.starts_with('#') {
        return None;
    }
    let (key, value) = line.split_once(':')?;
    Some((key.trim().to_ascii_lowercase(), value.trim()))
}

/// `boot():/boot/x` as `boot/x`.
fn archive_path(value: &str, number: usize) -> Result<String> {
    let Some(path) = value.strip_prefix("boot():/") else {
        bail!("limine.conf:{number}: `{value}` is not on the boot volume; write boot():/boot/NAME");
    };
    ensure!(!path.is_empty(), "limine.conf:{number}: the path names no file; write boot():/boot/NAME");
    Ok(path.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# path: boot():/no\ntimeout: 0\n\n/Selkie\n    protocol: limine\n    PATH: boot():/boot/selkie\n    \
        cmdline: domains=2\n    module_path: boot():/boot/roottask\n    module_string: root\n    \
        module_path: boot():/boot/console\n    module_cmdline: server console ports=3f8-3ff\n/Other\n    \
        protocol: limine\n    path: boot():/boot/other\n    cmdline: x\n";

    #[test]
    fn servers_are_added_behind_the_others() {
        let text = "/A\n    protocol: limine\n    path: boot():/boot/k\n/B\n    protocol: linux\n";
        let servers = ["a x=1".to_string(), "b -- y".to_string()];
        let entry = parse(&with_servers(text, &servers).unwrap()).unwrap();
        let module = |path: &str, string: &str| Module { path: path.into(), string: string.into() };
        let expected = [module("boot/a", "server a x=1"), module("boot/b", "server b -- y")];
        assert_eq!(entry.modules, expected);
        assert_eq!(with_servers(text, &[]).unwrap(), text);
        let entry = parse(&with_files(text, &["c.txt".to_string()]).unwrap()).unwrap();
        assert_eq!(entry.modules, [module("boot/c.txt", "file c.txt")]);
    }

    #[test]
    fn files_are_left_out() {
        let text = with_files(TEXT, &["shell".into(), "hello".into()]).unwrap();
        let entry = parse(&without_files(&text, &["shell".into(), "none".into(), "console".into()])).unwrap();
        assert_eq!(entry.files(), ["boot/selkie", "boot/roottask", "boot/console", "boot/hello"]);
        assert_eq!(without_files(TEXT, &[]), TEXT);
    }

    #[test]
    fn the_first_entry_is_read() {
        let entry = parse(TEXT).unwrap();
        assert_eq!(entry.kernel, "boot/selkie");
        assert_eq!(entry.root_task(), Some("boot/roottask"));
        assert_eq!(entry.modules[1].string, "server console ports=3f8-3ff");
        assert_eq!(entry.files(), ["boot/selkie", "boot/roottask", "boot/console"]);
    }

    #[test]
    fn a_file_named_twice_is_listed_once() {
        let text = "/A\nprotocol: limine\npath: boot():/k\nmodule_path: boot():/m\nmodule_path: boot():/m\n";
        assert_eq!(parse(text).unwrap().files(), ["k", "m"]);
    }

    #[test]
    fn words_are_appended_to_the_first_entry_only() {
        let text = with_command_line(TEXT, "a b=1").unwrap();
        assert!(text.contains("    cmdline: domains=2 a b=1\n"));
        assert!(text.contains("    cmdline: x\n"));
        assert_eq!(text.lines().count(), TEXT.lines().count());
        assert_eq!(with_command_line(TEXT, "").unwrap(), TEXT);
    }

    #[test]
    fn a_missing_command_line_is_added_inside_the_entry() {
        let text =
            "/A\n    protocol: limine\n    path: boot():/k\n/B\n    protocol: limine\n    path: boot():/l\n";
        let lines = with_command_line(text, "w").unwrap();
        assert_eq!(lines.lines().nth(3), Some("    cmdline: w"));
        assert_eq!(lines.lines().nth(4), Some("/B"));
    }

    #[test]
    fn an_empty_command_line_takes_words() {
        let text = with_command_line("/A\n  protocol: limine\n  path: boot():/k\n  cmdline:\n", "w").unwrap();
        assert!(text.ends_with("  cmdline: w\n"));
    }

    #[test]
    fn a_submenu_title_is_passed_over() {
        let text = "/+Systems\n  comment: all\n//One\n  protocol: limine\n  path: boot():/k\n";
        assert_eq!(parse(text).unwrap().kernel, "k");
    }

    #[test]
    fn mistakes_name_the_line() {
        let message = |text: &str| parse(text).unwrap_err().to_string();
        assert!(message("timeout: 0\n").contains("no menu entry"));
        assert!(message("/A\nprotocol: limine\n").contains("no `path:`"));
        assert!(message("/A\nprotocol: limine\npath: hdd(0:1):/k\n").starts_with("limine.conf:3:"));
        assert!(message("/A\nprotocol: limine\nmodule_string: root\n").starts_with("limine.conf:3:"));
        assert!(message("/A\nprotocol: limine\npath: boot():/\n").contains("names no file"));
    }

    #[test]
    fn the_workspaces_own_list_is_readable() {
        let text = include_str!("../../limine.conf");
        let entry = parse(text).unwrap();
        assert_eq!(entry.kernel, "boot/selkie");
        assert!(entry.root_task().is_some());
        assert_eq!(entry.path_of("manifest"), Some("boot/servers.ini"));
        // Every server of the manifest beside it finds its image.
        let manifest = include_bytes!("../../servers.ini");
        for server in roottask::manifest::read(manifest).flatten() {
            assert!(entry.path_of(&format!("file {}", server.image)).is_some(), "{}", server.name);
        }
    }
}
