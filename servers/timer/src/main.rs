//! The timer's requests, and the alarm of the root task behind them.
#![cfg_attr(target_os = "none", no_std, no_main)]

use libsel::abi::Word;
use libsel::proto::root::RootService;
use libsel::proto::start::{StartInfo, slot};
use libsel::proto::timer::{At, Now, Sleep, TimerRequest};
use libsel::proto::{Answer, Caller, Handler, Pending, Service, ServiceError, serve};
use libsel::rt;
use timer::clock::Clock;
use timer::timer::{Machine, Timer};

/// The machine as the root task lets one use it.
struct Root;

impl Machine for Root {
    fn ticks(&mut self) -> u64 {
        rt::ticks()
    }

    fn alarm(&mut self, ticks: u64) -> Result<(), ServiceError> {
        RootService(slot::ROOT).alarm(ticks)
    }
}

struct Server(Timer<Root, Pending<()>>);

impl Service for Server {
    fn notified(&mut self, bits: Word) {
        if bits & slot::CLIENT_GONE != 0 {
            while let Some(client) = RootService(slot::ROOT).next_gone() {
                self.0.forget(|pending| pending.badge() == client);
            }
        }
        if bits & slot::ALARM != 0 && self.0.wake(|pending| pending.answer(())).is_err() {
            // Those who wait learn that nobody will wake them.
            self.0.forget(|_| true);
        }
    }
}

impl Server {
    fn wait(&mut self, until: u64, caller: &mut Caller<()>) -> Result<Answer<()>, ServiceError> {
        if until <= self.0.now() {
            return Ok(().into());
        }
        self.0.wait(until, || caller.defer())
    }
}

impl Handler<Now> for Server {
    fn handle(&mut self, _: Now, _: &mut Caller<u64>) -> Result<Answer<u64>, ServiceError> {
        Ok(self.0.now().into())
    }
}

impl Handler<Sleep> for Server {
    fn handle(&mut self, request: Sleep, caller: &mut Caller<()>) -> Result<Answer<()>, ServiceError> {
        let until = self.0.now().saturating_add(request.nanoseconds);
        self.wait(until, caller)
    }
}

impl Handler<At> for Server {
    fn handle(&mut self, request: At, caller: &mut Caller<()>) -> Result<Answer<()>, ServiceError> {
        self.wait(request.nanoseconds, caller)
    }
}

#[libsel::main]
fn main(start: &StartInfo) -> Result<(), ServiceError> {
    let clock = Clock::new(start.tsc_hz).ok_or(ServiceError::InvalidArgument)?;
    serve::<TimerRequest, _>(&mut Server(Timer::new(Root, clock)))
}
