//! Writer of cpio archives in the "newc" format: the boot archive.
//!
//! A member is a header of 110 ASCII characters (6 of magic, 13 fields of 8 hexadecimal digits), the name with its final
//! zero, padding to 4 bytes, the data, padding to 4 bytes. A member named `TRAILER!!!` ends the archive.
use anyhow::{Result, ensure};

/// Mode of a member: a regular file that everybody may read.
const MODE_REGULAR_FILE: u32 = 0o100_644;

/// An archive in the making. No member carries a time or an owner, so that equal files give equal archives.
#[derive(Default)]
pub struct Writer {
    bytes: Vec<u8>,
    members: u32,
}

impl Writer {
    /// Adds the file `name` (path without a leading slash) with the content `data`.
    ///
    /// # Errors
    /// The file is larger than the format's limit of 4 GiB.
    pub fn add(&mut self, name: &str, data: &[u8]) -> Result<()> {
        ensure!(u32::try_from(data.len()).is_ok(), "{name} is too large for a cpio archive (4 GiB)");
        self.members += 1;
        self.member(name, MODE_REGULAR_FILE, data);
        Ok(())
    }

    /// Ends the archive and gives its bytes.
    pub fn finish(mut self) -> Vec<u8> {
        self.members = 0;
        self.member("TRAILER!!!", 0, &[]);
        self.bytes
    }

    fn member(&mut self, name: &str, mode: u32, data: &[u8]) {
        let inode = self.members;
        let (name_bytes, data_bytes) = (name.len() + 1, data.len());
        // inode, mode, owner, group, links, time, size, 2 × device, 2 × device of a special file, name size, check
        let header = format!(
            "070701{inode:08x}{mode:08x}{0:08x}{0:08x}{1:08x}{0:08x}{data_bytes:08x}{0:08x}{0:08x}{0:08x}{0:08x}\
             {name_bytes:08x}{0:08x}",
            0, 1
        );
        self.bytes.extend_from_slice(header.as_bytes());
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(data);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Vec<u8> {
        let mut writer = Writer::default();
        writer.add("a.txt", b"hello").unwrap();
        writer.add("boot/selkie", &[0x7f; 8]).unwrap();
        writer.finish()
    }

    #[test]
    fn headers_have_thirteen_fields_in_order() {
        let bytes = sample();
        let header = std::str::from_utf8(&bytes[..110]).unwrap();
        let fields: Vec<u32> =
            (0..13).map(|i| u32::from_str_radix(&header[6 + i * 8..14 + i * 8], 16).unwrap()).collect();
        assert_eq!(&header[..6], "070701");
        assert_eq!(fields, [1, 0o100_644, 0, 0, 1, 0, 5, 0, 0, 0, 0, 6, 0]);
    }

    #[test]
    fn names_and_data_are_padded_to_four_bytes() {
        let bytes = sample();
        assert_eq!(&bytes[110..116], b"a.txt\0");
        assert_eq!(&bytes[116..121], b"hello");
        assert_eq!(&bytes[124..130], b"070701");
        assert_eq!(bytes.len() % 4, 0);
    }

    #[test]
    fn the_trailer_is_last() {
        let bytes = sample();
        assert_eq!(&bytes[bytes.len() - 124 + 110..][..11], b"TRAILER!!!\0");
    }

    #[test]
    fn the_cpio_tool_reads_it() {
        use std::io::Write;
        use std::process::{Command, Stdio};
        let Ok(mut child) =
            Command::new("cpio").args(["-t", "--quiet"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()
        else {
            return; // not installed here
        };
        child.stdin.take().unwrap().write_all(&sample()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success());
        assert_eq!(output.stdout, b"a.txt\nboot/selkie\n");
    }
}
