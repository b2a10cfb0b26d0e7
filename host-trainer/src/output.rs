//! Standard output that may end before the program: `host-trainer inspect | head -1`, a full disk.

use std::ffi::OsStr;
use std::fmt;
use std::io::{self, Write};
use std::sync::Mutex;

use serde::Serialize;
use unicode_width::UnicodeWidthStr;

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
    let _ = writeln!(io::stderr(), "{}", printable(&line.to_string(), |_| "\u{fffd}".to_owned()));
}

/// Writes a line to standard output, and remembers if that fails.
pub fn write_line(line: fmt::Arguments) {
    write(&printable(&line.to_string(), |_| "\u{fffd}".to_owned()));
}

/// Writes plain data as one line of JSON.
pub fn write_json(value: &impl Serialize) {
    let text = serde_json::to_string(value).expect("it is plain data");
    write(&printable(&text, |character| format!("\\u{:04x}", u32::from(character))));
}

fn write(line: &str) {
    let mut ended = ENDED.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    if ended.is_none() {
        *ended = writeln!(io::stdout(), "{line}").err();
    }
}

/// Text from a file or folder as part of a line: what would command a terminal, end the line or turn its order becomes U+FFFD.
pub fn safe(text: &str) -> String {
    printable(text, |_| "\u{fffd}".to_owned()).replace('\n', "\u{fffd}")
}

/// Text, part of which may come from a file or a wire, with a substitute for what would command a terminal or turn the order
/// of what stands beside it. Ends of lines stay.
fn printable(text: &str, substitute: impl Fn(char) -> String) -> String {
    let mut result = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' => result.push(character),
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                result += &substitute(character)
            }
            _ if character.is_control() => result += &substitute(character),
            _ => result.push(character),
        }
    }
    result
}

/// The columns of a terminal that text takes.
pub fn columns(text: &str) -> usize {
    printable(text, |_| "\u{fffd}".to_owned()).width()
}

/// Text, filled up with spaces to so many columns of a terminal.
pub fn padded(text: &str, to: usize) -> String {
    format!("{text}{}", " ".repeat(to.saturating_sub(columns(text))))
}

/// A word of a command that is printed to be copied, as a shell takes it.
pub fn word(word: impl AsRef<OsStr>) -> String {
    let text = word.as_ref().to_string_lossy();
    let is_plain = |character: char| character.is_alphanumeric() || "-_./=,+:%@\\".contains(character);
    if !text.is_empty() && text.chars().all(is_plain) && (cfg!(windows) || !text.contains('\\')) {
        return text.into_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// What became of the output: an error if something that was to be read is lost. A reader that has gone away had enough.
pub fn finish() -> io::Result<()> {
    let mut ended = ENDED.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    match ended.take().or_else(|| io::stdout().flush().err()) {
        Some(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
        Some(_) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_is_printed_commands_a_terminal() {
        let label = "c\u{1b}[2Jat\u{9b}\u{202e}\nd\u{e9}g\r";
        assert_eq!(printable(label, |_| "?".to_owned()), "c?[2Jat??\nd\u{e9}g?");
        assert_eq!(safe("a\nb\u{1b}ü"), "a\u{fffd}b\u{fffd}ü");
        let json = serde_json::to_string(label).unwrap();
        let shown = printable(&json, |character| format!("\\u{:04x}", u32::from(character)));
        assert!(shown.chars().all(|character| !character.is_control() && character != '\u{202e}'), "{shown}");
        assert_eq!(serde_json::from_str::<String>(&shown).unwrap(), label);
    }

    #[test]
    fn columns_are_those_of_a_terminal() {
        for text in ["", "cat", "dämmerung", "da\u{308}mmerung", "橋", "a\u{1b}b\u{202e}"] {
            let padded = padded(text, 12);
            assert!(padded.starts_with(text) && columns(&padded) == 12, "{text:?}: {padded:?}");
        }
        assert_eq!((columns("橋"), padded("abc", 2)), (2, "abc".to_owned()));
    }

    #[test]
    fn a_printed_command_can_be_copied() {
        for (given, expected) in [
            ("runs/vgg3-best", "runs/vgg3-best"),
            ("größer", "größer"),
            ("a b", "'a b'"),
            ("it's $HOME", "'it'\\''s $HOME'"),
            ("", "''"),
        ] {
            assert_eq!(word(given), expected);
        }
    }
}
