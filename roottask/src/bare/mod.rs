//! A root task without managers: what the self-test and the benchmark share.
//!
//! Both take all their memory from one untyped and all their slots from one range ([`fixture`]), and make threads on
//! stacks of their own image ([`thread`]). After each test or row everything is revoked and has to be empty again.

pub mod exit;
pub mod failure;
pub mod fixture;
pub mod machine;
pub mod pages;
pub mod thread;
