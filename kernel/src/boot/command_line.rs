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
    let mut config = Config { labels: labels(line), ..Config::default() };
    for (key, range, field) in [
        ("root_cnode_bits", ROOT_CNODE_BITS, &mut config.root_cnode_bits),
        ("domains", 1..=sel_abi::MAX_DOMAINS as u64, &mut config.domains),
    ] {
        match number(line, key) {
            Some(Ok(number)) if range.contains(&number) => *field = number as u8,
            Some(Ok(_)) => {
                log::warn!("{key} must be from {} to {}; using {field}", range.start(), range.end());
            }
            Some(Err(text)) => log::warn!("{key}={text} is not a number; using {field}"),
            None => {}
        }
    }
    config
}

/// Whether users may set FS and GS bases by instruction where the processor has one: `fsgsbase=msr` says no.
pub fn allows_base_instructions(line: &str) -> bool {
    match value(line, "fsgsbase") {
        None | Some("inst") => true,
        Some("msr") => false,
        Some(text) => {
            log::warn!("fsgsbase={text} is neither inst nor msr; using inst");
            true
        }
    }
}

/// `hardware_debug=on`, `iommu=on` and `vtx=on`: options that the root task's seL4 headers were made with.
fn labels(line: &str) -> LabelProfile {
    let on = |key| match value(line, key) {
        Some("on") => true,
        None | Some("off") => false,
        Some(text) => {
            log::warn!("{key}={text} is neither on nor off; using off");
            false
        }
    };
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
    fn base_instructions() {
        assert!(allows_base_instructions(""));
        assert!(allows_base_instructions("fsgsbase=msr fsgsbase=inst"));
        assert!(allows_base_instructions("fsgsbase=x"));
        assert!(!allows_base_instructions("fsgsbase=msr"));
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
