//! DMA buffers and registers, with devices that QEMU always has.
use libsel::println;
use libsel::proto::ServiceError;
use libsel::proto::root::{Device, DmaMapped, MapDma};
use libsel::proto::start::slot;
use memtest::{read, write};

use crate::{Checked, MIB, PAGE, ROOT, ensure, failed, stats, unmap};

/// The DMA address register of QEMU's firmware configuration device (docs/specs/fw_cfg in QEMU).
const FW_CFG_DMA: u16 = 0x514;
/// Select the file in the upper half, and read.
const SELECT_AND_READ: u32 = 8 | 2;
/// The file that holds the device's signature.
const SIGNATURE: u32 = 0;
/// Looks at whether the device is done.
const PATIENCE: u32 = 1_000_000;

/// Lets the device write its signature to a physical address; `command` is a buffer for what it is told.
fn device_writes(command: DmaMapped, to: u64) -> Checked {
    let control = SIGNATURE << 16 | SELECT_AND_READ;
    let length = 4u32;
    // Fields of big endian: control, length, address.
    let first = u64::from(control.to_be()) | u64::from(length.to_be()) << 32;
    // SAFETY: the buffer is mapped.
    unsafe {
        write(command.address, first);
        write(command.address + 8, to.to_be());
    }
    let high = (command.physical >> 32) as u32;
    let low = command.physical as u32;
    slot::IO_PORTS.out32(FW_CFG_DMA, high.to_be()).map_err(failed("port of the device"))?;
    slot::IO_PORTS.out32(FW_CFG_DMA + 4, low.to_be()).map_err(failed("port of the device"))?;
    for _ in 0..PATIENCE {
        // SAFETY: the same.
        if unsafe { read(command.address) } as u32 == 0 {
            return Ok(());
        }
    }
    Err("the device does not answer at the buffer's physical address".into())
}

/// A device finds the buffers where the root task says that they are, to their last byte.
pub fn dma() -> Checked {
    let before = stats()?;
    let refused = ROOT.map_dma(MapDma { bytes: 128 * MIB, below_4g: false, align: 0 });
    ensure!(refused == Err(ServiceError::InvalidArgument), "128 MiB: {refused:?}");
    let below = MapDma { bytes: 16, below_4g: true, align: 1 << 16 };
    let command = ROOT.map_dma(below).map_err(failed("command buffer"))?;
    ensure!(command.physical.is_multiple_of(1 << 16), "it is at {:#x}", command.physical);
    ensure!(command.physical + PAGE <= 1 << 32, "it is at {:#x}", command.physical);
    for bytes in [PAGE, 300 * PAGE, 5 * MIB] {
        let wanted = MapDma { bytes, below_4g: bytes == PAGE, align: 0 };
        let buffer = ROOT.map_dma(wanted).map_err(failed("buffer"))?;
        for offset in [0, bytes / 2, bytes - 8] {
            // SAFETY: the buffer is mapped.
            let word = unsafe { read(buffer.address + offset) };
            ensure!(word == 0, "{word:#x} at {offset:#x} of {bytes} bytes");
            device_writes(command, buffer.physical + offset)?;
            // SAFETY: the same.
            let word = unsafe { read(buffer.address + offset) };
            ensure!(
                word == u64::from(u32::from_le_bytes(*b"QEMU")),
                "the device wrote {word:#x} at {offset:#x}"
            );
        }
        if bytes > PAGE {
            let part = ROOT.unmap(buffer.address, PAGE);
            ensure!(part == Err(ServiceError::InvalidArgument), "a part goes: {part:?}");
        }
        unmap(buffer.address, buffer.bytes)?;
    }
    unmap(command.address, PAGE)?;
    ensure!(stats()?.mapped_bytes == before.mapped_bytes, "memory stays after Unmap");
    Ok(())
}

/// The framebuffer is what the boot loader said, or there is none.
pub fn screen() -> Checked {
    let mapped = ROOT.map_device(Device::Framebuffer);
    let Ok(info) = ROOT.framebuffer() else {
        ensure!(mapped == Err(ServiceError::NotFound), "no framebuffer is mapped: {mapped:?}");
        return Ok(());
    };
    let screen = mapped.map_err(failed("framebuffer"))?;
    println!("{info:?} at {:#x}", screen.physical);
    ensure!(screen.bytes == u64::from(info.pitch) * u64::from(info.height), "it has {} bytes", screen.bytes);
    for offset in (0..screen.bytes & !7).step_by(PAGE as usize) {
        // SAFETY: it is mapped.
        let word = unsafe {
            write(screen.address + offset, !offset);
            read(screen.address + offset)
        };
        ensure!(word == !offset, "{word:#x} at {offset:#x} of the screen");
    }
    unmap(screen.address, screen.bytes)
}

/// The HPET and the registers of QEMU's graphics card; nothing else is allowed.
pub fn registers() -> Checked {
    let hpet = ROOT.map_device(Device::Hpet).map_err(failed("hpet"))?;
    // SAFETY: the registers are mapped; reading this one does nothing.
    let capabilities = unsafe { read(hpet.address) };
    ensure!(capabilities as u32 >> 16 == 0x8086, "the HPET says {capabilities:#x}");
    let again = ROOT.map_device(Device::Hpet);
    ensure!(again == Err(ServiceError::InUse), "it is mapped twice: {again:?}");
    unmap(hpet.address, PAGE)?;
    let card = |bar| Device::Pci { vendor: 0x1234, device: 0x1111, bar };
    // Twice: it can be given back.
    for _ in 0..2 {
        let registers = ROOT.map_device(card(2)).map_err(failed("graphics card"))?;
        ensure!(registers.bytes == PAGE, "it has {} bytes of registers", registers.bytes);
        let display = core::ptr::with_exposed_provenance::<u16>(registers.address as usize + 0x500);
        // SAFETY: the registers are mapped; reading the version does nothing.
        let version = unsafe { display.read_volatile() };
        ensure!(version >> 4 == 0xb0c, "the card says {version:#x}");
        unmap(registers.address, registers.bytes)?;
    }
    let screen = ROOT.map_device(card(0)).map_err(failed("memory of the graphics card"))?;
    ensure!(screen.bytes >= MIB, "the card has {} bytes", screen.bytes);
    for offset in [0, screen.bytes / 2, screen.bytes - 8] {
        // SAFETY: it is mapped, and nothing is shown that matters.
        let word = unsafe {
            write(screen.address + offset, !offset);
            read(screen.address + offset)
        };
        ensure!(word == !offset, "{word:#x} at {offset:#x} of the card's memory");
    }
    unmap(screen.address, screen.bytes)?;
    for device in [card(1), card(6)] {
        let refused = ROOT.map_device(device);
        ensure!(refused == Err(ServiceError::InvalidArgument), "{device:?}: {refused:?}");
    }
    let refused = ROOT.map_device(Device::Pci { vendor: 0x8086, device: 0x2918, bar: 0 });
    ensure!(refused == Err(ServiceError::Refused), "a device that is not listed: {refused:?}");
    Ok(())
}
