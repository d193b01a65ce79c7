//! The server @name@.
#![cfg_attr(target_os = "none", no_std, no_main)]

use @module@::{@Type@, @Type@Request};

#[libsel::main]
fn main() {
    libsel::proto::serve::<@Type@Request, _>(&mut @Type@::default())
}
