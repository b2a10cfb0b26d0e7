//! Training pictures, taken by a person or by themselves where the model is not sure.
//!
//! A picture is `CLASS/NUMBER.png`, all that the camera gave or, from a board that sends no full frames, what the network saw. Each has the
//! time as PNG text `Creation Time`, and those of one burst have the same text `burst`, so that training and test pictures can be told apart by it.
//! Folders that begin with `_` hold no class, but for `_none`: pictures of no class.

use std::time::Duration;

use protocol::{MAX_LABEL_LEN, Message, PictureMode, Request, Verdict};

use crate::line::Event;
use crate::state::{Picture, State};
use crate::text::{date_time, printable, thousands};

/// Pictures of a burst.
pub const BURST_LEN: u32 = 10;
/// The least time between two of them: enough to turn what is seen, or the camera.
pub const BURST_SPACING: Duration = Duration::from_millis(300);
/// The least time between two pictures that are kept because the model was not sure.
const UNSURE_SPACING: Duration = Duration::from_secs(1);
/// Where these are kept.
pub const UNSORTED: &str = "_unsorted";
/// The class of what is of no class.
const NONE: &str = "_none";
/// Folders of a data set that is split already.
pub const PARTS: [&str; 3] = ["train", "validation", "test"];
/// Reports after which a full frame is asked for again: it comes with the second at the latest.
const REPORTS_WITHOUT: u32 = 3;
/// Classes that are listed, whatever a board says.
const MOST_CLASSES: usize = 128;
/// What chooses the classes, in their order: all digits and letters but those of other commands.
pub const CLASS_KEYS: &str = "1234567890acdefghijklmoprstvwxyzACDEFGHIJKLMOPRSTVWXYZ";

/// Where pictures are kept, in a folder for each class. What goes wrong is said in words.
pub trait Album {
    /// How many pictures a class has.
    fn count(&self, class: &str) -> u64;

    /// Keeps a picture behind those that are there, and gives the name of its file.
    ///
    /// # Errors
    /// Why it is not kept.
    fn add(&mut self, class: &str, picture: &Picture, burst: Option<&str>) -> Result<String, String>;

    /// Removes one, and a class that has none any more if it was made for such pictures. What is gone already is no matter.
    ///
    /// # Errors
    /// Why it is still there.
    fn remove(&mut self, class: &str, name: &str) -> Result<(), String>;

    /// A text that no other burst has, in this album or another.
    fn new_burst(&mut self) -> String;
}

/// A class that pictures are taken for.
#[derive(Debug)]
pub struct Class {
    /// The name of its folder.
    pub name: String,
    /// Pictures in the folder and below.
    pub pictures: u64,
}

/// What the person is told.
#[derive(Debug, Default)]
pub struct Notice {
    /// In words.
    pub text: String,
    /// Something went wrong.
    pub is_bad: bool,
}

/// Classes, and what is taken for them.
#[derive(Debug)]
pub struct Capture<A> {
    /// Where the pictures go.
    pub album: A,
    /// In the order of their keys, which never changes.
    pub classes: Vec<Class>,
    /// The index of the class that pictures are taken for.
    pub chosen: Option<usize>,
    /// How many pictures there are that the model was not sure of, while such are kept.
    pub unsorted: Option<u64>,
    /// What happened last.
    pub notice: Notice,
    /// What is being taken.
    shot: Option<Shot>,
    /// What was taken since the start, the newest last.
    shots: Vec<Shot>,
    /// Pictures kept without a key since the start.
    pub kept: u64,
    kept_at: Option<Duration>,
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
    next_at: Duration,
    /// Names of the files.
    files: Vec<String>,
}

impl<A: Album> Capture<A> {
    /// Begins with the classes of those names, and keeps what the model is not sure of if that is wanted.
    pub fn start(album: A, names: &[String], keeps_unsure: bool) -> Self {
        let mut capture = Self {
            classes: Vec::new(),
            chosen: None,
            unsorted: keeps_unsure.then(|| album.count(UNSORTED)),
            notice: Notice::default(),
            shot: None,
            shots: Vec::new(),
            kept: 0,
            kept_at: None,
            doubt: None,
            reports: 0,
            asked_at: None,
            seen: (0, 0),
            album,
        };
        for name in names {
            capture.list(name);
        }
        capture
    }

