//! Where output goes: the serial port, and the screen if the machine has one that the manifest allows.

use console::output::Output;
use console::screen::{Layout, Screen};
use console::serial::Serial;
use libsel::proto::ServiceError;
use libsel::proto::root::{Device, RootService};
use libsel::proto::start::slot;

const PIXEL_BITS: u8 = 32;
const PIXEL_BYTES: u64 = 4;

/// Both.
pub struct Displays {
    /// The port; its input is read through here as well.
    pub serial: Serial,
    screen: Option<Screen<'static>>,
}

impl Displays {
    /// This port, and the screen if there is one.
    pub fn new(serial: Serial) -> Self {
        // Without a screen, or with one of another kind, the port is all there is.
        Displays { serial, screen: screen().ok().flatten() }
    }

    /// Output that the serial port shows already.
    pub fn screen_alone(&mut self) -> ScreenAlone<'_> {
        ScreenAlone(self.screen.as_mut())
    }

    /// Shows on the screen what was written since the last time.
    pub fn refresh(&mut self) {
        if let Some(screen) = &mut self.screen {
            screen.refresh();
        }
    }
}

/// The screen, if there is one.
pub struct ScreenAlone<'a>(Option<&'a mut Screen<'static>>);

impl Output for ScreenAlone<'_> {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(screen) = &mut self.0 {
            screen.write(bytes);
        }
    }
}

impl Output for Displays {
    fn write(&mut self, bytes: &[u8]) {
        self.serial.write(bytes);
        if let Some(screen) = &mut self.screen {
            screen.write(bytes);
        }
    }
}

fn screen() -> Result<Option<Screen<'static>>, ServiceError> {
    let root = RootService(slot::ROOT);
    let info = root.framebuffer()?;
    if info.bits_per_pixel != PIXEL_BITS {
        return Ok(None);
    }
    let mapped = root.map_device(Device::Framebuffer)?;
    let start = core::ptr::with_exposed_provenance_mut::<u32>(mapped.address as usize);
    if start.is_null() || !start.is_aligned() {
        return Ok(None);
    }
    // SAFETY: the root task mapped so many bytes there, readable and writable, and gives them to nobody else; they stay
    // mapped, as nothing here unmaps them.
    let pixels = unsafe { core::slice::from_raw_parts_mut(start, (mapped.bytes / PIXEL_BYTES) as usize) };
    let layout = Layout {
        width: info.width as usize,
        height: info.height as usize,
        stride: info.pitch as usize / PIXEL_BYTES as usize,
    };
    Ok(Screen::new(pixels, layout))
}
