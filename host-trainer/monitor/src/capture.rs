//! Training pictures in a folder, taken by a person at the keys of a terminal or by themselves.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use board_client::capture::{Album, BURST_LEN, CLASS_KEYS, Capture, PARTS, UNSORTED, file_name, name_problem, png};
use board_client::state::{Picture, State};
use board_client::text::{date_time, printable, thousands};
use protocol::MAX_LABEL_LEN;
use ratatui::crossterm::event::KeyCode;

use crate::recording::{since_1970, write_new};

/// Endings of pictures' names.
const ENDINGS: [&str; 8] = ["png", "jpg", "jpeg", "webp", "bmp", "gif", "tif", "tiff"];

/// Which pictures are kept without a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum When {
    /// Those that the model is not sure of, at most one a second
    Unsure,
}

/// Pictures cannot be taken.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// The folder cannot be made or read.
    #[error("cannot take pictures into {}: {source}; name another folder with --capture", folder.display())]
    Folder {
        /// Which one.
        folder: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The classes are one level further down.
    #[error(
        "{0} is split already: name the part that pictures are taken for, such as --capture {0}/train",
        folder.display()
    )]
    Split {
        /// Which one.
        folder: PathBuf,
    },
    /// Nobody can press a key.
    #[error(
        "--capture takes its keys from a terminal; without one, and with --plain or --json, it needs --when unsure"
    )]
    NoTerminal,
}

/// A question to the person at the keys.
#[derive(Debug)]
pub enum Dialog {
    /// The name of a new class, as far as it is typed.
    NewClass(String),
    /// Whether the newest shot is to be removed, in words.
    Undo(String),
}

/// A person at the keys, who takes pictures.
#[derive(Debug)]
pub struct Keys {
    pub capture: Capture<Folder>,
    pub dialog: Option<Dialog>,
}

impl Keys {
    /// Makes the folder, if need be, and lists its classes.
    ///
    /// # Errors
    /// [`CaptureError`] if that fails, or if the folder's sub-folders are no classes.
    pub fn start(folder: &Path, when: Option<When>) -> Result<Self, CaptureError> {
        let names = fs::create_dir_all(folder).and_then(|()| folders(folder));
        let names = names.map_err(|source| CaptureError::Folder { folder: folder.to_path_buf(), source })?;
        if names.iter().any(|name| PARTS.contains(&name.as_str())) {
            return Err(CaptureError::Split { folder: folder.to_path_buf() });
        }
        let album = Folder { path: folder.to_path_buf(), made: BTreeSet::new() };
        Ok(Self { capture: Capture::start(album, &names, when == Some(When::Unsure)), dialog: None })
    }

    /// Does what a key is for, and says whether to go on.
    pub fn press(&mut self, key: KeyCode, state: &State, now: Duration) -> bool {
        match self.dialog.take() {
            Some(Dialog::NewClass(name)) => self.edit(name, key),
            Some(Dialog::Undo(_)) if matches!(key, KeyCode::Char('u' | 'U')) => self.capture.undo(),
            Some(Dialog::Undo(_)) => self.capture.say("kept"),
            None => match key {
                KeyCode::Char('q' | 'Q') | KeyCode::Esc => return false,
                KeyCode::Char(' ') => self.capture.shoot(1, state.is_connected(), now),
                KeyCode::Char('b' | 'B') => self.capture.shoot(BURST_LEN, state.is_connected(), now),
                KeyCode::Char('n' | 'N') => {
                    self.capture.say("");
                    self.dialog = Some(Dialog::NewClass(String::new()));
                }
                KeyCode::Char('u' | 'U') => self.ask_undo(),
                KeyCode::Char(letter) => {
                    if let Some(index) = CLASS_KEYS.chars().position(|key| key == letter) {
                        self.capture.choose(index);
                    }
                }
                KeyCode::Down => self.capture.choose(self.capture.chosen.map_or(0, |index| index + 1)),
                KeyCode::Up => self.capture.choose(self.capture.chosen.map_or(0, |index| index.saturating_sub(1))),
                _ => {}
            },
        }
        true
    }

