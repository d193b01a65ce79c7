//! The machine as it is: requests to the root task, the console, and the boot archive.

use core::sync::atomic::AtomicU64;

use crashy::{Crash, Way};
use libsel::proto::admin::{
    Capability, CapabilityInfo, Kill, Memory, MemoryInfo, Range, RangeInfo, Reboot, Server, ServerInfo,
    ServerState, Spawn,
};
use libsel::proto::ramfs::{Close, List, Open, Read, Remove, Write};
use libsel::proto::root::{Device, FileInfo, MapDevice, RootService};
use libsel::proto::start::slot;
use libsel::proto::{Client, NAME_BYTES, Name, Request, ServiceError, Text, call};
use libsel::rt::{console, start_info};
use libsel::trace::Ring;
use shell::system::{Failure, Result, System, each};
use shell::trace::Summary;

const CRASHY: &str = "crashy";
const RAMFS: &str = "ramfs";

/// The machine.
#[derive(Default)]
pub struct Live {
    files: Option<Client>,
    /// Once it was asked for.
    ring: Option<Ring<'static>>,
}

/// Bytes that are written at once.
const MAX_PART_BYTES: usize = 512;

const ROOT: RootService = RootService(slot::ROOT);

/// The kernel's ring of events, mapped for good.
fn map_ring() -> Result<Ring<'static>> {
    let device = Device::Trace;
    let mapped = call(slot::ROOT, &MapDevice { device }).map_err(|error| match error {
        ServiceError::NotFound => Failure::text(
            "this kernel keeps no trace ring; `cargo xtask trace --interactive` boots one that does",
        ),
        ServiceError::Refused => {
            Failure::text("this shell may not; give it `devices = trace` in servers.ini")
        }
        error => error.into(),
    })?;
    let words: *const AtomicU64 = core::ptr::with_exposed_provenance(mapped.address as usize);
    // SAFETY: the root task mapped so many bytes there for good; the kernel alone writes them, words at a time.
    let words = unsafe { core::slice::from_raw_parts(words, mapped.bytes as usize / size_of::<AtomicU64>()) };
    Ring::new(words).map_err(|error| Failure::Text(alloc::format!("the kernel's trace ring: {error}")))
}

/// Asks the root task as its administrator.
fn ask<R: Request>(request: &R) -> Result<R::Reply> {
    call(slot::ADMIN, request).map_err(|error| match error {
        // Nothing is in the slot.
        ServiceError::Gone => Failure::text("this shell may not; give it `admin = yes` in servers.ini"),
        error => error.into(),
    })
}

impl Live {
    /// Asks the file server; it is found at the first need, and again after a restart.
    fn files<R: Request>(&mut self, request: &R) -> Result<R::Reply> {
        let name = Name::new(RAMFS).ok_or(ServiceError::NotFound)?;
        Ok(self.files.get_or_insert_with(|| Client::new(name)).call(request)?)
    }

    /// Does something with an open file.
    fn with_file<T>(
        &mut self,
        name: &str,
        create: bool,
        work: impl FnOnce(&mut Self, u64) -> Result<T>,
    ) -> Result<T> {
        let file = self.files(&Open { create, path: Text::cut(name.as_bytes()) })?;
        let done = work(self, file);
        self.files(&Close { file })?;
        done
    }
}

impl System for Live {
    fn server(&mut self, index: u64) -> Result<ServerInfo> {
        ask(&Server { index })
    }

    fn memory(&mut self) -> Result<MemoryInfo> {
        ask(&Memory {})
    }

    fn range(&mut self, server: u8, index: u64) -> Result<RangeInfo> {
        ask(&Range { server, index })
    }

    fn capability(&mut self, server: u8, index: u64) -> Result<CapabilityInfo> {
        ask(&Capability { server, index })
    }

    fn spawn(&mut self, image: Name, arguments: &str) -> Result<()> {
        ask(&Spawn { image, arguments: Text::cut(arguments.as_bytes()) })
    }

    fn kill(&mut self, name: Name) -> Result<()> {
        ask(&Kill { name })
    }

    fn crash(&mut self, way: Way) -> Result<()> {
        let name = Name::new(CRASHY).ok_or(ServiceError::InvalidArgument)?;
        let mut runs = false;
        each(
            |index| self.server(index),
            |server| {
                runs |= server.name == name && server.state == ServerState::Running;
                Ok(())
            },
        )?;
        if runs {
            return match Client::new(name).call(&Crash { way }) {
                Err(ServiceError::Gone) => Ok(()),
                Err(error) => Err(error.into()),
                Ok(()) => Err(Failure::text("crashy went on")),
            };
        }
        self.spawn(name, &alloc::format!("fault={}", way.name())).map_err(|failure| {
            failure.explain(ServiceError::NotFound, || {
                "crashy is not in the boot archive; boot with `--server crashy`".into()
            })
        })
    }

    fn reboot(&mut self) -> Result<()> {
        ask(&Reboot {})
    }

    fn trace(&mut self) -> Result<Summary> {
        let ring = match self.ring {
            Some(ring) => ring,
            None => *self.ring.insert(map_ring()?),
        };
        let mut summary = Summary::new(ring.tsc_hz());
        ring.names().chain(ring.events()).for_each(|record| summary.add(&record));
        Ok(summary)
    }

    fn image(&mut self, index: u64) -> Result<FileInfo> {
        Ok(ROOT.boot_file(index)?)
    }

    fn file(&mut self, place: u64) -> Result<(FileInfo, u64)> {
        let entry = self.files(&List { place })?;
        let path = core::str::from_utf8(entry.path.as_bytes()).unwrap_or("?");
        let shown = path.get(..path.floor_char_boundary(NAME_BYTES)).unwrap_or(path);
        let name = Name::new(shown).ok_or(ServiceError::BadReply)?;
        Ok((FileInfo { name, bytes: entry.bytes }, entry.place + 1))
    }

    fn read(&mut self, name: &str, offset: u64, into: &mut [u8]) -> Result<usize> {
        self.with_file(name, false, |live, file| {
            let part = live.files(&Read { file, offset, bytes: into.len() as u64 })?;
            for (to, from) in into.iter_mut().zip(part.as_bytes()) {
                *to = *from;
            }
            Ok(part.as_bytes().len())
        })
    }

    fn write(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        match self.remove(name) {
            Ok(()) | Err(Failure::Service(ServiceError::NotFound)) => {}
            Err(failure) => return Err(failure),
        }
        self.with_file(name, true, |live, file| {
            let mut offset = 0;
            for part in bytes.chunks(MAX_PART_BYTES) {
                live.files(&Write { file, offset, content: Text::cut(part) })?;
                offset += part.len() as u64;
            }
            Ok(())
        })
    }

    fn remove(&mut self, name: &str) -> Result<()> {
        self.files(&Remove { path: Text::cut(name.as_bytes()) })
    }

    fn ticks(&mut self) -> u64 {
        libsel::rt::ticks()
    }

    fn ticks_per_second(&mut self) -> u64 {
        start_info().map_or(0, |info| info.tsc_hz)
    }

    fn call_console(&mut self) -> Result<()> {
        Ok(console::ping()?)
    }

    fn call_root(&mut self) -> Result<()> {
        ROOT.stats()?;
        Ok(())
    }
}
