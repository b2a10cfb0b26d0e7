//! Which files are the pictures of which class.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use walkdir::{DirEntry, WalkDir};

use super::split::Part;
use super::{NAMES, NONE_FOLDER, NONE_LABEL, files_in_words};
use crate::dataset::error::DatasetError;
use crate::output::safe;
use crate::{files, pictures};

/// What systems and this program leave in folders: passed over without a word.
const OF_SYSTEMS: [&str; 7] =
    [".ds_store", "thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx", "@eadir", "recording.jsonl"];

/// A file that is no readable picture, and the reason.
pub(super) type Broken = (PathBuf, String);

/// A file that should be a picture of a class.
pub(super) struct ClassFile {
    pub path: PathBuf,
    /// Label of the class.
    pub class: String,
    /// What it is for, if its folder says so.
    pub part: Option<Part>,
    /// Time of the last change in seconds since 1970.
    pub modified: i64,
}

/// What is in a folder of pictures.
#[derive(Default)]
pub(super) struct Files {
    pub files: Vec<ClassFile>,
    /// Files that cannot be pictures.
    pub broken: Vec<Broken>,
    /// The labels, in the order of classes.
    pub classes: Vec<String>,
    pub passed_over: PassedOver,
}

/// What is passed over because of its name and may hold pictures, as paths in the folder.
#[derive(Default)]
pub(super) struct PassedOver {
    /// Folders whose names begin with `_`: the monitor keeps pictures there until somebody sorts them.
    pub unsorted: Vec<String>,
    /// Files and folders whose names begin with a dot.
    pub hidden: Vec<String>,
}

/// Finds the files under `folder`, following links.
///
/// # Errors
/// In plain words, if a folder cannot be read or pictures lie beside folders of classes.
pub(super) fn find(folder: &Path) -> Result<Files, DatasetError> {
    let mut passed_over = PassedOver::default();
    let mut found = Files::default();
    let parts = has_parts(folder)?;
    // Folders that hold no other ones, and the folders of all files.
    let mut leaves = BTreeSet::new();
    let mut strays = BTreeMap::new();
    let walk = WalkDir::new(folder).min_depth(1).follow_links(true).sort_by_file_name();
    for entry in walk.into_iter().filter_entry(|entry| !passed_over.takes(entry, folder)) {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                found.broken.push(unreachable(folder, error)?);
                continue;
            }
        };
        let relative = entry.path().strip_prefix(folder).unwrap_or(entry.path());
        if entry.file_type().is_dir() {
            if let Some(parent) = relative.parent() {
                leaves.remove(parent);
            }
            leaves.insert(relative.to_owned());
        } else if !entry.file_type().is_file() {
            found.broken.push((entry.path().to_owned(), "it is no file with a content".to_owned()));
        } else {
            let parent = relative.parent().unwrap_or(Path::new(""));
            match class_of(parent, parts) {
                Some((part, class)) => {
                    let modified = modified(&entry);
                    found.files.push(ClassFile { path: entry.into_path(), class, part, modified });
                }
                None => {
                    strays.insert(entry.path().to_owned(), parent.to_owned());
                }
            }
        }
    }
    // A file between the classes' folders is no trouble unless it is a picture.
    let inner: BTreeSet<String> = leaves.iter().filter_map(|leaf| Some(class_of(leaf, parts)?.1)).collect();
    let is_between = |file: &ClassFile| file.class != NONE_LABEL && !inner.contains(&file.class);
    let (between, files): (Vec<_>, Vec<_>) = found.files.into_iter().partition(is_between);
    found.files = files;
    let between = between.into_iter().map(|file| file.path).chain(strays.into_keys());
    check_strays(folder, between.collect(), !inner.is_empty(), &mut found.broken)?;
    found.classes = labels(folder, &leaves, parts)?;
    Ok(Files { passed_over, ..found })
}

