//! The machine as it is: requests to the root task, the console, and the boot archive.

use core::slice;

use libsel::proto::admin::{
    Capability, CapabilityInfo, Kill, Memory, MemoryInfo, Range, RangeInfo, Reboot, Server, ServerInfo, Spawn,
};
use libsel::proto::root::{FileInfo, RootService};
use libsel::proto::start::slot;
use libsel::proto::{Name, Request, ServiceError, Text, call};
use libsel::rt::{console, start_info};
use shell::system::{Failure, Result, System, each};

const CRASHY: &str = "crashy";

/// The machine.
#[derive(Default)]
pub struct Live {
    /// The file that was read last, and where it is mapped: it stays so.
    mapped: Option<(u64, &'static [u8])>,
}

const ROOT: RootService = RootService(slot::ROOT);

/// Asks the root task as its administrator.
fn ask<R: Request>(request: &R) -> Result<R::Reply> {
    call(slot::ADMIN, request).map_err(|error| match error {
        // Nothing is in the slot.
        ServiceError::Gone => Failure::text("this shell may not; give it `admin` where limine.conf lists it"),
        error => error.into(),
    })
}

impl Live {
    /// A file's number and size.
    fn find(&mut self, name: &str) -> Result<(u64, FileInfo)> {
        let (mut index, mut found) = (0, None);
        each(
            |at| ROOT.boot_file(at).map_err(Failure::from),
            |file| {
                if file.name.as_str() == name {
                    found = Some((index, file));
                }
                index += 1;
                Ok(())
            },
        )?;
        found.ok_or(ServiceError::NotFound.into())
    }

    /// The contents of a file.
    fn contents(&mut self, name: &str) -> Result<&'static [u8]> {
        let (index, file) = self.find(name)?;
        if let Some((known, bytes)) = self.mapped
            && known == index
        {
            return Ok(bytes);
        }
        if let Some((_, bytes)) = self.mapped.take() {
            ROOT.unmap(bytes.as_ptr().addr() as u64, bytes.len() as u64)?;
        }
        let start = core::ptr::with_exposed_provenance(ROOT.map_boot_file(index)? as usize);
        // SAFETY: the root task mapped the whole file there, and nobody writes it. It is unmapped above only, after the
        // reference in `mapped` is gone; no caller keeps its copy for longer than one read.
        let bytes: &'static [u8] = unsafe { slice::from_raw_parts(start, file.bytes as usize) };
        self.mapped = Some((index, bytes));
        Ok(bytes)
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

    fn crash(&mut self, fault: &str) -> Result<()> {
        let name = Name::new(CRASHY).ok_or(ServiceError::InvalidArgument)?;
        self.spawn(name, &alloc::format!("fault={fault}")).map_err(|failure| {
            failure.explain(ServiceError::NotFound, || {
                "crashy is not in the boot archive; boot with `--server crashy`".into()
            })
        })
    }

    fn reboot(&mut self) -> Result<()> {
        ask(&Reboot {})
    }

    fn trace(&mut self) -> Result<u64> {
        Err(Failure::text("this kernel keeps no trace ring; `cargo xtask bench` measures it from outside"))
    }

    fn image(&mut self, index: u64) -> Result<FileInfo> {
        Ok(ROOT.boot_file(index)?)
    }

    fn file(&mut self, index: u64) -> Result<FileInfo> {
        self.image(index)
    }

    fn read(&mut self, name: &str, offset: u64, into: &mut [u8]) -> Result<usize> {
        let contents = self.contents(name)?;
        let rest = contents.get(offset as usize..).unwrap_or_default();
        for (to, from) in into.iter_mut().zip(rest) {
            *to = *from;
        }
        Ok(rest.len().min(into.len()))
    }

    fn write(&mut self, _: &str, _: &[u8]) -> Result<()> {
        Err(Failure::text("the boot archive cannot be changed, and there is no other file system"))
    }

    fn remove(&mut self, name: &str) -> Result<()> {
        self.write(name, b"")
    }

    fn ticks(&mut self) -> u64 {
        // SAFETY: every x86_64 processor has the instruction, and user mode may use it (abi.md 8.6).
        unsafe { core::arch::x86_64::_rdtsc() }
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
