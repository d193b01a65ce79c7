//! A server that goes wrong in the way it is asked to: at once (`fault=…`), or as a service (`serve`), for tests of what
//! the root task does then.
#![cfg_attr(target_os = "none", no_std, no_main)]
extern crate alloc;

use alloc::vec::Vec;
use core::arch::asm;
use core::hint::black_box;

use crashy::{Add, Crash, CrashyRequest, Way};
use libsel::proto::admin::Reboot;
use libsel::proto::root::{Map, MapFlags, Protection, RootService};
use libsel::proto::start::{StartInfo, slot};
use libsel::proto::{Answer, Caller, Handler, Service, ServiceError, call, serve};
use libsel::{println, thread};

/// An address where nothing is mapped.
const NOWHERE: usize = 0xdead_0000;
/// More than any quota.
const BLOCK_BYTES: usize = 100_000;
/// A block that goes straight to the root task and comes back.
const LARGE_BYTES: usize = 64 << 20;

/// The service's sum.
#[derive(Default)]
struct Crashy {
    sum: u64,
}

impl Service for Crashy {}

impl Handler<Add> for Crashy {
    fn handle(&mut self, request: Add, _: &mut Caller<u64>) -> Result<Answer<u64>, ServiceError> {
        self.sum = self.sum.checked_add(request.amount).ok_or(ServiceError::InvalidArgument)?;
        Ok(self.sum.into())
    }
}

impl Handler<Crash> for Crashy {
    fn handle(&mut self, request: Crash, _: &mut Caller<()>) -> Result<Answer<()>, ServiceError> {
        crash(request.way);
        println!("{:?} did not stop me", request.way);
        Ok(().into())
    }
}

fn crash(way: Way) {
    match way {
        Way::Null => {
            // SAFETY: none; this and the others below are the faults that are asked for. The kernel stops the thread
            // before anything is read, written or done.
            unsafe { asm!("mov {0}, [{0}]", inout(reg) 0u64 => _, options(nostack)) }
        }
        Way::Code => {
            let code = core::ptr::with_exposed_provenance_mut::<u8>(crash as *const () as usize);
            // SAFETY: as above.
            unsafe { code.write_volatile(0xcc) }
        }
        Way::Data => {
            // A `ret`, on the stack.
            let data = black_box([0xc3u8; 16]);
            // SAFETY: as above.
            unsafe { asm!("call {}", in(reg) data.as_ptr()) }
        }
        // SAFETY: as above.
        Way::Instruction => unsafe { asm!("ud2", options(nostack)) },
        // SAFETY: as above.
        Way::Division => unsafe {
            asm!("div {:r}", in(reg) 0u64, inout("rax") 1u64 => _, inout("rdx") 0u64 => _, options(nostack))
        },
        Way::Stack => {
            black_box(deeper(black_box(1)));
        }
        Way::Panic => panic!("as asked"),
        // SAFETY: as above.
        Way::Privilege => unsafe { asm!("cli", options(nostack)) },
        Way::Thread => {
            let ended = thread::spawn(|| crash(Way::Null)).and_then(|thread| thread.join());
            println!("the thread ended: {ended:?}");
        }
    }
}

fn deeper(depth: u64) -> u64 {
    let frame = black_box([depth; 64]);
    if depth == 0 { 0 } else { deeper(black_box(depth + 1)) + frame[(depth % 64) as usize] }
}

/// Starts threads that are there when the server ends: one waits for another one, which waits for nothing.
fn start_threads() -> Result<(), ServiceError> {
    let lasting = thread::spawn(|| {
        loop {
            thread::yield_now();
        }
    })?;
    thread::spawn(move || lasting.join().is_ok())?;
    // They are under way.
    thread::yield_now();
    thread::spawn(|| println!("a thread that ends"))?.join()
}

#[libsel::main]
fn main(start: &StartInfo) {
    if start.arguments().split_whitespace().any(|word| word == "threads")
        && let Err(error) = start_threads()
    {
        panic!("cannot start threads: {error}");
    }
    if start.arguments().split_whitespace().any(|word| word == "serve") {
        serve::<CrashyRequest, _>(&mut Crashy::default())
    }
    println!("asked to: {}", start.arguments());
    let fault = start.argument("fault");
    if let Some(way) = fault.and_then(Way::named) {
        crash(way);
    }
    match fault {
        Some("write") => {
            let nowhere = core::ptr::with_exposed_provenance_mut::<u8>(NOWHERE);
            // SAFETY: as in `crash`.
            unsafe { nowhere.write_volatile(1) }
        }
        Some("thread-panic") => {
            let ended = thread::spawn(|| crash(Way::Panic)).and_then(|thread| thread.join());
            println!("the thread ended: {ended:?}");
        }
        Some("memory") => {
            let mut blocks: Vec<Vec<u8>> = Vec::new();
            loop {
                blocks.push(alloc::vec![1; BLOCK_BYTES]);
            }
        }
        Some("promise") => {
            let (bytes, protection) = (1 << 40, Protection::READ_WRITE);
            let request = Map { address: 0, bytes, align: 0, protection, flags: MapFlags::LAZY };
            let Ok(start) = RootService(slot::ROOT).map(request) else { panic!("nothing was promised") };
            for address in (start..start + bytes).step_by(4096) {
                let page = core::ptr::with_exposed_provenance_mut::<u8>(address as usize);
                // SAFETY: the root task promised the memory, and nobody else uses it.
                unsafe { page.write_volatile(1) }
            }
        }
        Some("reboot") => {
            let error = call(slot::ADMIN, &Reboot {});
            println!("the machine did not restart: {error:?}");
        }
        Some("none") => {}
        // Nothing goes wrong: 64 MiB come and go.
        _ => {
            for _ in 0..3 {
                let block = alloc::vec![7u8; LARGE_BYTES];
                assert!(block.iter().all(|byte| *byte == 7));
            }
            println!("used 64 MiB three times");
        }
    }
}
