//! DebugDumpScheduler: the threads that the scheduler knows, in plain words.
use crate::object::tcb::{NAME_BYTES, TcbPtr};
use crate::print;
use crate::state::Kernel;

impl Kernel {
    /// Prints the running thread, the ready threads and those that wait for a replenishment.
    pub fn dump(&self) {
        print::line(format_args!("scheduler: domain {}", self.sched.domain()));
        if let Some(thread) = self.current {
            show("running", thread);
        }
        for domain in 0..self.config.domains {
            for thread in self.sched.ready.iter(domain) {
                show("ready", thread);
            }
        }
        for thread in self.sched.release.iter() {
            show("waits for budget", thread);
        }
    }
}

fn show(what: &str, thread: TcbPtr) {
    let mut buffer = [0; NAME_BYTES];
    let name = thread.name_text(&mut buffer);
    let ip = thread.context.fault_ip.get();
    let (priority, domain) = (thread.priority.get(), thread.domain.get());
    print::line(format_args!("  {what}: {name:?} priority {priority} domain {domain} ip {ip:#x}"));
}
