//! Training pictures, taken by a person at the keys or by themselves where the model is not sure.
//!
//! A picture is `FOLDER/CLASS/NUMBER.png`, all that the camera gave or, from a board that sends no full frames, what the network saw. Each has the
//! time as PNG text `Creation Time`, and those of one burst have the same text `burst`, so that training and test pictures can be told apart by it.
//! Folders that begin with `_` hold no class, but for `_none`: pictures of no class.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use protocol::{MAX_LABEL_LEN, Message, PictureMode, Request, Verdict};
use ratatui::crossterm::event::KeyCode;

use crate::link::Event;
use crate::recording::{encode, write_new};
use crate::state::{Picture, State};
use crate::text::{date_time, printable, since_1970, thousands};

/// Pictures of a burst, and the least time between two of them: enough to turn what is seen, or the camera.
pub const BURST_LEN: u32 = 10;
pub const BURST_SPACING: Duration = Duration::from_millis(300);
/// The least time between two pictures that are kept because the model was not sure.
const UNSURE_SPACING: Duration = Duration::from_secs(1);
/// Where these are kept.
const UNSORTED: &str = "_unsorted";
/// The class of what is of no class.
const NONE: &str = "_none";
/// Folders of a data set that is split already.
const PARTS: [&str; 3] = ["train", "validation", "test"];
/// Reports after which a full frame is asked for again: it comes with the second at the latest.
const REPORTS_WITHOUT: u32 = 3;
/// Classes that are listed, whatever a board says.
const MOST_CLASSES: usize = 128;
/// Endings of pictures' names.
const ENDINGS: [&str; 8] = ["png", "jpg", "jpeg", "webp", "bmp", "gif", "tif", "tiff"];
/// What chooses the classes, in their order: all digits and letters but those of other commands.
const CLASS_KEYS: &str = "1234567890acdefghijklmoprstvwxyzACDEFGHIJKLMOPRSTVWXYZ";

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

/// A class that pictures are taken for.
#[derive(Debug)]
pub struct Class {
    /// The name of its folder.
    pub name: String,
    /// Pictures in the folder and below.
    pub pictures: u64,
}

/// A question to the person at the keys.
#[derive(Debug)]
pub enum Dialog {
    /// The name of a new class, as far as it is typed.
    NewClass(String),
    /// Whether the newest shot is to be removed, in words.
    Undo(String),
}

/// What the person is told.
#[derive(Debug, Default)]
pub struct Notice {
    pub text: String,
    /// Something went wrong.
    pub is_bad: bool,
}

/// A folder of classes, and what is taken for them.
#[derive(Debug)]
pub struct Capture {
    pub folder: PathBuf,
    /// In the order of their keys, which never changes.
    pub classes: Vec<Class>,
    /// The index of the class that pictures are taken for.
    pub chosen: Option<usize>,
    /// Pictures in the folder of those that the model was not sure of, while such are kept.
    pub unsorted: Option<u64>,
    pub dialog: Option<Dialog>,
    pub notice: Notice,
    /// What is being taken.
    shot: Option<Shot>,
    /// What was taken since the start, the newest last.
    taken: Vec<Shot>,
    /// Pictures kept without a key since the start.
    kept: u64,
    kept_at: Option<Instant>,
    /// The burst of the pictures that the model has not been sure of since the last one that it was sure of.
    doubt: Option<String>,
    /// Reports of frames so far.
    reports: u32,
    /// How many of them there were when a full frame was asked for that has not come.
    asked_at: Option<u32>,
    /// Full frames and the network's pictures that have been seen.
    seen: (u64, u64),
}

/// One picture, or a burst.
#[derive(Debug)]
struct Shot {
    class: String,
    burst: Option<String>,
    /// Pictures that are still to be taken, and when the next one may be.
    left: u32,
    next_at: Instant,
    files: Vec<PathBuf>,
    /// The class's folder was not there before.
    made_folder: bool,
}

