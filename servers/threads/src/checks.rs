//! The checks, one function each. What is not as it should be panics, which tells where.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};

use libsel::proto::root::{Map, MapFlags, MemoryStats, NewThread, Protection, RootService};
use libsel::proto::start::slot;
use libsel::proto::{Name, ServiceError};
use libsel::sync::Mutex;
use libsel::thread::{self, Builder, JoinHandle};
use libsel::{ipc, print, println, rt};

use crate::Checked;

const ROOT: RootService = RootService(slot::ROOT);
/// Threads that a check starts, beside the first one: as many as `threads=8` allows.
const THREADS: u64 = 7;
/// Blocks that each thread allocates.
const BLOCKS: u64 = 3000;
/// Blocks that lie between threads.
const SHARED_BLOCKS: usize = 64;

/// Starts the threads, each with its number from 0 on.
fn start<T: Send + 'static>(run: fn(u64) -> T) -> Result<Vec<JoinHandle<T>>, ServiceError> {
    (0..THREADS).map(|index| thread::spawn(move || run(index))).collect()
}

/// Waits for threads.
fn join<T>(threads: Vec<JoinHandle<T>>) -> Result<Vec<T>, ServiceError> {
    threads.into_iter().map(JoinHandle::join).collect()
}

/// Results of all sizes, and numbers.
pub fn results() -> Checked {
    assert_eq!(thread::current(), 0);
    let seen = thread::spawn(thread::current)?;
    let number = seen.number();
    assert_eq!(seen.join()?, number);
    let text = String::from("moved there");
    let (text, large) = thread::spawn(move || (text + " and back", [7u64; 100]))?.join()?;
    assert_eq!((text.as_str(), large), ("moved there and back", [7; 100]));
    thread::spawn(|| ())?.join()?;
    // Nobody waits for this one, and what it returns is lost, but not its memory.
    drop(thread::spawn(|| Box::new(1))?);
    let later = Builder::new().stack_bytes(1 << 20).spawn(|| {
        let frame = core::hint::black_box([1u8; 512 << 10]);
        frame.iter().map(|byte| u64::from(*byte)).sum::<u64>()
    })?;
    assert_eq!(later.join()?, 512 << 10);
    Ok(())
}

/// A block, and the byte that it is full of.
type Block = (Vec<u8>, u8);

static BETWEEN: Mutex<VecDeque<Block>> = Mutex::new(VecDeque::new());

/// Makes blocks of all sizes, hands them on, and checks and frees those of others.
fn exchange(index: u64) -> u64 {
    let mut checked = 0;
    let mut random = index + 1;
    for _ in 0..BLOCKS {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let size = match random >> 60 {
            0 => 40_000,
            1..4 => 1500,
            _ => 24,
        } + (random >> 50) as usize % 64;
        let fill = (random >> 40) as u8;
        let mut block = Vec::with_capacity(size / 2);
        block.resize(size, fill);
        let mut between = BETWEEN.lock();
        between.push_back((block, fill));
        let old = if between.len() > SHARED_BLOCKS { between.pop_front() } else { None };
        drop(between);
        if let Some((block, fill)) = old {
            assert!(block.iter().all(|byte| *byte == fill), "a block of another thread was changed");
            checked += 1;
        }
    }
    checked
}

/// All threads use the heap at the same time.
pub fn heap() -> Checked {
    let mut threads = start(exchange)?;
    let own = exchange(THREADS);
    let checked: u64 = join(core::mem::take(&mut threads))?.into_iter().sum();
    assert_eq!(own + checked, (THREADS + 1) * BLOCKS - SHARED_BLOCKS as u64);
    let rest = core::mem::take(&mut *BETWEEN.lock());
    assert!(rest.iter().all(|(block, fill)| block.iter().all(|byte| byte == fill)));
    Ok(())
}

/// A counter that is read and written with time between.
pub fn mutex() -> Checked {
    static COUNTER: Mutex<u64> = Mutex::new(0);
    const TIMES: u64 = 2000;
    let threads = start(|_| {
        for _ in 0..TIMES {
            let mut counter = COUNTER.lock();
            let seen = *counter;
            for _ in 0..seen % 200 {
                core::hint::spin_loop();
            }
            *counter = seen + 1;
        }
    })?;
    join(threads)?;
    assert_eq!(*COUNTER.lock(), TIMES * THREADS);
    Ok(())
}

/// Lines that are printed in pieces while others print: what is checked is the log.
pub fn lines() -> Checked {
    let threads = start(|index| {
        for line in 0..3 {
            print!("thread {index}");
            thread::yield_now();
            print!(" prints line");
            thread::yield_now();
            println!(" {line}");
        }
    })?;
    join(threads)?;
    Ok(())
}

/// One more than the manifest says is refused, and the next one is not, when a thread has ended.
pub fn limit() -> Checked {
    static MAY_END: AtomicU64 = AtomicU64::new(0);
    MAY_END.store(0, Ordering::Relaxed);
    let wait = |_| {
        while MAY_END.load(Ordering::Relaxed) == 0 {
            thread::yield_now();
        }
    };
    let threads = start(wait)?;
    assert_eq!(thread::spawn(|| ()).err(), Some(ServiceError::TooMany));
    MAY_END.store(1, Ordering::Relaxed);
    join(threads)?;
    thread::spawn(|| ())?.join()
}

