//! The file server's loop.
#![cfg_attr(target_os = "none", no_std, no_main)]

use libsel::println;
use libsel::proto::ramfs::RamfsRequest;
use libsel::proto::root::RootService;
use libsel::proto::start::{StartInfo, slot};
use ramfs::files::Files;
use ramfs::service::Ramfs;

/// Bytes of the files that clients make, if the argument `limit=` does not say.
const DEFAULT_LIMIT: usize = 8 << 20;

#[libsel::main]
fn main(start: &StartInfo) {
    let limit = start.argument("limit").and_then(|bytes| bytes.parse().ok()).unwrap_or(DEFAULT_LIMIT);
    let mut files = Files::new(limit);
    add_boot_files(&mut files);
    libsel::proto::serve::<RamfsRequest, _>(&mut Ramfs { files })
}

/// Enters the files of the boot archive, read-only and where they lie. One that cannot be had is left out.
fn add_boot_files(files: &mut Files<'static>) {
    let root = RootService(slot::ROOT);
    for index in 0.. {
        let Ok(file) = root.boot_file(index) else { return };
        let added = root.map_boot_file(index).and_then(|address| {
            let start = core::ptr::with_exposed_provenance(address as usize);
            // SAFETY: the root task mapped the whole file there, readable and for good; nobody writes it.
            let bytes: &'static [u8] = unsafe { core::slice::from_raw_parts(start, file.bytes as usize) };
            files.add(file.name.as_str(), bytes)
        });
        if let Err(error) = added {
            println!("{} of the boot archive is left out: {error}", file.name);
        }
    }
}
