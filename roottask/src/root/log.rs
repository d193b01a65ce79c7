//! What the root task prints: the kernel shows it at the serial port, and it is kept for the console, which shows it on
//! the screen. The root task never waits for a server, so the console is only told to come and take it.
use core::sync::atomic::{AtomicU64, Ordering};

use libsel::abi::{CPtr, CapRights};
use libsel::bootinfo::initial;
use libsel::cap::{AbsoluteSlot, Cap, Notification};
use libsel::proto::start::slot;
use libsel::proto::{MAX_TEXT_BYTES, Text};
use libsel::rt::{Exclusive, print};
use roottask::kept::Kept;

use super::server::ServerId;
use super::{Root, own_slot};

/// The server that gets the lines.
const CONSOLE: &str = "console";

static KEPT: Exclusive<Kept> = Exclusive::new(Kept::new());
/// Slot of the notification that tells the console; 0 while there is none.
static SIGNAL: AtomicU64 = AtomicU64::new(0);

/// From now on lines are kept.
pub fn start() {
    print::set_hook(print);
}

/// The print hook.
fn print(bytes: &[u8]) {
    print::kernel(bytes);
    KEPT.try_with(|kept| kept.push(bytes));
    let signal: CPtr = SIGNAL.load(Ordering::Relaxed);
    if signal != 0 {
        Cap::<Notification>::new(signal).signal();
    }
}

/// The oldest lines, or none.
pub fn take() -> Text {
    let mut bytes = [0; MAX_TEXT_BYTES];
    let count = KEPT.try_with(|kept| kept.take(&mut bytes)).unwrap_or(0);
    Text::cut(bytes.get(..count).unwrap_or_default())
}

impl Root {
    /// This server is the one that gets the lines.
    pub fn is_console(&self, id: ServerId) -> bool {
        self.server(id).is_some_and(|server| server.name.as_str() == CONSOLE)
    }

    /// Tells a new server of new lines by its notification, if it is the console.
    pub fn tell_of_lines(&mut self, id: ServerId, notification: Cap<Notification>) {
        if !self.is_console(id) {
            return;
        }
        let Some(place) = self.memory.kernel().slots.take(1) else { return };
        let from = AbsoluteSlot::in_cspace(initial::CNODE, notification.cptr());
        match own_slot(place).mint(from, CapRights::WRITE, slot::SIGNAL | slot::LOG) {
            Ok(()) => SIGNAL.store(u64::from(place), Ordering::Relaxed),
            Err(_) => self.memory.kernel().slots.give(place, 1),
        }
    }

    /// Nobody is told any more, if this server was the console.
    pub fn tell_nobody(&mut self, id: ServerId) {
        if self.is_console(id)
            && let Ok(place @ 1..) = u32::try_from(SIGNAL.swap(0, Ordering::Relaxed))
        {
            let _ = own_slot(place).delete();
            self.memory.kernel().slots.give(place, 1);
        }
    }
}