/// Memory, quota, slots and the heap are as before.
pub fn memory() -> Checked {
    let figures = || -> Result<(MemoryStats, usize, Option<u64>), ServiceError> {
        rt::alloc::trim();
        let slot = rt::slots::take();
        slot.into_iter().for_each(rt::slots::give_back);
        Ok((ROOT.stats()?, rt::alloc::stats().live_bytes, slot))
    };
    let round = || -> Checked {
        let threads = start(|index| println!("thread {index} has a connection to the console"))?;
        join(threads)?;
        // Nobody waits for these.
        start(|_| ())?;
        // They end before a thread that was started after them does.
        for _ in 0..100 {
            thread::yield_now();
        }
        Ok(())
    };
    round()?;
    let before = figures()?;
    for _ in 0..3 {
        round()?;
    }
    let after = figures()?;
    assert_eq!(
        (before.0.mapped_bytes, before.0.ranges, before.0.room),
        (after.0.mapped_bytes, after.0.ranges, after.0.room)
    );
    assert_eq!((before.1, before.2), (after.1, after.2));
    Ok(())
}

/// Words beyond those in registers go through the thread's own buffer, also when others run in between.
pub fn buffers() -> Checked {
    let threads = start(|index| {
        let buffer = ipc::buffer().map(ipc::Buffer::address);
        for round in 0..20 {
            let (word, buffer) = (index * 100 + round, ipc::buffer());
            (4..120).for_each(|place| buffer.into_iter().for_each(|it| it.set_word(place, word)));
            thread::yield_now();
            let same = buffer.is_some_and(|it| (4..120).all(|place| it.word(place) == word));
            assert!(same, "another thread wrote to the buffer of thread {index}");
        }
        buffer
    })?;
    let mut buffers = join(threads)?;
    buffers.push(ipc::buffer().map(ipc::Buffer::address));
    buffers.sort_unstable();
    buffers.dedup();
    assert_eq!(buffers.len() as u64, THREADS + 1);
    Ok(())
}

/// Requests without sense, and waiting for what is not there.
pub fn refusals() -> Checked {
    let request = NewThread { entry: 0, argument: 0, stack_bytes: 4096, block_bytes: 64 };
    for bad in [
        NewThread { stack_bytes: 0, block_bytes: 0, ..request },
        NewThread { stack_bytes: u64::MAX, ..request },
        NewThread { block_bytes: 4096, ..request },
        NewThread { block_bytes: u64::MAX, ..request },
    ] {
        assert_eq!(ROOT.new_thread(bad), Err(ServiceError::InvalidArgument), "{bad:?}");
    }
    // At the first time page tables that nobody needs go.
    let huge = NewThread { stack_bytes: ROOT.stats()?.room + 1, ..request };
    assert_eq!(ROOT.new_thread(huge), Err(ServiceError::OutOfMemory));
    let before = ROOT.stats()?;
    assert_eq!(ROOT.new_thread(huge), Err(ServiceError::OutOfMemory));
    assert_eq!(ROOT.stats()?, before);
    assert_eq!(ROOT.join_thread(0), Err(ServiceError::NotFound));
    assert_eq!(ROOT.join_thread(1 << 40), Err(ServiceError::NotFound));
    ROOT.thread_exit(0);
    ROOT.thread_exit(1 << 40);

    // Two wait for one, and one for itself.
    let sleeper = thread::spawn(|| (0..50).for_each(|_| thread::yield_now()))?;
    let number = sleeper.number();
    let first = thread::spawn(move || ROOT.join_thread(number))?;
    (0..5).for_each(|_| thread::yield_now());
    assert_eq!(sleeper.join().err(), Some(ServiceError::InUse));
    assert_eq!(first.join()?, Ok(()));
    assert_eq!(ROOT.join_thread(number), Ok(()), "it has ended");

    // A stack and its buffer cannot be unmapped or shared; a name that nobody has is not found in a thread either.
    let local = thread::spawn(|| {
        let stack = core::ptr::from_ref(&core::hint::black_box(0u8)).addr() as u64 & !4095;
        let unmapped = ROOT.unmap(stack, 4096);
        let protection = Protection::READ_WRITE;
        let mapped =
            ROOT.map(Map { address: stack, bytes: 4096, align: 0, protection, flags: MapFlags::NONE });
        let free = rt::slots::take().ok_or(ServiceError::NoSlot);
        let nobody = Name::new("nobody").ok_or(ServiceError::InvalidArgument);
        let found = free.and_then(|free| {
            let found = ROOT.lookup(nobody?, rt::slots::absolute(free));
            rt::slots::give_back(free);
            found
        });
        (unmapped, mapped, found)
    })?;
    let (unmapped, mapped, found) = local.join()?;
    assert_eq!((unmapped, mapped), (Err(ServiceError::NotFound), Err(ServiceError::InUse)));
    assert_eq!(found, Err(ServiceError::Refused));
    Ok(())
}
