//! What a board does, changed while it runs. The board says what settings it has and what each can be; nothing of that is known here.

use std::fmt::{self, Display, Formatter};
use std::io::{self, Write};
use std::time::{Duration, Instant};

use board_client::line::{Asked, Event};
use board_client::text::printable;
use protocol::{DEFAULT, Message, Request, Setting, SettingAnswer, SettingRequest};

use crate::MonitorError;
use crate::link::Link;
use crate::port::Port;

/// A board that runs answers within this, the longest erase among it; after a crash it waits for some seconds first.
const PATIENCE: Duration = Duration::from_secs(15);
/// A word is meant by another one that differs from it in so many letters at most.
const MISSES: usize = 2;
/// Of the column of names.
const WIDTH: usize = 12;

/// Show or change what a board does.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Where the board is, as for watching: /dev/ttyACM0, COM3, tcp:HOST:PORT.
    port: Port,
    /// The setting; without one, all that the board has are shown.
    key: Option<String>,
    /// Its value from now on, kept over resets; `default` is what the board's program was built with. Without one, it is shown.
    #[arg(allow_hyphen_values = true)]
    value: Option<String>,
    /// Print a line of JSON for each setting.
    #[arg(long)]
    json: bool,
    /// Bits a second of a UART; USB, pseudo-terminals and TCP do not care.
    #[arg(long, default_value_t = 115_200)]
    baud_rate: u32,
}

/// Why a setting is neither shown nor changed.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum SettingError {
    #[error("{port}: the board says nothing: is it a board of this project, and does its port speak messages?")]
    Silent { port: Port },
    #[error(
        "this board's firmware has settings that only its program can change: flash the newest firmware (`cargo run -p flash-images`)"
    )]
    Unsupported,
    #[error("this board has no setting {key:?}{hint}; it has {names}. Nothing was sent")]
    Unknown { key: String, hint: String, names: String },
    #[error("{reason}{hint}. Nothing has changed")]
    Refused { reason: String, hint: String },
    #[error("no answer for {seconds} s: ask for the setting to see whether it has changed", seconds = PATIENCE.as_secs())]
    NoAnswer,
}

/// A setting as a board tells it; see [`Setting`].
#[derive(Clone, Debug, serde::Serialize)]
struct Told {
    key: String,
    value: String,
    default: String,
    allowed: String,
    meaning: String,
    note: String,
}

impl Display for Told {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let Self { key, value, default, allowed, meaning, note } = self;
        write!(formatter, "{key:<WIDTH$} {value}")?;
        if value != default {
            write!(formatter, "  (default: {default})")?;
        }
        if !note.is_empty() {
            write!(formatter, "  {note}")?;
        }
        write!(formatter, "\n{:WIDTH$} {meaning}\n{:WIDTH$} can be {allowed}", "", "")
    }
}

impl From<&Setting<'_>> for Told {
    fn from(setting: &Setting<'_>) -> Self {
        let &Setting { key, value, default, allowed, meaning, note, .. } = setting;
        let [key, value, default, allowed, meaning, note] =
            [key, value, default, allowed, meaning, note].map(printable);
        Self { key, value, default, allowed, meaning, note }
    }
}

/// What `set` has to do with its flags.
///
/// # Errors
/// [`MonitorError`] if the board has no such setting or does not take the value, or says nothing.
pub fn run(arguments: &Arguments) -> Result<(), MonitorError> {
    let Arguments { port, key, value, json, baud_rate } = arguments;
    let mut link = Link::new(port.clone(), *baud_rate);
    link.connect()?;
    let mut told = list(&mut link)?.ok_or_else(|| SettingError::Silent { port: port.clone() })?;
    if let Some(key) = key {
        let names: Vec<_> = told.iter().map(|told| told.key.clone()).collect();
        told.retain(|told| told.key == *key);
        let Some(known) = told.first_mut() else {
            let hint = hint(key, names.iter().map(String::as_str));
            return Err(SettingError::Unknown { key: printable(key), hint, names: names.join(", ") }.into());
        };
        if let Some(value) = value {
            *known = set(&mut link, known, value)?;
        }
    }
    let mut output = io::stdout();
    for told in told {
        if *json {
            writeln!(output, "{}", serde_json::to_string(&told).expect("it is text"))?;
        } else {
            writeln!(output, "{told}")?;
        }
    }
    Ok(())
}