impl Capture {
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
        let mut capture = Self {
            folder: folder.to_path_buf(),
            classes: Vec::new(),
            chosen: None,
            unsorted: when.map(|When::Unsure| survey(&folder.join(UNSORTED)).pictures),
            dialog: None,
            notice: Notice::default(),
            shot: None,
            taken: Vec::new(),
            kept: 0,
            kept_at: None,
            doubt: None,
            reports: 0,
            asked_at: None,
            seen: (0, 0),
        };
        for name in names {
            capture.add_class(&name);
        }
        Ok(capture)
    }

    /// The key of each class that has one.
    pub fn keys(&self) -> impl Iterator<Item = (Option<char>, &Class)> {
        let keys = CLASS_KEYS.chars().map(Some).chain(std::iter::repeat(None));
        keys.zip(&self.classes)
    }

    /// Takes what happened at `now`, which `state` has taken already; a picture that came may be one to be written.
    pub fn apply(&mut self, event: &Event<'_>, state: &State, now: Instant) {
        match event {
            Event::Connected => self.asked_at = None,
            Event::Lost { .. } => {
                self.asked_at = None;
                if let Some(shot) = self.shot.take() {
                    self.end(shot, Some("the connection was lost"));
                }
            }
            Event::Message(Message::Frame(_)) => self.reports = self.reports.wrapping_add(1),
            Event::Message(Message::Label(_)) => {
                let labels = state.device.iter().flat_map(|device| &device.labels).flatten();
                // A label that is no name of a folder was never one.
                for label in labels.filter(|label| name_problem(label).is_none()) {
                    self.add_class(label);
                }
            }
            Event::Message(_) | Event::OtherVersion(_) | Event::Received(_) => {}
        }
        let came = (state.full_frames, state.pictured);
        let seen = std::mem::replace(&mut self.seen, came);
        if came.0 > seen.0 {
            self.asked_at = self.unsorted.map(|_| self.reports);
            self.deliver(state.full_frame.as_ref(), state, now);
        } else if came.1 > seen.1 && state.lacks_full_frames {
            self.deliver(state.picture.as_ref(), state, now);
        }
    }

    /// What the board must be asked for at `now`, if anything: one full frame at the beginning, which shows how long they take, then those
    /// that are taken; every one where the doubtful ones are kept.
    pub fn request(&mut self, state: &State, now: Instant) -> Option<Request<'static>> {
        let is_due = self.shot.as_ref().is_some_and(|shot| now >= shot.next_at);
        let mode = match self.unsorted {
            Some(_) => PictureMode::Every,
            None if is_due || state.full_frame_time.is_none() => PictureMode::Once,
            None => return None,
        };
        let is_waiting = self.asked_at.is_some_and(|asked| self.reports.wrapping_sub(asked) < REPORTS_WITHOUT);
        if is_waiting || !state.is_connected() || state.device.is_none() || state.lacks_full_frames {
            return None;
        }
        self.asked_at = Some(self.reports);
        Some(Request::FullFrames(mode))
    }

    /// Does what a key is for, and says whether to go on.
    pub fn press(&mut self, key: KeyCode, state: &State, now: Instant) -> bool {
        match self.dialog.take() {
            Some(Dialog::NewClass(name)) => self.edit(name, key),
            Some(Dialog::Undo(_)) if matches!(key, KeyCode::Char('u' | 'U')) => self.undo(),
            Some(Dialog::Undo(_)) => self.say("kept"),
            None => match key {
                KeyCode::Char('q' | 'Q') | KeyCode::Esc => return false,
                KeyCode::Char(' ') => self.shoot(1, state, now),
                KeyCode::Char('b' | 'B') => self.shoot(BURST_LEN, state, now),
                KeyCode::Char('n' | 'N') => {
                    self.say("");
                    self.dialog = Some(Dialog::NewClass(String::new()));
                }
                KeyCode::Char('u' | 'U') => self.ask_undo(),
                KeyCode::Char(letter) => {
                    if let Some(index) = CLASS_KEYS.chars().position(|key| key == letter) {
                        self.choose(index);
                    }
                }
                KeyCode::Down => self.choose(self.chosen.map_or(0, |index| index + 1)),
                KeyCode::Up => self.choose(self.chosen.map_or(0, |index| index.saturating_sub(1))),
                _ => {}
            },
        }
        true
    }

    /// What was taken since the start, as a part of a sentence.
    pub fn summary(&self) -> String {
        let taken: usize = self.taken.iter().map(|shot| shot.files.len()).sum();
        let folder = printable(&self.folder.display().to_string());
        let mut text = format!("{} pictures taken into {folder}", thousands(taken as u64));
        if self.unsorted.is_some() {
            text += &format!(", {} kept in {UNSORTED}", thousands(self.kept));
        }
        text
    }

    fn say(&mut self, text: impl Into<String>) {
        self.notice = Notice { text: text.into(), is_bad: false };
    }

    fn complain(&mut self, text: impl Into<String>) {
        self.notice = Notice { text: text.into(), is_bad: true };
    }

    fn add_class(&mut self, name: &str) {
        if self.classes.len() < MOST_CLASSES && self.classes.iter().all(|class| class.name != name) {
            let pictures = survey(&self.folder.join(name)).pictures;
            self.classes.push(Class { name: name.to_string(), pictures });
        }
    }

    fn choose(&mut self, index: usize) {
        if let Some(class) = self.classes.get(index) {
            let text = format!("{}: space takes a picture, b a burst", class.name);
            self.chosen = Some(index);
            self.say(text);
        }
    }

    fn edit(&mut self, mut name: String, key: KeyCode) {
        match key {
            KeyCode::Esc => return self.say("no new class"),
            KeyCode::Enter => match name_problem(&name) {
                None => {
                    self.add_class(&name);
                    return match self.classes.iter().position(|class| class.name == name) {
                        Some(index) => self.choose(index),
                        None => self.complain(format!("more than {MOST_CLASSES} classes are too many")),
                    };
                }
                Some(problem) => self.complain(problem),
            },
            KeyCode::Backspace => {
                name.pop();
                self.say("");
            }
            KeyCode::Char(letter) if name.len() + letter.len_utf8() <= MAX_LABEL_LEN => {
                name.push(letter);
                self.say("");
            }
            _ => {}
        }
        self.dialog = Some(Dialog::NewClass(name));
    }

    fn shoot(&mut self, count: u32, state: &State, now: Instant) {
        let Some(class) = self.chosen.and_then(|index| self.classes.get(index)) else {
            return self.complain("choose a class first: press its key, or n for a new one");
        };
        if self.shot.is_some() {
            return;
        }
        if !state.is_connected() {
            return self.complain("there is no connection to take a picture from");
        }
        let class = class.name.clone();
        self.say(format!("{class}: taking {} …", pictures(count.into())));
        let burst = (count > 1).then(unique);
        self.shot = Some(Shot { class, burst, left: count, next_at: now, files: Vec::new(), made_folder: false });
    }

    /// Writes a picture, if it is one that was asked for or that is to be kept.
    fn deliver(&mut self, picture: Option<&Picture>, state: &State, now: Instant) {
        let Some(picture) = picture else {
            return;
        };
        let frame = state.frame.as_ref().filter(|frame| frame.counter == picture.counter);
        let is_unsure = frame.is_some_and(|frame| frame.verdict == Verdict::NotSure);
        if frame.is_some() && !is_unsure {
            self.doubt = None;
        }
        if let Some(shot) = self.shot.take_if(|shot| now >= shot.next_at) {
            self.take(shot, picture, now);
        } else if is_unsure && self.unsorted.is_some() && self.kept_at.is_none_or(|kept| now - kept >= UNSURE_SPACING) {
            self.kept_at = Some(now);
            self.keep(picture);
        }
    }

    fn take(&mut self, mut shot: Shot, picture: &Picture, now: Instant) {
        let written = self.write(&shot.class, picture, shot.burst.as_deref());
        self.count(&shot.class);
        match written {
            Ok((file, made_folder)) => {
                let total = shot.files.len() as u32 + shot.left;
                shot.made_folder |= made_folder;
                shot.files.push(file);
                shot.left -= 1;
                shot.next_at = now + BURST_SPACING;
                if shot.left == 0 {
                    return self.end(shot, None);
                }
                self.say(format!("{}: {} of {total} …", shot.class, shot.files.len()));
                self.shot = Some(shot);
            }
            Err(problem) => self.end(shot, Some(&problem)),
        }
    }

    /// A shot is over, complete or for a reason.
    fn end(&mut self, shot: Shot, problem: Option<&str>) {
        let (class, count) = (&shot.class, shot.files.len() as u64);
        let name = shot.files.last().and_then(|file| file.file_name()).unwrap_or_default().to_string_lossy();
        match (problem, count) {
            (None, 1) => self.say(format!("{class}: {name} taken")),
            (None, _) => self.say(format!("{class}: {} taken, up to {name}", pictures(count))),
            (Some(problem), 0) => self.complain(format!("nothing was taken: {problem}")),
            (Some(problem), _) => self.complain(format!("only {} taken: {problem}", pictures(count))),
        }
        if count > 0 {
            self.taken.push(shot);
        }
    }

    fn keep(&mut self, picture: &Picture) {
        let burst = self.doubt.get_or_insert_with(unique).clone();
        match self.write(UNSORTED, picture, Some(&burst)) {
            Ok(_) => {
                // The count says so: words would stand in the way of those about what a person does.
                self.kept += 1;
                self.unsorted = Some(survey(&self.folder.join(UNSORTED)).pictures);
            }
            Err(problem) => self.complain(problem),
        }
    }

    fn ask_undo(&mut self) {
        if let Some(shot) = self.shot.take() {
            self.end(shot, Some("stopped"));
        }
        let Some(shot) = self.taken.last() else {
            return self.complain("nothing was taken since the start that could be removed");
        };
        let names = |file: Option<&PathBuf>| {
            let name = file.and_then(|file| file.file_name()).unwrap_or_default();
            format!("{}/{}", shot.class, name.to_string_lossy())
        };
        let what = match &shot.files[..] {
            [file] => names(Some(file)),
            files => {
                format!("{} from {} to {}", pictures(files.len() as u64), names(files.first()), names(files.last()))
            }
        };
        self.dialog = Some(Dialog::Undo(format!("remove {what}? u removes, any other key keeps")));
    }

    fn undo(&mut self) {
        let Some(mut shot) = self.taken.pop() else {
            return;
        };
        let count = shot.files.len() as u64;
        let mut problem = None;
        while let Some(file) = shot.files.last() {
            // What is not there may have been sorted elsewhere meanwhile.
            if let Err(error) = fs::remove_file(file)
                && error.kind() != ErrorKind::NotFound
            {
                problem = Some(format!("cannot remove {}: {error}", shown(file)));
                break;
            }
            shot.files.pop();
        }
        if shot.made_folder && problem.is_none() {
            // An empty class would stop a training. What else was put there keeps the folder.
            let _ = fs::remove_dir(self.folder.join(&shot.class));
        }
        self.count(&shot.class);
        match problem {
            Some(problem) => {
                self.taken.push(shot);
                self.complain(problem);
            }
            None => self.say(format!("{}: {} removed", shot.class, pictures(count))),
        }
    }

    /// Counts a class's pictures anew: others may have sorted them.
    fn count(&mut self, name: &str) {
        let pictures = survey(&self.folder.join(name)).pictures;
        if let Some(class) = self.classes.iter_mut().find(|class| class.name == name) {
            class.pictures = pictures;
        }
    }

    /// Writes a picture behind those that are there; gives its file, and whether the class's folder had to be made. What is wrong is said in words.
    fn write(&self, class: &str, picture: &Picture, burst: Option<&str>) -> Result<(PathBuf, bool), String> {
        let folder = self.folder.join(class);
        // Only this one: a folder of all classes that is gone may be on a disk that was taken out.
        let made_folder = match fs::create_dir(&folder) {
            Ok(()) => true,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => false,
            Err(error) => return Err(format!("cannot make {}: {error}", shown(&folder))),
        };
        let now = since_1970();
        let time = date_time(now);
        let texts = [Some(("Creation Time", time.as_str())), burst.map(|burst| ("burst", burst))];
        let texts: Vec<_> = texts.into_iter().flatten().collect();
        let mut number = survey(&folder).last_number;
        loop {
            number += 1;
            let path = folder.join(format!("{number:06}.png"));
            let written = encode(picture, &texts).and_then(|png| write_new(&path, &png));
            match written {
                Ok(()) => return Ok((path, made_folder)),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => {
                    if made_folder {
                        let _ = fs::remove_dir(&folder);
                    }
                    return Err(format!("cannot write {}: {error}", shown(&path)));
                }
            }
        }
    }
}