    /// The key of each class that has one.
    pub fn keys(&self) -> impl Iterator<Item = (Option<char>, &Class)> {
        let keys = CLASS_KEYS.chars().map(Some).chain(std::iter::repeat(None));
        keys.zip(&self.classes)
    }

    /// Takes what happened at `now`, which `state` has taken already; a picture that came may be one to be written.
    pub fn apply(&mut self, event: &Event<'_>, state: &State, now: Duration) {
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
                    self.list(label);
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
    pub fn request(&mut self, state: &State, now: Duration) -> Option<Request<'static>> {
        let is_due = self.is_due(now);
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

    /// Whether a picture is to be taken at `now`.
    pub fn is_due(&self, now: Duration) -> bool {
        self.shot.as_ref().is_some_and(|shot| now >= shot.next_at)
    }

    /// Pictures that were taken since the start and not removed.
    pub fn taken(&self) -> u64 {
        self.shots.iter().map(|shot| shot.files.len() as u64).sum()
    }

    /// Tells the person something.
    pub fn say(&mut self, text: impl Into<String>) {
        self.notice = Notice { text: text.into(), is_bad: false };
    }

    /// The same of something that went wrong.
    pub fn complain(&mut self, text: impl Into<String>) {
        self.notice = Notice { text: text.into(), is_bad: true };
    }

    fn list(&mut self, name: &str) {
        if self.classes.len() < MOST_CLASSES && self.classes.iter().all(|class| class.name != name) {
            let pictures = self.album.count(name);
            self.classes.push(Class { name: name.to_string(), pictures });
        }
    }

    /// Chooses the class with that index, if there is one.
    pub fn choose(&mut self, index: usize) {
        if let Some(class) = self.classes.get(index) {
            let text = format!("{}: space takes a picture, b a burst", class.name);
            self.chosen = Some(index);
            self.say(text);
        }
    }

    /// Chooses the class of that name, which may be a new one; says whether that is so, or what is wrong with the name.
    pub fn name_class(&mut self, name: &str) -> bool {
        if let Some(problem) = name_problem(name) {
            self.complain(problem);
            return false;
        }
        self.list(name);
        match self.classes.iter().position(|class| class.name == name) {
            Some(index) => self.choose(index),
            None => self.complain(format!("more than {MOST_CLASSES} classes are too many")),
        }
        true
    }

    /// Takes so many pictures for the chosen class from `now` on, if there is a camera.
    pub fn shoot(&mut self, count: u32, has_camera: bool, now: Duration) {
        let Some(class) = self.chosen.and_then(|index| self.classes.get(index)) else {
            return self.complain("choose a class first: press its key, or n for a new one");
        };
        if self.shot.is_some() {
            return;
        }
        if !has_camera {
            return self.complain("there is no connection to take a picture from");
        }
        let class = class.name.clone();
        self.say(format!("{class}: taking {} …", pictures(count.into())));
        let burst = (count > 1).then(|| self.album.new_burst());
        self.shot = Some(Shot { class, burst, left: count, next_at: now, files: Vec::new() });
    }

    /// Writes a picture, if it is one that was asked for or that is to be kept.
    fn deliver(&mut self, picture: Option<&Picture>, state: &State, now: Duration) {
        let Some(picture) = picture else {
            return;
        };
        let frame = state.frame.as_ref().filter(|frame| frame.counter == picture.counter);
        let is_unsure = frame.is_some_and(|frame| frame.verdict == Verdict::NotSure);
        if frame.is_some() && !is_unsure {
            self.doubt = None;
        }
        if self.is_due(now) {
            self.take(picture, now);
        } else if is_unsure && self.unsorted.is_some() && self.kept_at.is_none_or(|kept| now - kept >= UNSURE_SPACING) {
            self.kept_at = Some(now);
            self.keep(picture);
        }
    }

    /// Takes a picture that is there at `now`, if one is due.
    pub fn take(&mut self, picture: &Picture, now: Duration) {
        let Some(mut shot) = self.shot.take_if(|shot| now >= shot.next_at) else {
            return;
        };
        let added = self.album.add(&shot.class, picture, shot.burst.as_deref());
        self.count(&shot.class);
        match added {
            Ok(file) => {
                let total = shot.files.len() as u32 + shot.left;
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

    /// Stops what is being taken, for a reason.
    pub fn stop(&mut self, reason: &str) {
        if let Some(shot) = self.shot.take() {
            self.end(shot, Some(reason));
        }
    }

    /// A shot is over, complete or for a reason.
    fn end(&mut self, shot: Shot, problem: Option<&str>) {
        let (class, count) = (&shot.class, shot.files.len() as u64);
        let name = shot.files.last().map_or("", String::as_str);
        match (problem, count) {
            (None, 1) => self.say(format!("{class}: {name} taken")),
            (None, _) => self.say(format!("{class}: {} taken, up to {name}", pictures(count))),
            (Some(problem), 0) => self.complain(format!("nothing was taken: {problem}")),
            (Some(problem), _) => self.complain(format!("only {} taken: {problem}", pictures(count))),
        }
        if count > 0 {
            self.shots.push(shot);
        }
    }

    fn keep(&mut self, picture: &Picture) {
        let burst = self.doubt.take().unwrap_or_else(|| self.album.new_burst());
        let added = self.album.add(UNSORTED, picture, Some(&burst));
        self.doubt = Some(burst);
        match added {
            Ok(_) => {
                // The count says so: words would stand in the way of those about what a person does.
                self.kept += 1;
                self.unsorted = Some(self.album.count(UNSORTED));
            }
            Err(problem) => self.complain(problem),
        }
    }

    /// Stops what is being taken, and says what [`undo`](Self::undo) would remove.
    pub fn newest(&mut self) -> Option<String> {
        self.stop("stopped");
        let Some(shot) = self.shots.last() else {
            self.complain("nothing was taken since the start that could be removed");
            return None;
        };
        let class = &shot.class;
        Some(match &shot.files[..] {
            [file] => format!("{class}/{file}"),
            [first, .., last] => {
                format!("{} from {class}/{first} to {class}/{last}", pictures(shot.files.len() as u64))
            }
            [] => String::new(),
        })
    }

    /// Removes what was taken last since the start.
    pub fn undo(&mut self) {
        let Some(mut shot) = self.shots.pop() else {
            return;
        };
        let count = shot.files.len() as u64;
        let mut problem = None;
        while let Some(file) = shot.files.last() {
            if let Err(error) = self.album.remove(&shot.class, file) {
                problem = Some(error);
                break;
            }
            shot.files.pop();
        }
        self.count(&shot.class);
        match problem {
            Some(problem) => {
                self.shots.push(shot);
                self.complain(problem);
            }
            None => self.say(format!("{}: {} removed", shot.class, pictures(count))),
        }
    }

    /// Counts a class's pictures anew: others may have sorted them.
    fn count(&mut self, name: &str) {
        let pictures = self.album.count(name);
        if let Some(class) = self.classes.iter_mut().find(|class| class.name == name) {
            class.pictures = pictures;
        }
    }
}

/// The PNG file of a picture that was taken at that time since 1970.
///
/// # Errors
/// In words, if the picture cannot be encoded.
pub fn png(picture: &Picture, since_1970: Duration, burst: Option<&str>) -> Result<Vec<u8>, String> {
    let time = date_time(since_1970);
    let texts = [Some(("Creation Time", time.as_str())), burst.map(|burst| ("burst", burst))];
    let texts: Vec<_> = texts.into_iter().flatten().collect();
    picture.to_png(&texts).map_err(|error| format!("cannot encode a picture: {error}"))
}

/// The name of the file with that number.
pub fn file_name(number: u64) -> String {
    format!("{number:06}.png")
}

fn pictures(count: u64) -> String {
    format!("{} picture{}", thousands(count), if count == 1 { "" } else { "s" })
}

/// Why a class cannot have that name; `None` if it can. A name is one component of a path on every system, and nothing in it commands a terminal.
pub fn name_problem(name: &str) -> Option<&'static str> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_one_safe_component_of_a_path() {
        for name in ["cat", "sea lion", "Füße", "猫", "_none", "a.b", "-", "_"] {
            assert_eq!(name_problem(name).is_none(), name != "_", "{name}");
        }
        let long = "x".repeat(49);
        for name in [
            "",
            "  ",
            ".",
            "..",
            ".git",
            "_unsorted",
            "../etc",
            "a/b",
            "a\\b",
            "C:",
            "a\u{1b}[2J",
            "a\nb",
            "a\u{202e}b",
            "a\u{fffd}",
            " a",
            "a ",
            "a.",
            "train",
            "validation",
            "test",
            &long,
        ] {
            assert!(name_problem(name).is_some(), "{name:?}");
        }
    }
}
