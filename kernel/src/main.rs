//! The kernel binary: the order of boot, as a list. It is only built for the machine.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
mod machine {
    use core::panic::PanicInfo;

    use kernel::arch::cpu::Features;
    use kernel::arch::paging::{DirectMap, PhysWindow};
    use kernel::boot::layout::{Layout, Occupied};
    use kernel::boot::limine::{self, HandOver};
    use kernel::boot::region::Region;
    use kernel::boot::{BootEnv, Framebuffer, acpi, command_line, memory};
    use kernel::debug::panic::stop;
    use kernel::state::Config;
    use kernel::{arch, debug, entry};

    const MIB: u64 = 1 << 20;

    /// Called on the boot core's own stack, with the boot loader's page tables.
    #[unsafe(no_mangle)]
    extern "C" fn kernel_main() -> ! {
        let boot_start = arch::now();
        arch::init_early();
        debug::log::init();

        // While the boot loader's memory can be read: its answers, and the kernel's own page tables.
        let line = limine::command_line();
        debug::log::set_level(line);
        set_exit_port(line);
        let choices = command_line::config(line);
        if let Some((framebuffer, base)) = limine::framebuffer() {
            // SAFETY: the loader has mapped its framebuffers whole, at the addresses that it tells.
            unsafe { arch::framebuffer::show(&framebuffer, base) };
        }
        log::info!("Selkie {}, booted by {}", env!("CARGO_PKG_VERSION"), limine::Loader);
        log::info!("command line: {line}");
        arch::cpu::init(unwanted(line, &choices)).unwrap_or_else(|error| stop(error));
        report_impossible(line, &choices);
        let hand_over = limine::read().unwrap_or_else(|error| stop(error));
        let mut layout = lay_out(&hand_over);
        let free_before = layout.free.bytes();
        let direct_map = arch::paging::install(
            &hand_over.memory.ram,
            &mut layout.free,
            hand_over.mapping,
            hand_over.framebuffer.as_ref(),
        )
        .unwrap_or_else(|error| stop(error));

        // From here on only the kernel's own.
        let kernel_bytes = layout.kernel_bytes + (free_before - layout.free.bytes());
        match layout.symbols {
            Some(parts) => debug::backtrace::set_symbols(parts.map(|part| direct_map.bytes(part))),
            None => log::warn!("the boot loader gave no kernel file: backtraces will show addresses only"),
        }
        let (rsdp, platform) = read_acpi(direct_map, hand_over.rsdp);
        arch::init_interrupts(&platform).unwrap_or_else(|error| stop(error));
        reserve(&mut layout, &platform);
        let timer = arch::timer::init(&platform).unwrap_or_else(|error| stop(error));

        let HandOver { memory, modules, framebuffer, .. } = hand_over;
        let (root, reserved) = (layout.root, layout.reserved.clone());
        let mut env = BootEnv {
            ram: layout.into_ram(),
            reserved,
            modules: modules.list,
            module_count: modules.count,
            memory_map: memory.entries,
            memory_map_count: memory.entry_count,
            rsdp,
            framebuffer,
            root_image: direct_map.bytes(root),
            root_image_region: root.region().aligned_outward(memory::PAGE),
            command_line: line,
            ram_bytes: memory.ram_bytes,
            kernel_bytes,
            boot_start,
        };
        report(&env, &platform, &timer);
        let config = Config { set_tls_base: !arch::cpu::has(Features::FSGSBASE), ..choices };
        if config.counters {
            arch::cpu::enable_counters();
        }
        entry::start_root_task(&mut env, config).unwrap_or_else(|error| stop(error));
        arch::enter_user()
    }

    /// Features of the processor that the command line turns off.
    fn unwanted(line: &str, choices: &Config) -> Features {
        let mut features = Features::empty();
        features.set(Features::FSGSBASE, choices.set_tls_base);
        features.set(Features::AVX, !choices.avx);
        features.set(Features::PCID, command_line::refuses_tags(line));
        features
    }

    /// Says what the command line asks for and the processor does not have.
    fn report_impossible(line: &str, choices: &Config) {
        if command_line::demands_base_instructions(line) && !arch::cpu::has(Features::FSGSBASE) {
            log::warn!(
                "fsgsbase=inst: this processor has no such instructions; FS bases are set by system call"
            );
        }
        if choices.avx && !arch::cpu::has(Features::AVX) {
            log::warn!(
                "xsave=avx: this processor has no AVX registers; TCBs have the size for them all the same"
            );
        }
    }

