//! Starting the servers that the manifest lists.
use libsel::bootinfo::Module;
use libsel::println;
use libsel::proto::Name;
use roottask::manifest::{self, Entry, FILE_NAME, MOST_SERVERS, Mistake, Problem};

use super::Root;
use super::server::MAX_SERVERS;
use super::spawn::SpawnError;
use super::window::MODULE_BYTES;

// Number 0 is nobody.
const _: () = assert!(MOST_SERVERS == MAX_SERVERS - 1);
/// Mistakes of the manifest that are printed.
const MOST_TOLD: usize = 200;

impl Root {
    /// Starts every server of the manifest, in its order. What is wrong with one is told, and the others start.
    pub fn start_servers(&mut self) {
        let mut mistakes = 0;
        let file = self.manifest();
        self.trouble |= file.is_none();
        for found in file.into_iter().flat_map(manifest::read) {
            let problem = match found {
                Ok(entry) => match self.image(entry.image) {
                    Some(image) => {
                        self.start_listed(entry, image);
                        continue;
                    }
                    None => {
                        let Entry { name, line, image, .. } = entry;
                        Problem { line, section: Some(name), mistake: Mistake::NoImage { image } }
                    }
                },
                Err(problem) => problem,
            };
            self.trouble = true;
            mistakes += 1;
            if mistakes <= MOST_TOLD {
                println!("root: {FILE_NAME}:{problem}");
            }
        }
        if mistakes > MOST_TOLD {
            println!("root: {FILE_NAME}: {} more mistakes", mistakes - MOST_TOLD);
        }
        self.all_started();
    }

    /// The manifest's bytes. If there are none to be had, that is told.
    fn manifest(&mut self) -> Option<&'static [u8]> {
        let mut found: Option<Module<'static>> = None;
        for module in self.bootinfo.modules() {
            let is_file = module.string.starts_with("file ");
            if module.string.trim() == manifest::MODULE && found.is_none() {
                found = Some(module);
            } else if !is_file {
                println!(
                    "root: module `{}` is not for me: I take one `manifest`, and `file NAME`",
                    module.string
                );
            }
        }
        let Some(Module { paddr, size, .. }) = found else {
            println!(
                "root: there is no manifest: limine.conf needs `module_path: boot():/boot/{FILE_NAME}` followed by \
                 `module_cmdline: {}`",
                manifest::MODULE
            );
            return None;
        };
        if size == 0 {
            return Some(&[]);
        }
        let bytes = self.keep_module(paddr, size);
        if bytes.is_err() {
            println!(
                "root: {FILE_NAME} has {size} bytes; it may have {MODULE_BYTES}, if there is memory to map it"
            );
        }
        bytes.ok()
    }

    /// The boot module `file NAME`.
    fn image(&self, name: &str) -> Option<Module<'static>> {
        self.bootinfo.modules().find(|module| manifest::is_file(module.string, name))
    }

    fn start_listed(&mut self, entry: Entry<'static>, image: Module<'static>) {
        let Some(name) = Name::new(entry.name) else { return };
        self.add_program(name, entry, (image.paddr, image.size));
        match self.start(&entry, image) {
            Ok(()) => println!("root: {name} runs, {} KiB image file", image.size.div_ceil(1024)),
            Err(error) => {
                println!("root: cannot start {name}: {error}");
                self.trouble = true;
                self.not_started(name);
            }
        }
    }

    fn start(&mut self, entry: &Entry<'_>, image: Module<'_>) -> Result<(), SpawnError> {
        if !entry.service && self.free_blocks.is_none() {
            self.memory.trim();
            self.free_blocks = Some(self.memory.stats().free_blocks);
        }
        self.spawn(entry, image.paddr, image.size)
    }
}