/// Finds the files under `folder`, which show none of the classes.
pub(super) fn find_none(
    folder: &Path,
    passed_over: &mut PassedOver,
) -> Result<(Vec<ClassFile>, Vec<Broken>), DatasetError> {
    if !folder.is_dir() {
        let problem = "is no folder: say with --none where pictures of none of the classes are";
        return Err(DatasetError::unusable(folder, problem));
    }
    let (mut files, mut broken) = (Vec::new(), Vec::new());
    let walk = WalkDir::new(folder).follow_links(true).sort_by_file_name();
    for entry in walk.into_iter().filter_entry(|entry| !passed_over.takes(entry, Path::new(""))) {
        match entry {
            Ok(entry) if entry.file_type().is_dir() => {}
            Ok(entry) => files.push(ClassFile {
                class: NONE_LABEL.to_owned(),
                part: None,
                modified: modified(&entry),
                path: entry.into_path(),
            }),
            Err(error) => broken.push(unreachable(folder, error)?),
        }
    }
    if files.is_empty() {
        return Err(DatasetError::unusable(folder, "has no pictures, and was to have those of none of the classes"));
    }
    Ok((files, broken))
}

/// The labels of the classes in their order.
fn labels(folder: &Path, leaves: &BTreeSet<PathBuf>, parts: bool) -> Result<Vec<String>, DatasetError> {
    let mut origins: BTreeMap<String, PathBuf> = BTreeMap::new();
    for leaf in leaves {
        let Some((_, label)) = class_of(leaf, parts) else { continue };
        let skipped = usize::from(parts && !leaf.starts_with(NONE_FOLDER));
        let origin: PathBuf = leaf.iter().skip(skipped).collect();
        let is_none = origin.starts_with(NONE_FOLDER);
        if let Some(other) = origins.insert(label.clone(), origin.clone())
            && other != origin
            && !(is_none && other.starts_with(NONE_FOLDER))
        {
            let problem =
                format!("has two folders whose names become the label {label:?}: {origin:?} and {other:?}; rename one");
            return Err(DatasetError::unusable(folder, problem));
        }
    }
    let mut labels: Vec<String> = origins.into_keys().collect();
    labels.sort_by_key(|label| label == NONE_LABEL);
    Ok(labels)
}

/// What the files of a folder are for, and the label of their class; `None` where classes or parts lie.
fn class_of(relative: &Path, parts: bool) -> Option<(Option<Part>, String)> {
    if relative.starts_with(NONE_FOLDER) {
        return Some((None, NONE_LABEL.to_owned()));
    }
    let mut names = relative.iter().map(|name| name.to_string_lossy());
    let part = if parts { Some(Part::named(&names.next()?)?) } else { None };
    let names: Vec<_> = names.collect();
    match names.first()?.as_ref() {
        NONE_FOLDER => Some((part, NONE_LABEL.to_owned())),
        _ => Some((part, safe(&names.join("/")))),
    }
}

/// Whether the folder holds `train` and other parts, with classes in them; pictures of none may lie beside.
fn has_parts(folder: &Path) -> Result<bool, DatasetError> {
    let folders = |folder: &Path| -> Result<Vec<PathBuf>, DatasetError> {
        let entries = fs::read_dir(folder).map_err(DatasetError::io("read the folder", folder))?;
        let folders = entries.flatten().filter(|entry| entry.path().is_dir());
        let folders = folders.filter(|entry| passing_over(&entry.file_name().to_string_lossy(), true).is_none());
        Ok(folders.map(|entry| entry.path()).collect())
    };
    let inner = folders(folder)?;
    let parts: Vec<_> =
        inner.iter().map(|path| path.file_name().and_then(|name| Part::named(&name.to_string_lossy()))).collect();
    let Some(train) = parts.iter().position(|part| *part == Some(Part::Train)) else {
        return Ok(false);
    };
    if folders(&inner[train])?.is_empty() {
        return Ok(false);
    }
    let mut beside = inner.iter().zip(&parts).filter(|(path, part)| part.is_none() && !path.ends_with(NONE_FOLDER));
    match beside.next() {
        None => Ok(true),
        // `train` may be a class as others are, with classes in it.
        Some(_) if parts.iter().flatten().count() == 1 => Ok(false),
        Some((path, _)) => {
            let name = path.file_name().unwrap_or_default();
            let problem = format!(
                "has folders of classes in {}, and {name:?} beside it: put that into {NONE_FOLDER}, or move it away",
                inner[train].display()
            );
            Err(DatasetError::unusable(folder, problem))
        }
    }
}

