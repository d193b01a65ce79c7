//! Words of the command line that concern directboot itself.

/// The I/O port given by the word `debug_exit=PORT` (hexadecimal with `0x`, else decimal), the last one if several.
///
/// QEMU's `isa-debug-exit` device listens there; see `exit` in the binary.
pub fn debug_exit_port(command_line: &str) -> Option<u16> {
    command_line
        .split_ascii_whitespace()
        .filter_map(|word| word.strip_prefix("debug_exit="))
        .next_back()
        .and_then(|value| match value.strip_prefix("0x") {
            Some(digits) => u16::from_str_radix(digits, 16).ok(),
            None => value.parse().ok(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_port() {
        assert_eq!(debug_exit_port("domains=2 debug_exit=0xf4 x"), Some(0xf4));
        assert_eq!(debug_exit_port("debug_exit=244"), Some(0xf4));
        assert_eq!(debug_exit_port("nodebug_exit=0xf4"), None);
        assert_eq!(debug_exit_port("debug_exit=0x12345"), None);
        assert_eq!(debug_exit_port(""), None);
    }
}