/// All settings of a board; none if it says nothing.
fn list(link: &mut Link) -> Result<Option<Vec<Told>>, SettingError> {
    let mut places: Vec<Option<Told>> = Vec::new();
    ask(link, SettingRequest::List, |answer| {
        if let SettingAnswer::Present(setting) = answer {
            places.resize(setting.count.into(), None);
            if let Some(place) = places.get_mut(usize::from(setting.index)) {
                *place = Some(Told::from(setting));
            }
        }
        // None of them is missing.
        places.iter().cloned().collect::<Option<Vec<_>>>().filter(|told| !told.is_empty())
    })
}

/// Changes a setting, and gives what it is then.
fn set(link: &mut Link, told: &Told, value: &str) -> Result<Told, SettingError> {
    let key = told.key.as_str();
    let outcome = ask(link, SettingRequest::Set { key, value }, |answer| match answer {
        SettingAnswer::Changed(setting) if setting.key == key => Some(Ok(Told::from(setting))),
        SettingAnswer::Refused { key: refused, reason } if *refused == key => Some(Err(printable(reason))),
        SettingAnswer::Present(_) | SettingAnswer::Changed(_) | SettingAnswer::Refused { .. } => None,
    })?;
    outcome.ok_or(SettingError::NoAnswer)?.map_err(|reason| {
        // Of `majority:5` the word; in `a, or b: c` all of the words, and what stands between commas, as classes do.
        let word = value.split_once(':').map_or(value, |(word, _)| word);
        let parts = told.allowed.split([',', ';', ':']).chain(told.allowed.split_whitespace());
        let words =
            parts.map(|part| part.trim_matches(|letter: char| letter.is_whitespace() || ",;:".contains(letter)));
        SettingError::Refused { hint: hint(word, words.chain([DEFAULT])), reason }
    })
}

/// Asks until `find` gives something, or for as long as a board may take: then none.
fn ask<T>(
    link: &mut Link,
    request: SettingRequest<'_>,
    mut find: impl FnMut(&SettingAnswer<'_>) -> Option<T>,
) -> Result<Option<T>, SettingError> {
    let request = Request::Settings(request);
    let start = Instant::now();
    let (mut asked, mut found, mut is_unsupported) = (Asked::default(), None, false);
    while found.is_none() && start.elapsed() < PATIENCE {
        link.ask(&mut asked, [request]);
        link.poll(|event| match event {
            Event::Message(Message::Setting(answer)) => found = found.take().or_else(|| find(answer)),
            Event::Message(Message::Unsupported { request: kind }) => is_unsupported |= *kind == request.kind(),
            Event::Message(_) | Event::Connected | Event::Lost { .. } | Event::OtherVersion(_) | Event::Received(_) => {
            }
        });
        if is_unsupported {
            return Err(SettingError::Unsupported);
        }
    }
    Ok(found)
}

/// The word that may be meant, in brackets; nothing if none is near.
fn hint<'w>(word: &str, words: impl Iterator<Item = &'w str>) -> String {
    let words = words.filter(|other| other.contains(char::is_alphabetic));
    let near = words.map(|other| (strsim::damerau_levenshtein(word, other), other));
    let nearest = near.filter(|(misses, other)| *misses <= MISSES && *misses < other.chars().count()).min();
    // What is right already is not what is wrong.
    nearest.filter(|(misses, _)| *misses > 0).map_or(String::new(), |(_, other)| format!(" (did you mean {other:?}?)"))
}