    /// `debug_exit=` names the port of QEMU's exit device.
    fn set_exit_port(line: &str) {
        match command_line::number(line, "debug_exit").map(|port| port.map(u16::try_from)) {
            Some(Ok(Ok(port))) => arch::set_exit_port(port),
            Some(_) => log::warn!("debug_exit is not the number of a port"),
            None => {}
        }
    }

    fn lay_out(hand_over: &HandOver) -> Layout {
        let start = hand_over.mapping.kernel_paddr;
        let kernel = Region { start, end: start + arch::paging::image().bytes() };
        let occupied = Occupied { kernel, symbols: hand_over.symbols, modules: &hand_over.modules };
        let layout = Layout::new(&hand_over.memory, &occupied).unwrap_or_else(|error| stop(error));
        if hand_over.memory.ignored > 0 {
            log::warn!("{} entries of the memory map make no sense", hand_over.memory.ignored);
        }
        layout
    }

    /// The ACPI tables, or the least that every PC has.
    fn read_acpi(
        direct_map: DirectMap,
        rsdp: Option<u64>,
    ) -> (Option<[u8; acpi::RSDP_BYTES]>, acpi::Platform) {
        let Some(paddr) = rsdp else {
            log::warn!("the boot loader found no ACPI tables: no IOAPIC, hence no device interrupts");
            return Default::default();
        };
        let mut window = PhysWindow::new(direct_map);
        let rsdp = match acpi::read_rsdp(&mut window, paddr) {
            Ok(rsdp) => rsdp,
            Err(error) => {
                log::warn!("ACPI cannot be used: {error}: no IOAPIC, hence no device interrupts");
                return Default::default();
            }
        };
        let platform = acpi::read_platform(&mut window, &rsdp).unwrap_or_else(|error| {
            log::warn!("ACPI cannot be used: {error}: no IOAPIC, hence no device interrupts");
            acpi::Platform::default()
        });
        (Some(rsdp), platform)
    }

    /// Keeps users away from the interrupt controllers.
    fn reserve(layout: &mut Layout, platform: &acpi::Platform) {
        for paddr in platform.ioapics().iter().copied().chain([arch::local_apic_paddr()]) {
            let page = Region { start: paddr, end: paddr + 1 }.aligned_outward(memory::PAGE);
            if !layout.reserved.add(page) {
                stop("the memory map has more regions than the kernel can handle");
            }
        }
    }

    fn report(env: &BootEnv, platform: &acpi::Platform, timer: &arch::timer::Report) {
        log::info!("cpu: {}", arch::cpu::Name);
        log::info!("cpu features: {}", arch::cpu::features());
        log::info!("cpu lacks: {}", arch::cpu::features().complement() - Features::HYPERVISOR);
        log::info!(
            "memory: {} MiB of RAM, {} MiB free in {} regions, kernel {} KiB",
            env.ram_bytes / MIB,
            env.ram.bytes() / MIB,
            env.ram.iter().len(),
            env.kernel_bytes / 1024,
        );
        for region in env.ram.iter() {
            log::debug!("free: {:#x} to {:#x}", region.start, region.end);
        }
        log::info!(
            "interrupts: {} at {:#x}, {} IOAPIC pins, {} of {} processors",
            arch::local_apic_mode(),
            arch::local_apic_paddr(),
            (0..arch::ioapic_count()).map(arch::ioapic_pins).sum::<usize>(),
            1,
            platform.processors.max(1),
        );
        log::info!("time: {timer}");
        let serial = if arch::has_serial_port() { "serial port at 0x3f8" } else { "no serial port" };
        match &env.framebuffer {
            Some(Framebuffer { width, height, .. }) => {
                log::info!("console: {serial}, framebuffer of {width} x {height} pixels");
            }
            None => log::info!("console: {serial}, no framebuffer"),
        }
        log::info!(
            "modules: the root task with {} KiB, others: {}",
            env.root_image.len() / 1024,
            env.module_count
        );
    }

    #[panic_handler]
    fn panic(info: &PanicInfo<'_>) -> ! {
        debug::panic::panic(info)
    }
}

/// On the host there is nothing to boot.
#[cfg(not(target_os = "none"))]
fn main() {}
