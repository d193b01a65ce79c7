//! A server's start page, and its end.

use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicPtr, Ordering};

use super::{console, print};
use crate::abi::{IpcBuffer, Word};
use crate::ipc;
use crate::proto::root::RootService;
use crate::proto::start::{PanicNote, StartInfo, StartPage, slot};

/// Null in a root task.
static START_PAGE: AtomicPtr<StartPage> = AtomicPtr::new(ptr::null_mut());

/// The server's start information; `None` in a root task.
pub fn start_info() -> Option<&'static StartInfo> {
    let page = NonNull::new(START_PAGE.load(Ordering::Relaxed))?;
    // SAFETY: `set_up` got the page from the root task, which keeps it mapped and writes it no more.
    Some(unsafe { &(*page.as_ptr()).info })
}

/// Reads the start page and readies IPC and printing; `None` if it is none.
///
/// # Safety
/// `page` is what the root task put in `rdi`, and nothing ran in this process before.
pub unsafe fn set_up(page: *mut StartPage) -> Option<&'static StartInfo> {
    adopt(page);
    let info = start_info().filter(|info| info.is_valid())?;
    // SAFETY: the root task told the kernel the same address, and nobody else uses the page.
    unsafe { ipc::set_buffer(ptr::with_exposed_provenance_mut::<IpcBuffer>(info.ipc_buffer as usize)) };
    print::set_kernel_prints(info.debug_calls != 0);
    print::set_hook(console::print);
    Some(info)
}

/// Remembers the start page. Its address comes from [`set_up`] or from a test that leaked one.
pub(super) fn adopt(page: *mut StartPage) {
    START_PAGE.store(page, Ordering::Relaxed);
}

/// Leaves the text of a panic where the supervisor finds it.
#[cfg_attr(
    not(any(target_os = "none", test)),
    expect(dead_code, reason = "programs panic in their own way there")
)]
pub fn leave_panic_note(text: &[u8]) {
    if let Some(page) = NonNull::new(START_PAGE.load(Ordering::Relaxed)) {
        // SAFETY: the page is mapped writable, `start_info` lends out its other half only, and a panic is the last
        // thing that a process does.
        let note: &mut PanicNote = unsafe { &mut (*page.as_ptr()).panic };
        note.leave(text);
    }
}

/// Ends the server with all its threads: flushes what the calling one printed, and tells the root task `code`, 0 meaning
/// "as intended". What other threads printed since their last newline is lost.
pub fn exit(code: Word) -> ! {
    print::flush();
    RootService(slot::ROOT).exit(code);
    super::entry::stop()
}
