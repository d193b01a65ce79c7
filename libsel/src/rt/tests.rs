//! A server's runtime against a root task and a console played by the test.

use super::*;
use crate::abi::{MessageInfo, Syscall};
use crate::ipc::Message;
use crate::proto::console::{ConsoleRequest, Event, Input};
use crate::proto::root::{RootRequest, RootService};
use crate::proto::start::{StartInfo, StartPage, slot};
use crate::proto::{Field, Name, ServiceError, Sink, Text};
use crate::sys::Registers;
use crate::sys::host::install;
use core::alloc::{GlobalAlloc, Layout};
use std::boxed::Box;
use std::cell::RefCell;
use std::rc::Rc;
use std::string::{String, ToString};
use std::sync::Mutex;
use std::vec;
use std::vec::Vec;

/// Taken by tests that use what a process has one of: print buffer, start page, slots.
pub static PROCESS: Mutex<()> = Mutex::new(());

/// A reply with a value.
pub fn ok(reply: &impl Field) -> Registers {
    struct Mrs([u64; 4], usize);
    impl Sink for Mrs {
        fn put(&mut self, word: u64) {
            self.0[self.1] = word;
            self.1 += 1;
        }
    }
    let mut mrs = Mrs([0; 4], 0);
    reply.put(&mut mrs);
    Registers { badge: 0, info: MessageInfo::new(0, 0, 0, mrs.1), mrs: mrs.0 }
}

/// A reply with an error.
pub fn refuse(error: ServiceError) -> Registers {
    Registers { badge: 0, info: MessageInfo::new(error.label(), 0, 0, 0), mrs: [0; 4] }
}

/// What the played root task and console saw.
#[derive(Default)]
struct Seen {
    lines: Vec<String>,
    logged: Vec<String>,
    exit_code: Option<u64>,
    lookups: usize,
}

/// Plays root task and console. The console can be found from the second lookup on.
fn play(seen: Rc<RefCell<Seen>>) {
    let mut client = String::new();
    install(move |entry| {
        assert_eq!(entry.number, Syscall::Call.raw());
        let message = Message { badge: 1, info: entry.info, mrs: entry.mrs };
        let mut seen = seen.borrow_mut();
        // Only the console's endpoint lies in a slot for received capabilities.
        if entry.cap >= slot::FIRST_FREE {
            match ConsoleRequest::from_message(&message).unwrap() {
                ConsoleRequest::Hello(hello) => client = hello.name.to_string(),
                ConsoleRequest::Print(print) => {
                    let line = String::from_utf8(print.text.as_bytes().to_vec()).unwrap();
                    seen.lines.push(std::format!("{client}: {line}"));
                }
                ConsoleRequest::ReadLine(_) => {
                    return ok(&Input { event: Event::Tab, text: Text::cut(b"lo") });
                }
                ConsoleRequest::Complete(complete) if complete.insert.as_bytes() == b"gout" => {
                    return ok(&Input { event: Event::Line, text: Text::cut(b"logout") });
                }
                // The console was restarted.
                _ => return refuse(ServiceError::Gone),
            }
            return ok(&());
        }
        if entry.cap == slot::TCB.cptr() || entry.cap == slot::CNODE.cptr() {
            return ok(&());
        }
        assert_eq!(entry.cap, slot::ROOT.cptr());
        match RootRequest::from_message(&message).unwrap() {
            RootRequest::Lookup(lookup) => {
                assert_eq!(lookup.name.as_str(), "console");
                seen.lookups += 1;
                if seen.lookups == 1 {
                    return refuse(ServiceError::NotFound);
                }
                Registers { badge: 0, info: MessageInfo::new(0, 0, 1, 0), mrs: [0; 4] }
            }
            RootRequest::Log(log) => {
                seen.logged.push(String::from_utf8(log.text.as_bytes().to_vec()).unwrap());
                ok(&())
            }
            RootRequest::Exit(exit) => {
                seen.exit_code = Some(exit.code);
                ok(&())
            }
            other => panic!("{other:?}"),
        }
    });
}

