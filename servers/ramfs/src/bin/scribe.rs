//! A client that writes a file, reads it again, and looks at those of the boot archive.
#![cfg_attr(target_os = "none", no_std, no_main)]

use libsel::println;
use libsel::proto::ramfs::{Close, List, Open, Read, Remove, Stat, Write};
use libsel::proto::{Client, Name, ServiceError, Text};

const MAGIC: &[u8] = b"\x7fELF";

#[libsel::main]
fn main() -> Result<(), ServiceError> {
    let files = Client::new(Name::new("ramfs").ok_or(ServiceError::InvalidArgument)?);
    let path = |text: &str| Text::cut(text.as_bytes());
    let open = |name, create| files.call(&Open { path: path(name), create });

    let image = open("scribe", false)?;
    let start = files.call(&Read { file: image, offset: 0, bytes: 4 })?;
    assert_eq!(start.as_bytes(), MAGIC, "my own image");
    let refused = files.call(&Write { file: image, offset: 0, content: path("x") });
    assert!(refused.is_err(), "the boot archive cannot be written");

    let note = open("note", true)?;
    let line = "written by scribe\n";
    for number in 0..1000u64 {
        let offset = number * line.len() as u64;
        files.call(&Write { file: note, offset, content: path(line) })?;
    }
    let size = files.call(&Stat { file: note })?.bytes;
    assert_eq!(size, 1000 * line.len() as u64);
    let last = files.call(&Read { file: note, offset: size - line.len() as u64, bytes: 100 })?;
    assert_eq!(last.as_bytes(), line.as_bytes());
    files.call(&Close { file: note })?;
    let mut place = 0;
    let mut listed = 0;
    while let Ok(entry) = files.call(&List { place }) {
        place = entry.place + 1;
        listed += 1;
    }
    files.call(&Remove { path: path("note") })?;
    assert_eq!(open("note", false), Err(ServiceError::NotFound));
    println!("wrote {size} bytes, read them, removed them; saw {listed} files");
    Ok(())
}
