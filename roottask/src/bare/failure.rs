//! How a step of a test or a benchmark says that something is wrong.

use core::fmt::{self, Debug, Write};
use core::panic::Location;

use libsel::Error;
use libsel::rt::Exclusive;

/// How a test, or a step of it, ended.
pub type Outcome<T = ()> = Result<T, Failure>;

/// A step of a test failed. What was expected and seen is in [`TEXT`] until the next failure: results stay small.
pub struct Failure {
    place: &'static Location<'static>,
}

impl Failure {
    /// A failure at the caller's place.
    #[track_caller]
    pub fn new(text: fmt::Arguments<'_>) -> Self {
        TEXT.try_with(|kept| {
            kept.used = 0;
            // Text that does not fit is cut.
            let _ = kept.write_fmt(text);
        });
        Failure { place: Location::caller() }
    }
}

/// An invocation that a test relies on failed.
impl From<Error> for Failure {
    #[track_caller]
    fn from(error: Error) -> Self {
        Failure::new(format_args!("expected success, seen {error:?} ({error})"))
    }
}

impl Failure {
    /// Hands its text and its place to `show`. Only the last failure has a text.
    pub fn describe(&self, show: impl FnOnce(&str, &Location<'_>)) {
        TEXT.try_with(|text| {
            let text = core::str::from_utf8(&text.bytes[..text.used]).unwrap_or("(text was cut)");
            show(text, self.place);
        });
    }
}

/// Bytes of a failure's text.
const TEXT_BYTES: usize = 1000;

/// The text of the last failure.
static TEXT: Exclusive<Text> = Exclusive::new(Text { bytes: [0; TEXT_BYTES], used: 0 });

/// A line of text of limited length.
struct Text {
    bytes: [u8; TEXT_BYTES],
    used: usize,
}

impl Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            *self.bytes.get_mut(self.used).ok_or(fmt::Error)? = byte;
            self.used += 1;
        }
        Ok(())
    }
}

/// `seen` has to be `expected`.
#[track_caller]
pub fn equal<T: PartialEq + Debug>(seen: T, expected: T) -> Outcome {
    if seen == expected {
        return Ok(());
    }
    Err(Failure::new(format_args!("expected {expected:x?}, seen {seen:x?}")))
}
