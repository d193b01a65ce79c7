//! A client that works with crashy while it goes wrong in every way, and finishes.
#![cfg_attr(target_os = "none", no_std, no_main)]

use crashy::{Add, Crash, Way};
use libsel::println;
use libsel::proto::{Client, Name, ServiceError};

/// Numbers that are added up before each crash.
const NUMBERS: u64 = 10;

#[libsel::main]
fn main() -> Result<(), ServiceError> {
    let name = Name::new("crashy").ok_or(ServiceError::InvalidArgument)?;
    let client = Client::new(name);
    for way in Way::ALL {
        let mut sum = 0;
        for amount in 1..=NUMBERS {
            sum = client.call(&Add { amount })?;
        }
        // A server that was restarted begins at 0.
        assert_eq!(sum, NUMBERS * (NUMBERS + 1) / 2, "before {way:?}");
        assert_eq!(client.call(&Crash { way }), Err(ServiceError::Gone), "{way:?}");
        println!("crashy is gone by {way:?}");
    }
    assert_eq!(client.call(&Add { amount: 7 }), Ok(7));
    let unlisted = Client::new(Name::new("shell").ok_or(ServiceError::InvalidArgument)?);
    assert_eq!(
        unlisted.call(&Add { amount: 1 }),
        Err(ServiceError::Refused),
        "the manifest does not list it"
    );
    println!("all work is done, crashy went wrong {} times", Way::ALL.len());
    Ok(())
}
