//! A program that uses the server @name@.
#![cfg_attr(target_os = "none", no_std, no_main)]

use @module@::@Type@Client;
use libsel::println;
use libsel::proto::ServiceError;

#[libsel::main]
fn main() -> Result<(), ServiceError> {
    let server = @Type@Client::connect()?;
    server.add(40)?;
    server.add(2)?;
    println!("the sum is {}", server.sum()?);
    match server.add(u64::MAX) {
        Ok(sum) => println!("the sum is {sum}"),
        Err(error) => println!("not added: {error}"),
    }
    Ok(())
}
