//! Asks the root task for memory in every way, with values that make little sense, and ends: the root task must answer
//! each time, and get everything back.
#![cfg_attr(target_os = "none", no_std, no_main)]

use libsel::abi::MessageInfo;
use libsel::proto::root::{
    Attach, BootFile, Detach, Device, Grant, Grow, Map, MapBootFile, MapDevice, MapDma, MapFlags, NewThread,
    Protection, RootService, Share, Unmap,
};
use libsel::proto::start::{HEAP_START, StartInfo, slot};
use libsel::proto::{Name, Request, ServiceError, call};
use libsel::{println, sys};

/// Requests.
const ROUNDS: u64 = 20_000;
/// Addresses remembered, so that requests meet.
const KNOWN: usize = 16;

struct Fuzz {
    state: u64,
    known: [u64; KNOWN],
    lengths: [u64; KNOWN],
    answered: u64,
}

impl Fuzz {
    /// The next number (xorshift64*).
    fn next(&mut self) -> u64 {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        self.state.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn flag(&mut self) -> bool {
        self.next() & 1 != 0
    }

    fn address(&mut self) -> u64 {
        match self.below(8) {
            0 => 0,
            1 => self.next(),
            2 => HEAP_START + self.below(64) * 4096,
            3 => 0u64.wrapping_sub(self.below(3) << 12),
            _ => {
                let known = self.known[self.below(KNOWN as u64) as usize];
                known.wrapping_add((self.below(5) << 12).wrapping_sub(self.below(2) << 12))
            }
        }
    }

    fn bytes(&mut self) -> u64 {
        match self.below(12) {
            0 => 0,
            1 => self.next(),
            2 => 1 << self.below(64),
            3 => u64::MAX - self.below(8192),
            4 => self.below(6 << 20),
            _ => self.below(80) << 12,
        }
    }

    fn protection(&mut self) -> Protection {
        Protection { write: self.flag(), execute: self.flag() }
    }

    /// Asks; what comes back as an address is remembered.
    fn ask<R: Request>(&mut self, request: R, bytes: u64, address: impl Fn(&R::Reply) -> u64) {
        match call(slot::ROOT, &request) {
            Ok(reply) => {
                self.answered += 1;
                let found = address(&reply);
                let place = self.below(KNOWN as u64) as usize;
                // What is forgotten here goes back, if it can.
                let (address, old) = (self.known[place], self.lengths[place]);
                let _ = RootService(slot::ROOT).unmap(address, old);
                let _ = RootService(slot::ROOT).detach(address);
                (self.known[place], self.lengths[place]) = (found, bytes);
            }
            Err(ServiceError::Gone | ServiceError::BadReply) => panic!("the root task does not answer"),
            Err(_) => {}
        }
    }

    /// Starts a thread that ends, with a stack that makes little sense, and waits for it.
    fn thread(&mut self, bytes: u64) {
        let block_bytes = match self.below(4) {
            0 => self.bytes(),
            1 => bytes / 2,
            _ => self.below(1024),
        };
        let entry = ends as *const () as u64;
        let request = NewThread { entry, argument: self.next(), stack_bytes: bytes, block_bytes };
        if let Ok(thread) = RootService(slot::ROOT).new_thread(request) {
            self.answered += 1;
            if self.flag() {
                let joined = RootService(slot::ROOT).join_thread(thread);
                assert_eq!(joined, Ok(()), "the end of a thread");
            }
        }
    }

    fn round(&mut self) {
        let (address, bytes, align) = (self.address(), self.bytes(), 1 << self.below(64));
        let (protection, flags) = (self.protection(), MapFlags { lazy: self.flag(), large: self.flag() });
        let region = self.below(80);
        match self.below(20) {
            0 | 1 => {
                self.ask(Map { address, bytes, align: 0, protection, flags }, bytes, |reply| reply.address)
            }
            2 => self.ask(Map { address: 0, bytes, align, protection, flags }, bytes, |reply| reply.address),
            3 => self.ask(Unmap { address, bytes }, bytes, |_| address),
            4 | 5 => {
                let place = self.below(KNOWN as u64) as usize;
                let (address, bytes) = (self.known[place], self.lengths[place]);
                self.ask(Unmap { address, bytes }, bytes, |_| address);
            }
            6 => self.ask(Grow { address, bytes }, bytes, |reply| reply.address),
            7 => self.ask(Share { address, bytes }, bytes, |_| address),
            8 => {
                let to = Name::new("memfuzz").unwrap_or_else(|| panic!("it is a name"));
                self.ask(Grant { region, to, protection }, bytes, |_| address);
            }
            9 => self.ask(Attach { region, protection }, bytes, |reply| reply.address),
            10 => self.ask(Detach { address }, bytes, |_| 0),
            11 => self.ask(MapDma { bytes, below_4g: flags.lazy, align }, bytes, |reply| reply.address),
            12 => {
                let bar = self.below(256) as u8;
                let device = Device::Pci { vendor: 0x1234, device: 0x1111, bar: bar % 8 };
                let device = if flags.large { Device::Hpet } else { device };
                self.ask(MapDevice { device }, bytes, |reply| reply.address);
            }
            13 => self.ask(MapBootFile { index: self.state % 8 }, bytes, |reply| reply.address),
            14 => self.ask(BootFile { index: bytes }, bytes, |_| address),
            15 | 16 => self.thread(bytes),
            17 => {
                let thread = if flags.lazy { self.below(64) } else { self.next() };
                let _ = RootService(slot::ROOT).join_thread(thread);
            }
            // Of one that there is, it would be the end: there is no reply.
            18 => RootService(slot::ROOT).thread_exit(self.next() | 1 << 40),
            _ => {
                // Words that no request has, behind labels that some have.
                let info = MessageInfo::new(0x120 + self.below(0x10), 0, 0, self.below(5) as usize);
                sys::call(slot::ROOT.cptr(), info, [address, bytes, align, region]);
            }
        }
    }
}

/// What the threads run. It touches its stack as little as a function does.
extern "C" fn ends(_argument: u64, _block: u64, _buffer: u64, number: u64) -> ! {
    loop {
        RootService(slot::ROOT).thread_exit(number);
    }
}

#[libsel::main]
fn main(start: &StartInfo) {
    let seed = start.argument("seed").and_then(|seed| seed.parse().ok()).unwrap_or(1);
    let mut fuzz = Fuzz { state: seed, known: [0; KNOWN], lengths: [0; KNOWN], answered: 0 };
    for _ in 0..ROUNDS {
        fuzz.round();
    }
    let stats = RootService(slot::ROOT).stats();
    println!("{} of {ROUNDS} requests were met; {stats:?}", fuzz.answered);
}
