//! Links the bare-metal binary by its own linker script; host builds are left alone.

fn main() {
    println!("cargo:rerun-if-changed=directboot.ld");
    let bare_metal = std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "none");
    if let (true, Ok(folder)) = (bare_metal, std::env::var("CARGO_MANIFEST_DIR")) {
        println!("cargo:rustc-link-arg-bins=-T{folder}/directboot.ld");
    }
}
