//! The smallest server that shows something: memory from malloc, lines through the console.
#![cfg_attr(target_os = "none", no_std, no_main)]
extern crate alloc;

use alloc::{string::String, vec::Vec};
use libsel::println;

#[libsel::main]
fn main() {
    let numbers: Vec<u64> = (1..=1000).collect();
    println!("the sum of 1 to {} is {}", numbers.len(), numbers.iter().sum::<u64>());
    let words: Vec<String> = numbers.iter().map(|n| alloc::format!("{n:x}")).collect();
    println!("in hexadecimal they have {} digits", words.concat().len());
    let heap = libsel::rt::alloc::stats();
    println!("heap: {} bytes live in {} KiB", heap.live_bytes, heap.area_bytes / 1024);
}
