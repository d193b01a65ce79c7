//! Starting threads, with a root task that the test plays: it does a thread's work when it is asked to wait for it.

use super::*;
use crate::ipc::Message;
use crate::proto::root::RootRequest;
use crate::rt::tests::{PROCESS, ok, refuse};
use crate::sys::host::install;
use std::sync::Arc;
use std::vec::Vec;

/// What the root task answers to a request for a thread.
type Started = Result<u64, ServiceError>;

/// Starts a thread, which runs when it is waited for, and gives the handle to `then`.
fn with_thread<F, T, R>(
    started: Started,
    run: F,
    then: impl FnOnce(JoinHandle<T>) -> R,
) -> Result<R, ServiceError>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let mut work = None;
    install(move |entry| {
        let message = Message { badge: 1, info: entry.info, mrs: entry.mrs };
        match RootRequest::from_message(&message).unwrap() {
            RootRequest::Map(map) => {
                let layout = Layout::from_size_align(map.bytes as usize, 4096).unwrap();
                // SAFETY: the size is not zero; the memory is never freed.
                let address = unsafe { std::alloc::alloc_zeroed(layout) };
                ok(&(address.expose_provenance() as u64))
            }
            RootRequest::Unmap(_) => ok(&()),
            RootRequest::NewThread(request) => {
                assert_eq!(request.block_bytes as usize, BLOCK_BYTES);
                assert_eq!(request.stack_bytes as usize, DEFAULT_STACK_BYTES);
                work = Some(request.argument);
                started.map_or_else(refuse, |number| ok(&number))
            }
            RootRequest::JoinThread(join) if Ok(join.thread) == started => {
                // SAFETY: `spawn` left it, and it is taken once.
                work.take().into_iter().for_each(|work| unsafe { perform::<F, T>(work) });
                ok(&())
            }
            other => panic!("{other:?}"),
        }
    });
    spawn(run).map(then)
}

#[test]
fn a_result_comes_back_and_nothing_stays() {
    let _process = PROCESS.lock().unwrap();
    let live = || {
        crate::rt::alloc::flush_cache();
        crate::rt::alloc::stats().live_bytes
    };
    let text = std::string::String::from("there");
    let back = with_thread(
        Ok(5),
        move || text + " and back",
        |thread| {
            assert_eq!(thread.number(), 5);
            thread.join()
        },
    );
    assert_eq!(back.unwrap().unwrap(), "there and back");
    assert_eq!(live(), 0);

    // Nobody takes what it returns.
    let kept = Arc::new(7);
    let result = Arc::clone(&kept);
    let waited = with_thread(
        Ok(6),
        move || result,
        |thread| {
            let number = thread.number();
            drop(thread);
            RootService(slot::ROOT).join_thread(number)
        },
    );
    assert_eq!((waited, Arc::strong_count(&kept), live()), (Ok(Ok(())), 1, 0));

    // It does not start.
    let result = Arc::clone(&kept);
    let refused = with_thread(Err(ServiceError::TooMany), move || result, |_| ());
    assert_eq!((refused, Arc::strong_count(&kept), live()), (Err(ServiceError::TooMany), 1, 0));
    let own = with_thread(Ok(current()), || 1, |thread| thread.join());
    assert_eq!(own, Ok(Err(ServiceError::InvalidArgument)), "a thread does not wait for itself");
}

#[test]
fn each_thread_has_a_block() {
    let block = block::current();
    let place = || core::ptr::from_ref(block::current()).addr();
    assert_eq!(place(), core::ptr::from_ref(block).addr(), "always the same");
    let mut places: Vec<usize> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(place)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    places.push(place());
    places.sort_unstable();
    places.dedup();
    assert_eq!(places.len(), 5);

    let further = ThreadBlock::of_thread(3, ptr::null_mut());
    further.settle();
    // The first word is the block's own address: what a thread finds by FS.
    // SAFETY: the block is there, and an address is a word.
    let first = unsafe { ptr::from_ref(&further).cast::<usize>().read() };
    assert_eq!((first, further.number()), (ptr::from_ref(&further).addr(), 3));
    assert!(further.ipc_buffer().is_null());
    assert_eq!((further.set_console(30), further.console()), (0, 30));
}
