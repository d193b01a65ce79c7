//! The manifest's sections, its mistakes, and that no file does harm.
use proptest::prelude::*;

use super::keys::KEYS;
use super::*;
use crate::restart::{Policy, Rules};

/// Servers and messages of a file.
fn both(file: &[u8]) -> (Vec<Entry<'_>>, Vec<String>) {
    let mut servers = Vec::new();
    let mut messages = Vec::new();
    for found in read(file) {
        match found {
            Ok(entry) => servers.push(entry),
            Err(problem) => messages.push(problem.to_string()),
        }
    }
    (servers, messages)
}

fn names(file: &str) -> Vec<&str> {
    both(file.as_bytes()).0.iter().map(|entry| entry.name).collect()
}

fn messages(file: &str) -> Vec<String> {
    both(file.as_bytes()).1
}

#[test]
fn a_full_section() {
    let file = "; the console\r\n[console]\r\nimage = vga\npriority=120\nbudget_us = 500\nperiod_us = 1000\nquota = 2M\n\
                ports = 3f8-3ff, 60\nirqs = isa 4, 1, msi 1234:11e8, msi:8086:100e\ndevices = framebuffer, pci 8086:100e\nuses = timer, ramfs\n\
                service = yes\nrestart = always\nbackoff_ms = 5\nmax_restarts = 3\nadmin = yes\n  # arguments\n\
                arguments = level=2 key = value ; this too\n\n[hello]\n";
    let (servers, messages) = both(file.as_bytes());
    assert_eq!(messages, [""; 0]);
    let entry = servers[0];
    assert_eq!((entry.name, entry.line, entry.image), ("console", 2, "vga"));
    assert_eq!(entry.ports, [Some((0x3f8, 0x3ff)), Some((0x60, 0x60))]);
    let irqs = [Irq::Isa(4), Irq::Isa(1), Irq::Msi(0x1234, 0x11e8), Irq::Msi(0x8086, 0x100e)];
    assert_eq!((&entry.irqs[..4], entry.irqs[4]), (&irqs.map(Some)[..], None));
    assert_eq!((entry.priority, entry.budget_us, entry.period_us, entry.quota), (120, 500, 1000, 2 << 20));
    assert_eq!((entry.devices, entry.admin, entry.service), ("framebuffer, pci 8086:100e", true, true));
    assert!(entry.uses.allows("ramfs") && entry.uses.allows("console") && !entry.uses.allows("shell"));
    assert_eq!(entry.restart, Rules { policy: Policy::Always, backoff_ms: 5, most: 3 });
    assert_eq!(entry.arguments, "level=2 key = value ; this too");
    assert_eq!((servers[1].name, servers[1].line), ("hello", 20));
}

#[test]
fn an_empty_section_has_the_defaults() {
    let entry = both(b"[hello]").0[0];
    assert_eq!((entry.image, entry.arguments, entry.devices), ("hello", "", ""));
    assert_eq!((entry.priority, entry.budget_us, entry.period_us), (100, 10_000, 10_000));
    assert_eq!((entry.quota, entry.service, entry.admin), (128 << 20, false, false));
    assert_eq!(entry.restart, Rules { policy: Policy::Never, backoff_ms: 100, most: 10 });
    assert!(!entry.uses.allows("timer"));
    assert_eq!(both(b"[a]\nservice = yes").0[0].restart.policy, Policy::OnFailure);
    assert_eq!(both(b"[a]\nrestart = never\nservice = yes").0[0].restart.policy, Policy::Never);
    let lists = both(b"[a]\nports =\nirqs = 3,\nuses = *\ndevices =\n").0[0];
    assert_eq!((lists.ports, lists.irqs[0], lists.uses.allows("x")), ([None; 2], Some(Irq::Isa(3)), true));
}

