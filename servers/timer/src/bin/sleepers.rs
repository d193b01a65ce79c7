//! A client that waits, and looks at how long it took.
#![cfg_attr(target_os = "none", no_std, no_main)]

use libsel::println;
use libsel::proto::timer::{At, Now, Sleep};
use libsel::proto::{Client, Name, ServiceError};

const MILLISECOND: u64 = 1_000_000;

#[libsel::main]
fn main() -> Result<(), ServiceError> {
    let timer = Client::new(Name::new("timer").ok_or(ServiceError::InvalidArgument)?);
    let start = timer.call(&Now {})?;
    for milliseconds in [1, 3, 20] {
        let before = timer.call(&Now {})?;
        timer.call(&Sleep { nanoseconds: milliseconds * MILLISECOND })?;
        let passed = timer.call(&Now {})? - before;
        assert!(passed >= milliseconds * MILLISECOND, "{milliseconds} ms took {passed} ns");
    }
    timer.call(&At { nanoseconds: start })?;
    let end = start + 50 * MILLISECOND;
    timer.call(&At { nanoseconds: end })?;
    assert!(timer.call(&Now {})? >= end, "too early");
    println!("slept 1, 3 and 20 ms, and until 50 ms were over");
    Ok(())
}
