//! Gives the kernel binary its linker script. The library and its tests on the host are linked as usual.
use std::env;
use std::path::Path;

fn main() {
    println!("cargo::rerun-if-changed=kernel.ld");
    let on_the_machine = env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "none");
    if let (true, Ok(directory)) = (on_the_machine, env::var("CARGO_MANIFEST_DIR")) {
        let script = Path::new(&directory).join("kernel.ld");
        println!("cargo::rustc-link-arg-bins=-T{}", script.display());
        println!("cargo::rustc-link-arg-bins=-zmax-page-size=0x1000");
        println!("cargo::rustc-link-arg-bins=--no-dynamic-linker");
    }
}