#[test]
fn mistakes_say_where_what_and_what_is_allowed() {
    for key in &KEYS {
        // The texts are those of the table; every key has one for a value that is not allowed.
        let value = match key.name {
            "quota" => "99999999999G",
            "ports" => "1,2,3",
            "arguments" => &"x".repeat(513),
            _ => "-1!",
        };
        let said = messages(&format!("[before]\n[a]\n\n{} = {value}\n[behind]", key.name));
        assert_eq!(said.len(), 2, "{said:?}");
        let (begins, ends) = (format!("4: [a] {} = ", key.name), format!(": allowed is {}", key.allowed));
        assert!(said[0].starts_with(&begins) && said[0].ends_with(&ends), "{said:?}");
        assert_eq!(said[1], "2: [a] is not started because of its mistakes");
    }
    for (line, found) in [
        ("priority = 254", "254: allowed is a number from 0 to 253"),
        ("threads = 0", "0: allowed is a number from 1 to 16"),
        ("threads = 17", "17: allowed is"),
        ("irqs = isa16", "isa16: allowed is at most 8"),
        ("irqs = 16", "16: allowed is at most 8"),
        ("irqs = msi", "msi: allowed is at most 8"),
        ("irqs = msi 8086:1000e", "msi 8086:1000e: allowed is at most 8"),
        ("ports = 9-3", "9-3: allowed is at most 2 ranges"),
        ("ports = zz", "zz: "),
        ("quota = 12Q", "12Q: "),
        ("admin = true", "true: allowed is `yes` or `no`"),
        ("service", "`service` is neither"),
        ("prio = 1", "unknown key `prio`; known are image, priority,"),
        ("Admin = yes", "unknown key `Admin`"),
        ("= yes", "unknown key ``"),
        ("quota = 1M\nquota = 2M", "3: [a] `quota` was given in line 2 already"),
        ("budget_us = 50\nperiod_us = 20", "2: [a] budget_us = 50 with period_us = 20: allowed is"),
        ("period_us = 9999", "1: [a] budget_us = 10000 with period_us = 9999"),
        ("budget_us = 19", "2: [a] budget_us = 19 with"),
    ] {
        let said = messages(&format!("[a]\n{line}\n"));
        assert!(said[0].contains(found) && said.len() == 2, "{said:?}");
    }
}

#[test]
fn every_mistake_of_a_section_is_told_and_the_others_are_read() {
    let file = "[a]\n[b]\ncolour = red\nquota = much\n[c]\nadmin = yes\n[d]\n";
    assert_eq!(names(file), ["a", "c", "d"]);
    let lines: Vec<u32> = read(file.as_bytes()).filter_map(|found| Some(found.err()?.line)).collect();
    assert_eq!(lines, [3, 4, 2]);
}

#[test]
fn a_section_that_is_none_gives_its_keys_to_no_other() {
    for broken in ["[shell", "[a b]", "[]", "[a] = [b]", "[two][", "[ramfs]"] {
        let file = format!("[ramfs]\n{broken}\nadmin = yes\nnonsense\n[hello]\n");
        let (servers, said) = both(file.as_bytes());
        let all: Vec<_> = servers.iter().map(|entry| (entry.name, entry.admin)).collect();
        assert_eq!(all, [("ramfs", false), ("hello", false)], "{broken}");
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].starts_with("2: ") && said[0].contains("left out"), "{said:?}");
    }
    // An ordinary line, even if it was meant as a section: the one that it stands in is left out.
    let (servers, said) = both(b"[ramfs]\nshell]\nadmin = yes\n[hello]\n");
    assert_eq!((servers.len(), servers[0].name, said.len()), (1, "hello", 2));
}

#[test]
fn a_second_section_of_a_name_is_left_out() {
    let file = "[a]\nquota = 1M\n[b]\n[a]\nquota = 9M\nnonsense\n[c]";
    let (servers, said) = both(file.as_bytes());
    assert_eq!(servers.iter().map(|entry| entry.quota >> 20).collect::<Vec<_>>(), [1, 128, 128]);
    assert_eq!(said, ["4: [a] a section of this name begins in line 1; this one is left out"]);
}

#[test]
fn too_many_servers_are_counted() {
    let mut file: String = (0..MOST_SERVERS + 1).map(|number| format!("[s{number}]\n")).collect();
    let said = messages(&file);
    assert_eq!(said, ["32: [s31] is left out: there are 31 servers at most"]);
    file += "quota = 1M\n[x]\n[y]\n";
    assert_eq!(names(&file).len(), MOST_SERVERS);
    assert!(messages(&file)[0].contains("and 2 more sections behind it are left out"));
}

#[test]
fn a_file_without_sections_says_so() {
    for file in ["", "\n\n", "; only\n# comments", "\u{feff}"] {
        let said = messages(file);
        assert!(said.len() == 1 && said[0].starts_with("1: no server is listed"), "{said:?}");
    }
    let said = messages("admin = yes\nword\n");
    assert!(said[0].starts_with("1: `admin` stands before the first section"), "{said:?}");
    assert!(said[1].starts_with("2: `word` is neither") && said.len() == 3, "{said:?}");
}

