//! The console server's requests and interrupts.
#![cfg_attr(target_os = "none", no_std, no_main)]

mod displays;

use console::keyboard::Keyboard;
use console::lines::{Lines, TooManyClients, View};
use console::output::harmless;
use console::ps2::Controller;
use console::serial::Serial;
use console::session::{self, Session};
use console::terminal::Decoder;
use libsel::abi::Word;
use libsel::cap::{Cap, IrqHandler};
use libsel::proto::console::{Complete, ConsoleRequest, Hello, Input, Key, Print, ReadKey, ReadLine, Write};
use libsel::proto::root::RootService;
use libsel::proto::start::{StartInfo, slot};
use libsel::proto::{Answer, Caller, Handler, Pending, Service, ServiceError, Text, serve};
use libsel::rt::{self, Exclusive, print};

use displays::Displays;

/// The clients, as static data: they are too large for the stack.
static LINES: Exclusive<Lines> = Exclusive::new(Lines::new());

/// Interrupts in the order of the manifest: the serial port, then the keyboard.
const SERIAL: Word = 0;
const KEYBOARD: Word = 1;

type Readers = Session<Pending<Input>, Pending<Key>>;

struct Console<'a> {
    lines: &'a mut Lines,
    session: Readers,
    displays: Displays,
    terminal: Decoder,
    keyboard: Keyboard,
    controller: Option<Controller>,
}

#[libsel::main]
fn main(start: &StartInfo) -> libsel::Result<()> {
    // What this server itself has to say cannot go through the console.
    print::set_hook(print_own);
    let serial = Serial::new(slot::IO_PORTS, first_port(start))?;
    serial.enable_interrupts()?;
    let controller = Controller::new(slot::MORE_IO_PORTS);
    LINES.try_with(|lines| -> ! {
        let mut console = Console {
            lines,
            session: Session::new(),
            displays: Displays::new(serial),
            terminal: Decoder::default(),
            keyboard: Keyboard::new(),
            controller,
        };
        // Whatever came before this server could be told.
        console.notified(1 << SERIAL | 1 << KEYBOARD | slot::LOG);
        serve::<ConsoleRequest, _>(&mut console)
    });
    Ok(())
}

impl Console<'_> {
    fn key(&mut self, key: Key) {
        self.session.key(key, &mut self.displays);
    }

    fn read_serial(&mut self) {
        for byte in self.displays.serial.read() {
            if let Some(key) = self.terminal.byte(byte) {
                self.session.key(key, &mut self.displays);
            }
        }
    }

    fn read_keyboard(&mut self) {
        let Some(controller) = self.controller else { return };
        for byte in controller.read() {
            if let Some(key) = self.keyboard.byte(byte) {
                self.key(key);
            }
        }
    }

    /// Shows what the root task printed. At the serial port the kernel did so already, wherever the cursor was; there the
    /// prompt is drawn once more.
    fn show_log(&mut self) {
        self.session.begin(&mut self.displays.screen_alone());
        while let Ok(text) = RootService(slot::ROOT).take_log()
            && !text.as_bytes().is_empty()
        {
            harmless(text.as_bytes(), &mut self.displays.screen_alone());
        }
        self.session.settle(&mut self.displays);
    }

    /// Tells those who wait what was typed, and shows it.
    fn answer(&mut self) {
        self.displays.refresh();
        while let Some(answer) = self.session.answer() {
            match answer {
                session::Answer::Line(pending, event, text) => {
                    pending.answer(Input { event, text: Text::cut(text.as_bytes()) });
                }
                session::Answer::Key(pending, key) => pending.answer(key),
            }
        }
    }

    fn print(&mut self, client: u64, text: &[u8]) -> Result<Answer<()>, ServiceError> {
        let mut view = View::new(&mut self.session, &mut self.displays);
        let printed = self.lines.print(client, text, &mut view);
        view.settle();
        self.displays.refresh();
        printed.map_err(|TooManyClients| ServiceError::OutOfMemory)?;
        Ok(().into())
    }

    fn may_read(&self, client: u64) -> Result<(), ServiceError> {
        self.session.may_read(client).then_some(()).ok_or(ServiceError::OutOfMemory)
    }
}

impl Service for Console<'_> {
    fn notified(&mut self, bits: Word) {
        // The line interrupts once for all that it has: what comes after the acknowledgement interrupts again, and what
        // came before it is read here.
        if bits & 1 << SERIAL != 0 {
            let _ = interrupt(SERIAL).ack();
            self.read_serial();
        }
        if bits & slot::LOG != 0 {
            self.show_log();
        }
        if bits & slot::CLIENT_GONE != 0 {
            while let Some(client) = RootService(slot::ROOT).next_gone() {
                self.session.gone(client, &mut self.displays);
                let mut view = View::new(&mut self.session, &mut self.displays);
                self.lines.forget(client, &mut view);
                view.settle();
            }
        }
        if bits & 1 << KEYBOARD != 0 {
            let _ = interrupt(KEYBOARD).ack();
            self.read_keyboard();
        }
        self.answer();
    }
}

impl Handler<Hello> for Console<'_> {
    fn handle(&mut self, request: Hello, caller: &mut Caller<()>) -> Result<Answer<()>, ServiceError> {
        let known = self.lines.hello(caller.badge(), request.name);
        known.map_err(|TooManyClients| ServiceError::OutOfMemory)?;
        Ok(().into())
    }
}

impl Handler<Print> for Console<'_> {
    fn handle(&mut self, request: Print, caller: &mut Caller<()>) -> Result<Answer<()>, ServiceError> {
        self.print(caller.badge(), request.text.as_bytes())
    }
}

impl Handler<Write> for Console<'_> {
    fn handle(&mut self, request: Write, caller: &mut Caller<()>) -> Result<Answer<()>, ServiceError> {
        let text = request.text.as_bytes();
        if self.session.write(caller.badge(), text, &mut self.displays) {
            self.displays.refresh();
            return Ok(().into());
        }
        self.print(caller.badge(), text)
    }
}

impl Handler<ReadLine> for Console<'_> {
    fn handle(
        &mut self,
        request: ReadLine,
        caller: &mut Caller<Input>,
    ) -> Result<Answer<Input>, ServiceError> {
        self.may_read(caller.badge())?;
        let (pending, later) = caller.defer()?;
        let prompt = core::str::from_utf8(request.prompt.as_bytes()).unwrap_or_default();
        self.session.read_line(caller.badge(), pending, prompt, &mut self.displays);
        self.answer();
        Ok(later)
    }
}

impl Handler<Complete> for Console<'_> {
    fn handle(
        &mut self,
        request: Complete,
        caller: &mut Caller<Input>,
    ) -> Result<Answer<Input>, ServiceError> {
        if !self.session.is_kept(caller.badge()) {
            return Err(ServiceError::NotFound);
        }
        let (pending, later) = caller.defer()?;
        let insert = core::str::from_utf8(request.insert.as_bytes()).unwrap_or_default();
        self.session.complete(pending, insert, &mut self.displays);
        self.answer();
        Ok(later)
    }
}

impl Handler<ReadKey> for Console<'_> {
    fn handle(&mut self, _: ReadKey, caller: &mut Caller<Key>) -> Result<Answer<Key>, ServiceError> {
        self.may_read(caller.badge())?;
        let (pending, later) = caller.defer()?;
        self.session.read_key(caller.badge(), pending, &mut self.displays);
        self.answer();
        Ok(later)
    }
}

const fn interrupt(number: Word) -> Cap<IrqHandler> {
    Cap::new(slot::FIRST_IRQ + number)
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
