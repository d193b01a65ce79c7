//! Ending the machine: QEMU's isa-debug-exit device, named by a word of the command line.

/// The word that names the device's port; where there are several, the last one counts, as for the kernel.
const PORT_WORD: &str = "debug_exit=";
/// What is added to an exit code, so that the machine's status differs from QEMU's own (0, 1, …).
pub const CODE_BASE: u8 = 0x10;

/// The port that a command line names.
pub fn port(command_line: &str) -> Option<u16> {
    let text = command_line.split_ascii_whitespace().rev().find_map(|word| word.strip_prefix(PORT_WORD))?;
    match text.strip_prefix("0x") {
        Some(digits) => u16::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_counts() {
        assert_eq!(port("root_cnode_bits=16 debug_exit=0xf4 exit_when_done"), Some(0xf4));
        assert_eq!(port("debug_exit=0xf4 debug_exit=501"), Some(501));
        assert_eq!(port("debug_exit=0xf4 debug_exit=0x12345"), None);
        assert_eq!(port("xdebug_exit=0xf4"), None);
        assert_eq!(port(""), None);
    }
}
