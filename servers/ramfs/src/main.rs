//! The file server's loop.
#![cfg_attr(target_os = "none", no_std, no_main)]

use libsel::proto::ramfs::RamfsRequest;
use libsel::proto::start::StartInfo;
use ramfs::files::Files;
use ramfs::service::Ramfs;

/// Bytes of the files that clients make, if the argument `limit=` does not say.
const DEFAULT_LIMIT: usize = 8 << 20;

#[libsel::main]
fn main(start: &StartInfo) {
    let limit = start.argument("limit").and_then(|bytes| bytes.parse().ok()).unwrap_or(DEFAULT_LIMIT);
    libsel::proto::serve::<RamfsRequest, _>(&mut Ramfs { files: Files::new(limit) })
}