fn pictures(count: u64) -> String {
    format!("{} picture{}", thousands(count), if count == 1 { "" } else { "s" })
}

/// A path for people.
fn shown(path: &Path) -> String {
    printable(&path.display().to_string())
}

/// A text that no other burst has, on this machine or another.
fn unique() -> String {
    let now = since_1970();
    format!("{}-{:09}-{}", date_time(now), now.subsec_nanos(), std::process::id())
}

/// Why a class cannot have that name; `None` if it can. A name is one component of a path on every system, and nothing in it commands a terminal.
fn name_problem(name: &str) -> Option<&'static str> {
    const FORBIDDEN: [char; 10] = ['/', '\\', ':', '*', '?', '"', '<', '>', '|', '\u{fffd}'];
    if name.trim().is_empty() {
        return Some("a class needs a name");
    }
    if name.len() > MAX_LABEL_LEN {
        return Some("a name has at most 48 bytes");
    }
    if printable(name) != name || name.contains(FORBIDDEN) {
        return Some("a name is that of a folder: without / \\ : * ? \" < > | and control characters");
    }
    if name.trim() != name || name.ends_with('.') {
        return Some("a name begins and ends with no space, and ends with no dot");
    }
    if name.starts_with('.') || (name.starts_with('_') && name != NONE) {
        return Some("names that begin with . or _ are no classes, but for _none: pictures of no class");
    }
    PARTS.contains(&name).then_some("train, validation and test are parts of a data set, and no classes")
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