impl PassedOver {
    /// Whether the entry is not looked into; what may hold pictures is remembered by its path in `folder`.
    fn takes(&mut self, entry: &DirEntry, folder: &Path) -> bool {
        let reason = passing_over(&entry.file_name().to_string_lossy(), entry.file_type().is_dir());
        let Some(reason) = reason.filter(|_| entry.depth() > 0) else {
            return false;
        };
        let path = || entry.path().strip_prefix(folder).unwrap_or(entry.path()).display().to_string();
        match reason {
            Reason::OfSystems => {}
            Reason::Hidden => self.hidden.push(path()),
            Reason::Unsorted => self.unsorted.push(path()),
        }
        true
    }
}

/// Why something is passed over.
#[derive(Clone, Copy)]
enum Reason {
    OfSystems,
    Hidden,
    Unsorted,
}

/// Why a file or folder of that name is passed over, if it is. Cameras begin the names of some pictures with `_`; that of a folder says that its
/// pictures are not sorted into classes.
fn passing_over(name: &str, is_folder: bool) -> Option<Reason> {
    if OF_SYSTEMS.contains(&name.to_lowercase().as_str()) {
        Some(Reason::OfSystems)
    } else if name.starts_with('.') {
        Some(Reason::Hidden)
    } else if is_folder && name.starts_with('_') && name != NONE_FOLDER {
        Some(Reason::Unsorted)
    } else {
        None
    }
}

/// A link that leads nowhere is a broken file; a folder that cannot be read is an error.
fn unreachable(folder: &Path, error: walkdir::Error) -> Result<Broken, DatasetError> {
    let path = error.path().unwrap_or(folder).to_owned();
    if let Some(ancestor) = error.loop_ancestor() {
        let problem = format!("is a link that leads back to {}, in which it lies: remove it", ancestor.display());
        return Err(DatasetError::unusable(&path, problem));
    }
    let reason = error.io_error().map_or_else(|| error.to_string(), ToString::to_string);
    if path.is_symlink() && !path.exists() {
        return Ok((path, "it is a link that leads nowhere".to_owned()));
    }
    Err(DatasetError::unusable(&path, format!("cannot be read: {reason}; change its permissions, or move it away")))
}

/// Says where pictures lie beside folders of classes; files that are no pictures are broken ones.
fn check_strays(
    folder: &Path,
    strays: Vec<PathBuf>,
    classes: bool,
    broken: &mut Vec<Broken>,
) -> Result<(), DatasetError> {
    let (mut found, mut strays) = (Vec::new(), strays.into_iter());
    // A folder of pictures that nobody has sorted is long to read.
    while found.len() < NAMES
        && let Some(path) = strays.next()
    {
        let content = files::read(&path).map_err(|error| error.to_string());
        match content.and_then(|content| pictures::read(&content).map_err(|error| error.to_string())) {
            Ok(_) => found.push(path),
            Err(reason) => broken.push((path, reason)),
        }
    }
    if found.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = found.iter().map(|path| format!("  {}", path.display())).collect();
    let more = match strays.len() {
        0 => String::new(),
        more => format!("\n  and {} more beside these", files_in_words(more)),
    };
    let what = if classes {
        "has pictures beside the folders of its classes"
    } else {
        "has pictures, but no folder for each class"
    };
    let problem =
        format!("{what}; move each into the folder of its class, which is named after it:\n{}{more}", names.join("\n"));
    Err(DatasetError::unusable(folder, problem))
}

/// Time of a file's last change in seconds since 1970; 0 if it has none.
fn modified(entry: &DirEntry) -> i64 {
    let time = entry.metadata().ok().and_then(|metadata| metadata.modified().ok());
    let since = time.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    since.map_or(0, |since| since.as_secs() as i64)
}
