//! The boot loader's framebuffer, as long as the kernel draws on it: until a user makes frames of it, and in a panic.
use core::sync::atomic::{AtomicBool, Ordering};

use spin::Mutex;

use crate::boot::Framebuffer;
use crate::screen::{Screen, Surface};

static SCREEN: Mutex<Option<Screen<Pixels>>> = Mutex::new(None);
static ON: AtomicBool = AtomicBool::new(false);

/// The mapped framebuffer.
#[derive(Debug)]
struct Pixels {
    /// Address of the first pixel.
    base: u64,
    paddr: u64,
    pitch: u32,
    width: u32,
    height: u32,
    /// Bytes of a pixel: 3 or 4.
    pixel: u32,
}

impl Surface for Pixels {
    fn size(&self) -> (u32, u32) {
        (self.width, self.height)
    }

    fn set(&mut self, x: u32, y: u32, grey: u8) {
        if x >= self.width || y >= self.height {
            return;
        }
        let at = self.base + u64::from(y) * u64::from(self.pitch) + u64::from(x * self.pixel);
        if self.pixel == 4 && at.is_multiple_of(4) {
            let to = core::ptr::with_exposed_provenance_mut::<u32>(at as usize);
            // SAFETY: as below.
            return unsafe { to.write_volatile(u32::from_ne_bytes([grey; 4])) };
        }
        for byte in 0..u64::from(self.pixel) {
            let to = core::ptr::with_exposed_provenance_mut::<u8>((at + byte) as usize);
            // SAFETY: `show` was promised that the framebuffer is mapped at `base`, with `height` lines of `pitch` bytes;
            // the pixel lies in one of them. Nothing else of the kernel's is there.
            unsafe { to.write_volatile(grey) };
        }
    }
}

fn pixel_bytes(framebuffer: &Framebuffer) -> u32 {
    u32::from(framebuffer.bpp).div_ceil(8)
}

/// Bytes that a framebuffer covers, if it is one that the kernel can draw on.
pub fn bytes(framebuffer: &Framebuffer) -> Option<u64> {
    let pixel = pixel_bytes(framebuffer);
    let fits = (3..=4).contains(&pixel) && framebuffer.width.checked_mul(pixel)? <= framebuffer.pitch;
    fits.then(|| u64::from(framebuffer.pitch) * u64::from(framebuffer.height))
}

/// Draws on the framebuffer from now on, from the top of an empty page the first time.
///
/// # Safety
/// It is mapped writable at `base`, all [`bytes`] of it, until [`hide`] is called or this is called again.
pub unsafe fn show(framebuffer: &Framebuffer, base: u64) {
    if bytes(framebuffer).is_none() {
        return;
    }
    let mut screen = SCREEN.lock();
    match &mut *screen {
        Some(screen) => screen.surface_mut().base = base,
        None => {
            let pixel = pixel_bytes(framebuffer);
            let Framebuffer { pitch, width, height, .. } = *framebuffer;
            screen
                .insert(Screen::new(Pixels { base, paddr: framebuffer.addr, pitch, width, height, pixel }))
                .clear();
        }
    }
    ON.store(true, Ordering::Relaxed);
}

/// Stops drawing if a part of the framebuffer lies between these physical addresses.
pub fn leave(start: u64, end: u64) {
    let mut screen = SCREEN.lock();
    if let Some(screen) = &mut *screen {
        let pixels = screen.surface_mut();
        let first = pixels.paddr;
        if start < first + u64::from(pixels.pitch) * u64::from(pixels.height) && first < end {
            hide();
        }
    }
}

/// Leaves the framebuffer to others.
pub fn hide() {
    ON.store(false, Ordering::Relaxed);
}

/// Takes the framebuffer back for the last words, whoever has drawn on it meanwhile.
pub fn take_back() {
    if let Some(mut screen) = SCREEN.try_lock()
        && !ON.load(Ordering::Relaxed)
        && let Some(screen) = &mut *screen
    {
        screen.clear();
        ON.store(true, Ordering::Relaxed);
    }
}

/// Draws a character, if the kernel draws now.
pub fn put_char(byte: u8) {
    if ON.load(Ordering::Relaxed)
        // A panic within a character must not wait for itself.
        && let Some(mut screen) = SCREEN.try_lock()
        && let Some(screen) = &mut *screen
    {
        screen.put(byte);
    }
}
