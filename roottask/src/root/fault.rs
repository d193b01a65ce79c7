//! Faults of servers: what they tried, in words, and what becomes of them.
use libsel::abi::Register;
use libsel::fault::Fault;
use libsel::invoke::UserContext;
use libsel::ipc::Message;
use libsel::{print, println};
use roottask::clean;

use super::Root;
use super::answer::{Answer, Outcome};
use super::promise::Touch;
use super::server::{ServerId, THREAD_BADGE_SHIFT};
use super::window::read_panic;

/// Registers of a thread that are read: all but the bases of FS and GS.
const FRAME_REGISTERS: usize = Register::R15 as usize + 1;
/// In the order that they are printed in, three to a line.
const PRINTED: [[(&str, Register); 3]; 6] = [
    [("rip", Register::Rip), ("rsp", Register::Rsp), ("flg", Register::Rflags)],
    [("rax", Register::Rax), ("rbx", Register::Rbx), ("rcx", Register::Rcx)],
    [("rdx", Register::Rdx), ("rsi", Register::Rsi), ("rdi", Register::Rdi)],
    [("rbp", Register::Rbp), ("r8 ", Register::R8), ("r9 ", Register::R9)],
    [("r10", Register::R10), ("r11", Register::R11), ("r12", Register::R12)],
    [("r13", Register::R13), ("r14", Register::R14), ("r15", Register::R15)],
];

impl Root {
    /// A server touched memory that it was promised, and goes on; or did something that it cannot go on from: says so and
    /// gives back what it had.
    pub fn fault(&mut self, id: ServerId, message: &Message) -> Outcome {
        let fault = Fault::decode(message);
        let touch = fault.map_or(Touch::Foreign, |fault| self.touch_by_fault(id, &fault));
        let Some(server) = self.server(id).filter(|_| touch != Touch::Mapped) else {
            return Ok(Answer::Done);
        };
        let (name, page) = (server.name, server.start_page);
        let thread = message.badge >> THREAD_BADGE_SHIFT;
        let tcb = if thread == 0 { Some(server.facts.tcb) } else { server.threads.tcb(thread) };
        match thread {
            0 => print!("root: {name} (server {id}) stopped"),
            thread => print!("root: {name} (server {id}, thread {thread}) stopped"),
        }
        match fault {
            Some(fault) if touch == Touch::OutOfMemory => {
                println!(": out of memory that it was promised: {fault}")
            }
            Some(fault) => println!(": {fault}"),
            None => println!("; its fault has the unknown label {}", message.label()),
        }
        let _ = page.unmap();
        let mut panicked = false;
        let _ = self.with_page(page, |page| {
            read_panic(page, |text| {
                for line in clean::lines(text.as_bytes()) {
                    println!("root: {name} said: {line}");
                    panicked = true;
                }
            })
        });
        // The registers of a panic are those of its handler.
        if !panicked
            && let Some(registers) = tcb.and_then(|tcb| tcb.read_registers(false, FRAME_REGISTERS).ok())
        {
            print_registers(&registers);
        }
        // A service that is started again is no trouble.
        self.trouble |= !self.server(id).is_some_and(|server| server.is_service);
        self.ended(id, true);
        Ok(Answer::None)
    }
}

fn print_registers(registers: &UserContext) {
    for line in PRINTED {
        print!("root:  ");
        for (name, register) in line {
            print!(" {name} {:016x}", registers.get(register));
        }
        println!();
    }
}
