//! Starts a server and ends it, again and again, and compares what the root task has before and after.
#![cfg_attr(target_os = "none", no_std, no_main)]

use libsel::println;
use libsel::proto::admin::{Kill, Memory, MemoryInfo, Server, Spawn};
use libsel::proto::start::{StartInfo, slot};
use libsel::proto::{Name, Request, ServiceError, Text, call};

/// Servers before the memory is looked at for the first time: caches and tables take their shape.
const WARM_UP: u64 = 8;
const DEFAULT_TIMES: u64 = 1000;

fn ask<R: Request>(request: &R) -> Result<R::Reply, ServiceError> {
    call(slot::ADMIN, request)
}

fn runs(name: Name) -> Result<bool, ServiceError> {
    for index in 0.. {
        match ask(&Server { index }) {
            Ok(server) if server.name == name && server.id != 0 => return Ok(true),
            Ok(_) => {}
            Err(ServiceError::NotFound) => break,
            Err(error) => return Err(error),
        }
    }
    Ok(false)
}

/// How the server ends: by a fault, a panic, its own will, or the root task's; and a second time with further threads.
const ENDS: [&[u8]; 8] = [
    b"fault=write",
    b"fault=panic",
    b"fault=none",
    b"serve",
    b"threads fault=write",
    b"threads fault=thread",
    b"threads fault=none",
    b"threads serve",
];

/// Starts the server and lets it end.
fn life(image: Name, number: u64) -> Result<(), ServiceError> {
    let words = ENDS[(number % ENDS.len() as u64) as usize];
    ask(&Spawn { image, arguments: Text::cut(words) })?;
    if number % 4 == 3 {
        // Each time at another point of its life.
        for _ in 0..number % 64 {
            libsel::sys::yield_();
        }
        ask(&Kill { name: image })
    } else {
        while runs(image)? {
            libsel::sys::yield_();
        }
        Ok(())
    }
}

fn differences(before: &MemoryInfo, after: &MemoryInfo) -> bool {
    let same = (before.free, before.slots, before.nodes) == (after.free, after.slots, after.nodes)
        && before.blocks == after.blocks
        && before.used == after.used;
    if !same {
        println!("before: {before:?}");
        println!("after:  {after:?}");
    }
    !same
}

#[libsel::main]
fn main(start: &StartInfo) -> Result<(), ServiceError> {
    let times = start.argument("times").and_then(|text| text.parse().ok()).unwrap_or(DEFAULT_TIMES);
    let image = Name::new("crashy").ok_or(ServiceError::InvalidArgument)?;
    // The one of the boot list comes first.
    while runs(image)? {
        libsel::sys::yield_();
    }
    for number in 0..WARM_UP {
        life(image, number)?;
    }
    let before = ask(&Memory {})?;
    for number in 0..times {
        life(image, number)?;
    }
    let after = ask(&Memory {})?;
    assert!(!differences(&before, &after), "something of {times} servers did not come back");
    println!("{times} servers ended, and all that they had is back");
    Ok(())
}