#[test]
fn a_server_prints_panics_and_exits() {
    let _process = PROCESS.lock().unwrap();
    let seen = Rc::new(RefCell::new(Seen::default()));
    play(Rc::clone(&seen));
    let info = StartInfo::new(Name::new("hello").unwrap(), "x=1").unwrap();
    let page = Box::leak(Box::new(StartPage::new(info)));
    let page: *mut StartPage = page;
    start::adopt(page);
    let info = start_info().unwrap();
    assert_eq!((info.name(), info.argument("x")), (Name::new("hello"), Some("1")));

    console::print(b"early\n");
    console::print(b"late\n");
    console::print(b"again\n");
    assert_eq!(seen.borrow().logged, ["early\n"]);
    assert_eq!(seen.borrow().lines, ["hello: late\n", "hello: again\n"]);
    assert_eq!(seen.borrow().lookups, 2, "the console is looked up until it is found");

    let line = console::read_line("> ", |before| {
        assert_eq!(before, "lo");
        Text::cut(b"gout")
    });
    assert_eq!(line, Ok(Input { event: Event::Line, text: Text::cut(b"logout") }));
    assert_eq!(console::read_key(), Err(ServiceError::Gone));
    console::print(b"new\n");
    assert_eq!(
        (seen.borrow().lookups, seen.borrow().lines.len()),
        (3, 3),
        "one that is gone is looked up again"
    );

    start::leave_panic_note(b"panic at x");
    // SAFETY: the page is leaked, and the reference to its first half does not cover the note.
    assert_eq!(unsafe { (*page).panic.read() }, Some("panic at x"));

    let ended = std::panic::catch_unwind(|| exit(7));
    assert!(ended.is_err(), "the thread is suspended and never goes on");
    assert_eq!(seen.borrow().exit_code, Some(7));
}

/// A root task that maps memory of the host, and refuses it at the heap's own place: nothing is mapped there on the host.
#[test]
fn the_heap_lives_on_what_the_root_task_maps() {
    let _process = PROCESS.lock().unwrap();
    install(|entry| {
        let message = Message { badge: 1, info: entry.info, mrs: entry.mrs };
        match RootRequest::from_message(&message).unwrap() {
            RootRequest::Map(map) if map.address != 0 => refuse(ServiceError::InUse),
            RootRequest::Map(map) => {
                let layout = Layout::from_size_align(map.bytes as usize, 4096).unwrap();
                // SAFETY: the size is not zero; the memory is never freed.
                let address = unsafe { std::alloc::alloc_zeroed(layout) };
                ok(&(address.expose_provenance() as u64))
            }
            RootRequest::Unmap(_) => ok(&()),
            other => panic!("{other:?}"),
        }
    });
    let heap = alloc::ServerHeap;
    let mut blocks = vec![];
    for size in [1usize, 24, 100, 5000, 300_000, 3_000_000] {
        let layout = Layout::from_size_align(size, 16).unwrap();
        // SAFETY: the size is not zero, and the block is written within its size.
        unsafe {
            let block = heap.alloc(layout);
            assert!(!block.is_null() && block.addr().is_multiple_of(16));
            block.write_bytes(0xa5, size);
            blocks.push((block, layout));
        }
    }
    assert!(alloc::stats().calls.map >= 1, "large blocks are mapped on their own");
    for (block, layout) in blocks {
        // SAFETY: allocated above with this layout, and resized once.
        unsafe {
            let block = heap.realloc(block, layout, layout.size() * 2);
            assert_eq!(block.add(layout.size() - 1).read(), 0xa5);
            heap.dealloc(block, Layout::from_size_align(layout.size() * 2, 16).unwrap());
        }
    }
    alloc::trim();
    assert_eq!(alloc::stats().live_bytes, 0);
    let huge = Layout::from_size_align(1 << 20, 16).unwrap();
    install(|_| refuse(ServiceError::OutOfMemory));
    // SAFETY: the size is not zero.
    assert!(unsafe { heap.alloc(huge) }.is_null(), "no memory is an answer");
    assert_eq!(RootService(slot::ROOT).unmap(0, 1), Err(ServiceError::OutOfMemory));
}
