//! The kernel's command line: words of the form `key=value`, separated by spaces. Unknown words are somebody else's.
#![forbid(unsafe_code)]

use core::ops::RangeInclusive;

use sel_abi::LabelProfile;

use crate::state::Config;

/// The value of the last `key=value` word: the words that a loader appends win.
pub fn value<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    line.split_ascii_whitespace().rev().find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
}

/// The number of the last `key=number` word, decimal or with `0x`. `Err` is the text that is not a number.
pub fn number<'a>(line: &'a str, key: &str) -> Option<Result<u64, &'a str>> {
    let text = value(line, key)?;
    let parsed = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    Some(parsed.map_err(|_| text))
}

/// The choices that users can see; a value that cannot be is left at its default, with a warning.
pub fn config(line: &str) -> Config {
    let mut config = Config {
        set_tls_base: other(line, FS_GS_BASE),
        avx: other(line, REGISTERS),
        counters: other(line, COUNTERS),
        labels: labels(line),
        ..Config::default()
    };
    for (key, range, field) in [
        ("root_cnode_bits", ROOT_CNODE_BITS, &mut config.root_cnode_bits),
        ("domains", 1..=sel_abi::MAX_DOMAINS as u64, &mut config.domains),
        ("nodes", 1..=1, &mut 1),
    ] {
        match number(line, key) {
            Some(Ok(number)) if range.contains(&number) => *field = number as u8,
            Some(Ok(_)) if range.start() == range.end() => {
                log::warn!("{key} can only be {field} in this kernel; using {field}");
            }
            Some(Ok(_)) => {
                log::warn!("{key} must be from {} to {}; using {field}", range.start(), range.end());
            }
            Some(Err(text)) => log::warn!("{key}={text} is not a number; using {field}"),
            None => {}
        }
    }
    config
}

/// A word with two values, of which the first is the default.
type Choice = (&'static str, [&'static str; 2]);

/// How users set their FS and GS bases: by instruction where the processor has one, or by a system call.
const FS_GS_BASE: Choice = ("fsgsbase", ["inst", "msr"]);
/// Registers of a thread beyond the general ones: with AVX, a TCB is larger.
const REGISTERS: Choice = ("xsave", ["sse", "avx"]);
/// Performance counters for users.
const COUNTERS: Choice = ("pmc", ["off", "on"]);
/// Tags of the TLB, where the processor has them.
const TAGS: Choice = ("pcid", ["on", "off"]);

/// True for the second value of a word. Any value but the two is the first, with a warning.
fn other(line: &str, (key, [usual, other]): Choice) -> bool {
    match value(line, key) {
        None => false,
        Some(text) if text == usual => false,
        Some(text) if text == other => true,
        Some(text) => {
            log::warn!("{key}={text} is neither {usual} nor {other}; using {usual}");
            false
        }
    }
}

/// `pcid=off`: TLB entries get no tags.
pub fn refuses_tags(line: &str) -> bool {
    other(line, TAGS)
}

/// True if `fsgsbase=inst` is asked for in words, not by default.
pub fn demands_base_instructions(line: &str) -> bool {
    value(line, FS_GS_BASE.0) == Some(FS_GS_BASE.1[0])
}

/// Options that the root task's seL4 headers were made with.
fn labels(line: &str) -> LabelProfile {
    let on = |key| other(line, (key, ["off", "on"]));
    LabelProfile { hardware_debug: on("hardware_debug"), iommu: on("iommu"), vtx: on("vtx") }
}

/// Sizes of the root CNode that can hold the first capabilities and fit into memory.
const ROOT_CNODE_BITS: RangeInclusive<u64> = 8..=24;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_that_move_labels() {
        let chosen = |line| {
            let LabelProfile { hardware_debug, iommu, vtx } = config(line).labels;
            (hardware_debug, iommu, vtx)
        };
        assert_eq!(chosen(""), (false, false, false));
        assert_eq!(chosen("iommu=on hardware_debug=on"), (true, true, false));
        assert_eq!(chosen("vtx=on iommu=on iommu=off hardware_debug=yes"), (false, false, true));
    }

    #[test]
    fn words_with_two_values() {
        let chosen = |line| {
            let Config { set_tls_base, avx, counters, .. } = config(line);
            (set_tls_base, avx, counters)
        };
        assert_eq!(chosen(""), (false, false, false));
        assert_eq!(chosen("fsgsbase=msr xsave=avx pmc=on"), (true, true, true));
        assert_eq!(chosen("fsgsbase=msr fsgsbase=inst xsave=sse pmc=off"), (false, false, false));
        assert_eq!(chosen("fsgsbase=x xsave= pmc=ON"), (false, false, false), "neither value");
        assert_eq!(
            (refuses_tags(""), refuses_tags("pcid=off"), refuses_tags("pcid=0")),
            (false, true, false)
        );
        assert!(demands_base_instructions("fsgsbase=inst"));
        assert!(!demands_base_instructions("") && !demands_base_instructions("fsgsbase=msr"));
    }

    #[test]
    fn choices() {
        let config = |line| {
            let config = super::config(line);
            (config.root_cnode_bits, config.domains)
        };
        assert_eq!(config(""), (12, 1));
        assert_eq!(config("domains=16 root_cnode_bits=17"), (17, 16));
        assert_eq!(config("domains=17 root_cnode_bits=268"), (12, 1));
        assert_eq!(config("domains=x root_cnode_bits="), (12, 1));
        assert_eq!(config("domains=0 root_cnode_bits=7 nodes=4"), (12, 1));
    }

    #[test]
    fn the_last_word_wins() {
        let line = " a=1  ab=2\ta=3 a b= ";
        assert_eq!(value(line, "a"), Some("3"));
        assert_eq!(value(line, "ab"), Some("2"));
        assert_eq!(value(line, "b"), Some(""));
        assert_eq!(value(line, "c"), None);
        assert_eq!(value("", "a"), None);
    }

    #[test]
    fn numbers() {
        assert_eq!(number("debug_exit=0xf4", "debug_exit"), Some(Ok(0xf4)));
        assert_eq!(number("bits=17", "bits"), Some(Ok(17)));
        assert_eq!(number("bits=many", "bits"), Some(Err("many")));
        assert_eq!(number("bits=-1", "bits"), Some(Err("-1")));
        assert_eq!(number("bits=", "bits"), Some(Err("")));
        assert_eq!(number("", "bits"), None);
    }
}
