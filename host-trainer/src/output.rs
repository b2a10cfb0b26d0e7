//! Standard output that may end before the program: `host-trainer inspect | head -1`, a full disk.

use std::fmt;
use std::io::{self, Write};
use std::sync::Mutex;

/// What writing ended with; nothing is written after it.
static ENDED: Mutex<Option<io::Error>> = Mutex::new(None);

/// Prints a line, like `println!`; where output has ended nothing, and the work goes on.
#[macro_export]
macro_rules! say {
    ($($argument:tt)*) => {
        $crate::output::write_line(format_args!($($argument)*))
    };
}

/// Prints a line to standard error, like `eprintln!`; nothing if that is closed.
#[macro_export]
macro_rules! note {
    ($($argument:tt)*) => {
        $crate::output::write_note(format_args!($($argument)*))
    };
}

/// Writes a line to standard error.
pub fn write_note(line: fmt::Arguments) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// Writes a line to standard output, and remembers if that fails.
pub fn write_line(line: fmt::Arguments) {
    let mut ended = ENDED.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    if ended.is_none() {
        *ended = writeln!(io::stdout(), "{line}").err();
    }
}

/// What became of the output: an error if something that was to be read is lost. A reader that has gone away had enough.
pub fn finish() -> io::Result<()> {
    let mut ended = ENDED.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    match ended.take().or_else(|| io::stdout().flush().err()) {
        Some(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
        Some(_) | None => Ok(()),
    }
}