#[test]
fn bytes_that_are_no_text_cost_their_section() {
    let (servers, said) =
        both(b"; K\xf6ln\n[a]\n[b]\n# \xff\narguments = K\xf6ln\n[c]\n[d\xff]\nadmin = yes\n[e]");
    assert_eq!(
        servers.iter().map(|entry| (entry.name, entry.admin)).collect::<Vec<_>>(),
        [("a", false), ("c", false), ("e", false)]
    );
    assert!(said[0].starts_with("5: [b] the byte 0xf6 in column 14 is not part of UTF-8"), "{said:?}");
    assert!(said[2].starts_with("7: the byte 0xff in column 3"), "{said:?}");
    assert_eq!(said.len(), 3);
    assert_eq!(both("\u{feff}[a]\narguments = Köln\n".as_bytes()).0[0].arguments, "Köln");
}

#[test]
fn long_lines_are_cut_in_messages() {
    let long = "ä".repeat(100_000);
    for line in [format!("{long} = 1"), long.clone(), format!("quota = {long}"), format!("[{long}")] {
        let file = format!("[a]\n{line}\n[b]\n");
        assert_eq!(names(&file).last(), Some(&"b"));
        let said = messages(&file);
        assert!(said[0].len() < 600 && said[0].contains("… (20000"), "{said:?}");
    }
    // Control characters are not printed.
    assert!(messages("[a]\n\x1b[2J\n")[0].contains("`\\u{1b}[2J`"));
}

#[test]
fn modules_have_their_names() {
    let names = ["file a.txt", "manifest", "root", "file", ""].map(file_name);
    assert_eq!(names, ["a.txt", "manifest", "root", "", ""]);
    assert!(is_file("file console", "console") && !is_file("manifest", "manifest"));
    assert!(!is_file("files console", "console") && !is_file("file consoles", "console"));
}

#[test]
fn the_document_has_every_key() {
    let text = include_str!("../../../docs/manifest.md");
    for key in &KEYS {
        assert!(text.contains(&format!("\n| `{}` |", key.name)), "docs/manifest.md lacks `{}`", key.name);
    }
}

#[test]
fn the_workspaces_own_manifest_is_good() {
    let (servers, said) = both(include_bytes!("../../../servers.ini"));
    assert_eq!(said, [""; 0]);
    assert!(servers.iter().any(|entry| entry.name == "console" && entry.irqs[0] == Some(Irq::Isa(4))));
}

/// A line with something of what manifests are made of.
fn line() -> impl Strategy<Value = Vec<u8>> {
    let key = prop::sample::select(KEYS.iter().map(|key| key.name).collect::<Vec<_>>());
    let value =
        prop::sample::select(vec!["yes", "0", "16M", "1-2,", "*", "pci 1:2", "isa 4", ", ,", "\u{7f}ä"]);
    prop_oneof![
        "[a-c]".prop_map(|name| format!("[{name}]").into_bytes()),
        (key, value).prop_map(|(key, value)| format!("{key} = {value}").into_bytes()),
        "\\PC{0,20}".prop_map(String::into_bytes),
        "[\\[\\]=;#\r \ta]{0,8}".prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 0..12),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if cfg!(miri) { 4 } else { 2000 },
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn no_file_does_harm(lines in prop::collection::vec(line(), 0..40)) {
        let file = lines.join(&b'\n');
        let (servers, messages) = both(&file);
        prop_assert!(servers.len() <= MOST_SERVERS);
        prop_assert!(!servers.is_empty() || !messages.is_empty());
        for (number, entry) in servers.iter().enumerate() {
            prop_assert!(values::name(entry.name).is_some() && entry.budget_us <= entry.period_us);
            prop_assert!(servers.iter().skip(number + 1).all(|other| other.name != entry.name));
        }
        prop_assert!(messages.iter().all(|text| !text.contains('\n') && text.len() < 1000));
        // A good section at the start is there whatever follows it.
        let behind = [b"[first]\nquota = 1M\n[second]\n".as_slice(), &file].concat();
        let first = both(&behind).0.first().map(|entry| (entry.name, entry.quota));
        prop_assert_eq!(first, Some(("first", 1 << 20)));
    }
}
