//! The console server's loop.
#![cfg_attr(target_os = "none", no_std, no_main)]

use console::lines::{Lines, TooManyClients};
use console::serial::Serial;
use libsel::ipc::Message;
use libsel::proto::console::ConsoleRequest;
use libsel::proto::start::{StartInfo, slot};
use libsel::proto::{Outgoing, ServiceError};
use libsel::rt::{self, Exclusive, print};

/// The clients, as static data: they are too large for the stack.
static LINES: Exclusive<Lines> = Exclusive::new(Lines::new());

#[libsel::main]
fn main(start: &StartInfo) -> libsel::Result<()> {
    // What this server itself has to say cannot go through the console.
    print::set_hook(print_own);
    let mut serial = Serial::new(slot::IO_PORTS, first_port(start))?;
    let serve_all = |lines: &mut Lines| -> ! {
        let mut message = slot::SERVICE.recv(slot::REPLY);
        loop {
            let answer = match serve(lines, &mut serial, &message) {
                Ok(()) => Outgoing::reply(&()),
                Err(error) => Outgoing::refusal(error),
            };
            message = answer.reply_recv(slot::SERVICE, slot::REPLY);
        }
    };
    LINES.try_with(serve_all);
    Ok(())
}

fn serve(lines: &mut Lines, serial: &mut Serial, message: &Message) -> Result<(), ServiceError> {
    let served = match ConsoleRequest::from_message(message)? {
        ConsoleRequest::Hello(hello) => lines.hello(message.badge, hello.name),
        ConsoleRequest::Print(print) => lines.print(message.badge, print.text.as_bytes(), serial),
    };
    served.map_err(|TooManyClients| ServiceError::OutOfMemory)
}

/// The first port that the root task gave us; without any, port accesses fail with an error that says so.
fn first_port(start: &StartInfo) -> u16 {
    start.io_ports().map_or(0, |ports| *ports.start())
}

fn print_own(bytes: &[u8]) {
    let serial = rt::start_info().map(|start| Serial::new(slot::IO_PORTS, first_port(start)));
    match serial {
        Some(Ok(mut serial)) => serial.write(bytes),
        _ => print::kernel(bytes),
    }
}
