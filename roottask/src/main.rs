//! The root task: takes over the machine's memory, starts the servers of the manifest, and serves them.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
mod root;

#[cfg(target_os = "none")]
#[libsel::root_task(stack = 256 * 1024)]
fn main(bootinfo: &libsel::bootinfo::BootInfoView<'static>) -> ! {
    use root::{Root, log, report};

    log::start();
    report::machine(bootinfo);
    let mut root = Root::new(bootinfo);
    report::memory(&mut root);
    root.start_servers();
    report::memory(&mut root);
    root.serve()
}

#[cfg(not(target_os = "none"))]
fn main() {
    eprintln!("the root task runs on Selkie: cargo xtask qemu");
}