    /// What was taken since the start, as a part of a sentence.
    pub fn summary(&self) -> String {
        let folder = shown(&self.capture.album.path);
        let mut text = format!("{} pictures taken into {folder}", thousands(self.capture.taken()));
        if self.capture.unsorted.is_some() {
            text += &format!(", {} kept in {UNSORTED}", thousands(self.capture.kept));
        }
        text
    }

    fn ask_undo(&mut self) {
        let question = |what| Dialog::Undo(format!("remove {what}? u removes, any other key keeps"));
        self.dialog = self.capture.newest().map(question);
    }

    fn edit(&mut self, mut name: String, key: KeyCode) {
        match key {
            KeyCode::Esc => return self.capture.say("no new class"),
            KeyCode::Enter if self.capture.name_class(&name) => return,
            KeyCode::Enter => {}
            KeyCode::Backspace => {
                name.pop();
                self.capture.say("");
            }
            KeyCode::Char(letter) if name.len() + letter.len_utf8() <= MAX_LABEL_LEN => {
                name.push(letter);
                self.capture.say("");
            }
            _ => {}
        }
        self.dialog = Some(Dialog::NewClass(name));
    }
}

/// A folder of classes.
#[derive(Debug)]
pub struct Folder {
    pub path: PathBuf,
    /// Classes whose folders were not there before.
    made: BTreeSet<String>,
}

impl Album for Folder {
    fn count(&self, class: &str) -> u64 {
        survey(&self.path.join(class)).pictures
    }

    fn add(&mut self, class: &str, picture: &Picture, burst: Option<&str>) -> Result<String, String> {
        let folder = self.path.join(class);
        // Only this one: a folder of all classes that is gone may be on a disk that was taken out.
        match fs::create_dir(&folder) {
            Ok(()) => drop(self.made.insert(class.to_owned())),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(format!("cannot make {}: {error}", shown(&folder))),
        }
        let png = png(picture, since_1970(), burst)?;
        let mut number = survey(&folder).last_number;
        loop {
            number += 1;
            let name = file_name(number);
            let path = folder.join(&name);
            match write_new(&path, &png) {
                Ok(()) => return Ok(name),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => {
                    self.clear(class);
                    return Err(format!("cannot write {}: {error}", shown(&path)));
                }
            }
        }
    }

    fn remove(&mut self, class: &str, name: &str) -> Result<(), String> {
        let file = self.path.join(class).join(name);
        // What is not there may have been sorted elsewhere meanwhile.
        if let Err(error) = fs::remove_file(&file)
            && error.kind() != ErrorKind::NotFound
        {
            return Err(format!("cannot remove {}: {error}", shown(&file)));
        }
        self.clear(class);
        Ok(())
    }

    fn new_burst(&mut self) -> String {
        let now = since_1970();
        format!("{}-{:09}-{}", date_time(now), now.subsec_nanos(), std::process::id())
    }
}

impl Folder {
    /// Removes a class's folder that was made here and is empty: it would stop a training. What else was put there keeps it.
    fn clear(&mut self, class: &str) {
        if self.made.contains(class) && fs::remove_dir(self.path.join(class)).is_ok() {
            self.made.remove(class);
        }
    }
}

/// A path for people.
fn shown(path: &Path) -> String {
    printable(&path.display().to_string())
}

/// Names of the folders in a folder that are classes or parts of a data set, sorted.
fn folders(folder: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().into_string();
        if let Ok(name) = name
            && entry.path().is_dir()
            && (name_problem(&name).is_none() || PARTS.contains(&name.as_str()))
        {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// What is in a class's folder.
#[derive(Default)]
struct Survey {
    /// Pictures, in folders below as well.
    pictures: u64,
    /// The highest number that is the name of a picture.
    last_number: u64,
}

/// Looks through a folder; one that cannot be read has nothing.
fn survey(folder: &Path) -> Survey {
    let mut found = Survey::default();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let ending = path.extension().unwrap_or_default().to_ascii_lowercase();
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            found.pictures += survey(&path).pictures;
        } else if ENDINGS.iter().any(|known| ending == *known) && !entry.file_name().to_string_lossy().starts_with('.')
        {
            found.pictures += 1;
            let number = path.file_stem().unwrap_or_default().to_string_lossy().parse::<u32>();
            found.last_number = found.last_number.max(number.unwrap_or(0).into());
        }
    }
    found
}

#[cfg(test)]
mod tests;
