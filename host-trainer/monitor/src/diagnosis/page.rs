//! All that a diagnosis found, as a page for a bug report, with the pictures beside it.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use board_client::diagnosis::{Check, Evidence, Examined};
use board_client::text::{date_time, faults, thousands};
use protocol::Subject;

use crate::port::Port;
use crate::recording::{since_1970, write_new};

/// The page's name in its folder.
pub const NAME: &str = "diagnosis.md";
/// Those of its pictures: one frame, the test pattern, and what the network saw.
const PICTURES: [&str; 3] = ["frame.png", "test-pattern.png", "network.png"];

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
#[error("{}: {reason}; name a new folder with --page", path.display())]
pub struct PageError {
    path: PathBuf,
    reason: io::Error,
}

/// Makes `folder`, before a diagnosis that takes a minute.
///
/// # Errors
/// [`PageError`] if it cannot be made, or with a file in it that [`write`] would write.
pub fn prepare(folder: &Path) -> Result<(), PageError> {
    fs::create_dir_all(folder).map_err(at(folder))?;
    let mut paths = PICTURES.into_iter().chain([NAME]).map(|name| folder.join(name));
    match paths.find(|path| path.exists()) {
        Some(path) => Err(at(&path)(ErrorKind::AlreadyExists.into())),
        None => Ok(()),
    }
}

/// Makes an error about `path`, for `map_err`.
fn at(path: &Path) -> impl FnOnce(io::Error) -> PageError {
    let path = path.to_owned();
    move |reason| PageError { path, reason }
}

/// Writes the page and its pictures into the `folder` that [`prepare`] has made, in which nothing is overwritten.
///
/// # Errors
/// [`PageError`] with the file that cannot be written.
pub fn write(folder: &Path, port: &Port, evidence: &Evidence, checks: &[Check]) -> Result<(), PageError> {
    let frame = |subject| evidence.of(subject).and_then(|examined| examined.frame.as_ref());
    let pictures = [
        ("One frame, whatever it shows", frame(Subject::Camera)),
        ("The test pattern", frame(Subject::TestPattern)),
        ("What the network saw last", evidence.picture.as_ref()),
    ];
    let mut shown = String::new();
    for (name, (title, picture)) in PICTURES.into_iter().zip(pictures) {
        if let Some(picture) = picture {
            let path = folder.join(name);
            let written = picture.to_png(&[]).and_then(|bytes| write_new(&path, &bytes));
            written.map_err(at(&path))?;
            let _ =
                write!(shown, "\n{title}, {} x {}:\n\n![{title}]({name})\n", picture.shape.width, picture.shape.height);
        }
    }
    let path = folder.join(NAME);
    let page = page(port, evidence, checks) + &shown;
    write_new(&path, page.as_bytes()).map_err(at(&path))
}

fn page(port: &Port, evidence: &Evidence, checks: &[Check]) -> String {
    let mut page = format!(
        "# Diagnosis of a board\n\n{}, at {port}, by monitor {}.\n\n| | check | found | next |\n| --- | --- | --- | --- |\n",
        date_time(since_1970()),
        env!("CARGO_PKG_VERSION")
    );
    for Check { name, verdict, text, next } in checks {
        let next = next.as_deref().unwrap_or_default();
        let _ = writeln!(page, "| {} | {name} | {} | {} |", verdict.name(), cell(text), cell(next));
    }
    page += "\n## Details\n\n";
    if let Some(device) = &evidence.state.device {
        let _ = writeln!(
            page,
            "- board {}, camera {}, model {} (CRC-32 {}, {} bytes), plan {}, arena {} bytes",
            device.board,
            device.camera,
            device.model,
            device.crc32,
            thousands(device.blob_len),
            device.plan,
            thousands(device.arena_len)
        );
    }
    for (subject, name) in Subject::ALL.into_iter().zip(["board", "camera", "test pattern"]) {
        if let Some(examined) = evidence.of(subject) {
            describe(&mut page, name, examined);
        }
    }
    let _ = writeln!(
        page,
        "- {} frames and {} faults in {:.1} s; faults since boot: {}; messages: {}",
        evidence.frames.len(),
        evidence.faults.len(),
        evidence.watched.as_secs_f64(),
        faults(&evidence.state.faults),
        evidence.state.statistics()
    );
    if !evidence.frames.is_empty() {
        page += "- means of red, green and blue, frame after frame:";
        for frame in &evidence.frames {
            let [red, green, blue] = frame.means;
            let _ = write!(page, " {red:.0}/{green:.0}/{blue:.0}");
        }
        page.push('\n');
    }
    page
}

fn describe(page: &mut String, name: &str, examined: &Examined) {
    let end = if examined.is_complete { "" } else { ", which did not come to its end" };
    let _ = writeln!(page, "- examination of the {name}{end}:");
    for (name, value) in &examined.values {
        let _ = writeln!(page, "  - {name}: {value}");
    }
    if let Some((product, is_known)) = examined.product {
        let _ = writeln!(page, "  - product {product:#06x}, {}", if is_known { "known" } else { "not known" });
    }
    for (deed, outcome) in [("start", &examined.start), ("read", &examined.read), ("capture", &examined.capture)] {
        if let Some(outcome) = outcome {
            let trouble = outcome.trouble.as_ref();
            let trouble =
                trouble.map_or(String::from("done"), |trouble| format!("code {}: {}", trouble.code, trouble.text));
            let _ = writeln!(page, "  - {deed}, time {}: {trouble}", outcome.time);
        }
    }
    for register in &examined.registers {
        let _ = writeln!(
            page,
            "  - register {:#04x} of bank {}: written {:#04x}, found {:#04x}",
            register.address, register.bank, register.written, register.found
        );
    }
}

/// Text in a table of Markdown.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}
