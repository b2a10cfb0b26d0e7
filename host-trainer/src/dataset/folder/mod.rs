//! A folder of pictures as a data set: a sub-folder a class.

mod cache;
mod files;
mod split;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use indicatif::{ProgressBar, ProgressStyle};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use shared_model::Shape;
use shared_model::graph::{MAX_LABEL_LEN, MAX_LABELS};

use super::error::DatasetError;
use super::{ChannelStatistics, Dataset, LabelledImages, SPLIT_SEED, default_directory};
use crate::output::safe;
use crate::pictures;
use cache::{Cache, Marks, Reduced};
use files::{Broken, ClassFile, Files, PassedOver};
use split::{Part, Split};

/// The folder whose pictures show none of the classes.
pub const NONE_FOLDER: &str = "_none";

/// The label of [`NONE_FOLDER`]'s pictures, always that of the last class.
pub const NONE_LABEL: &str = "none of these";

/// More pictures that show none of the classes, beside those in [`NONE_FOLDER`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoneSource {
    /// As many images of CIFAR-10 as the largest class has pictures.
    Cifar10,
    /// All pictures in a folder and in those inside it.
    Folder(PathBuf),
}

/// The fewest pictures of a class that can be split.
const FEWEST_PICTURES: usize = 10;

/// The share of files that may be broken without further ado.
const BROKEN_SHARE: f64 = 0.05;

/// The most names in a message.
const NAMES: usize = 5;

/// How a folder of pictures is read.
#[derive(Clone, Debug)]
pub struct FolderSettings {
    /// Shape of a network's input, which pictures are reduced to.
    pub input: Shape,
    /// Whether any number of files may be broken.
    pub skip_broken: bool,
    /// Where more pictures of none of the classes are.
    pub none: Option<NoneSource>,
    /// Folder that keeps reduced pictures for the next time, if it can be written. Nothing is lost with it.
    pub cache: PathBuf,
}

/// What is worth saying about a folder that was read.
#[derive(Clone, Debug, Default)]
pub struct FolderReport {
    /// Files that are no readable pictures, each with the reason.
    pub broken: Vec<(PathBuf, String)>,
    /// Pictures that are there more than once in a class; each is taken once.
    pub duplicates: usize,
    /// Pictures that look like another one of their class, or are of one burst with it; they stay on one side of the split.
    pub alike: usize,
    /// What makes figures worth less than they seem, in sentences.
    pub warnings: Vec<String>,
}

impl FolderReport {
    /// The report as lines for people, with at most so many broken files by name.
    pub fn lines(&self, broken: usize) -> Vec<String> {
        let mut lines = Vec::new();
        if !self.broken.is_empty() {
            lines.push(format!("{} passed over, no readable pictures:", files_in_words(self.broken.len())));
            lines.extend(listed(&self.broken, broken).lines().map(str::to_owned));
        }
        lines.extend(remarks(self.duplicates, self.alike, &self.warnings));
        lines
    }
}

/// What there is to say about pictures that were read, a sentence each.
pub(super) fn remarks(duplicates: usize, alike: usize, warnings: &[String]) -> Vec<String> {
    let mut lines = Vec::new();
    if duplicates > 0 {
        let files = files_in_words(duplicates);
        lines.push(format!("{files} not taken again, with the same content as another one in the class"));
    }
    if alike > 0 {
        lines.push(format!(
            "{alike} pictures look like another one of their class, or are of one burst: all that belong together are either trained on, \
             validated or tested with"
        ));
    }
    lines.extend(warnings.iter().map(|warning| format!("warning: {warning}")));
    lines
}

impl Dataset {
    /// Reads the pictures under `folder`, a class for each sub-folder, and splits them for training, validation and test, stratified, 70 to
    /// 15 to 15; folders `train`, `validation` and `test` with classes in them are taken as they are, and what is missing of the
    /// last two is split off the first.
    ///
    /// The split, and the order of images, follow from the content of the files: not from their names, order, times or copies. (The exception
    /// is a class most of which is one burst without times in its pictures.) Pictures that belong together stay on one side.
    ///
    /// # Errors
    /// In plain words with the remedy, if the folder is no data set or too much of it is broken.
    pub fn folder(folder: &Path, settings: &FolderSettings) -> Result<(Self, FolderReport), DatasetError> {
        let Files { mut files, mut broken, mut classes, mut passed_over } = files::find(folder)?;
        if let Some(source) = &settings.none {
            if !classes.iter().any(|label| label == NONE_LABEL) {
                classes.push(NONE_LABEL.to_owned());
            }
            if let NoneSource::Folder(folder) = source {
                let (more, unreachable) = files::find_none(folder, &mut passed_over)?;
                files.extend(more);
                broken.extend(unreachable);
            }
        }
        check_classes(folder, &classes)?;
        let (mut pictures, unreadable) = read_all(files, settings);
        broken.extend(unreadable);
        if settings.none == Some(NoneSource::Cifar10) {
            pictures.extend(cifar10_of_none(&pictures, &classes, settings.input)?);
        }
        broken.sort();
        check_broken(folder, &broken, pictures.len() + broken.len(), settings.skip_broken)?;
        let mut report = FolderReport { broken, ..FolderReport::default() };
        report.warnings.extend(of_passed_over(&passed_over));
        let pictures = unique(folder, pictures, &mut report)?;
        check_counts(folder, &classes, &pictures)?;

        let given = pictures.iter().filter_map(|picture| picture.file.part).collect::<BTreeSet<_>>();
        let mut parts: [Vec<(&Reduced, u8)>; 3] = Default::default();
        // Classes whose pictures belong together, but lie in several parts.
        let (mut across_parts, mut divided_classes) = (Vec::new(), Vec::new());
        for (class, label) in classes.iter().enumerate() {
            let mut chosen = BTreeSet::new();
            // Pictures of none that come from elsewhere lie in none of the folders of parts, and are split by themselves.
            let (placed, free): (Vec<&Picture>, Vec<&Picture>) = pictures
                .iter()
                .filter(|picture| picture.file.class == *label)
                .partition(|picture| given.is_empty() || picture.file.part.is_some());
            for (of_class, given) in [(placed, &given), (free, &BTreeSet::new())] {
                let Split { parts: assigned, alike, across, divided } = split::split(&of_class, given, SPLIT_SEED);
                for (picture, part) in of_class.iter().zip(assigned) {
                    parts[part as usize].push((&picture.reduced, class as u8));
                    chosen.insert(part);
                }
                report.alike += alike;
                for (count, classes) in [(across, &mut across_parts), (divided, &mut divided_classes)] {
                    if count > 0 {
                        classes.push(format!("{label} ({count} of {})", of_class.len()));
                    }
                }
            }
            for part in [Part::Train, Part::Validation, Part::Test] {
                if !chosen.contains(&part) {
                    let problem = format!("has no picture of {label} in {}/: put some there", part.name());
                    return Err(DatasetError::unusable(folder, problem));
                }
            }
        }
        for (classes, problem) in [
            (
                across_parts,
                "pictures look like others, or are of one burst with them, that lie in another of train, validation and test: figures will be \
                 better than the model is",
            ),
            (
                divided_classes,
                "pictures look alike or are of one burst, too many for one side: they are split in order of time, and figures may be better \
                 than the model is; take pictures in other places, at other times",
            ),
        ] {
            if !classes.is_empty() {
                report.warnings.push(format!("{}: {problem}", few(&classes)));
            }
        }
        let [train, validation, test] = parts.map(|mut part| {
            part.sort_by_key(|(reduced, _)| reduced.sha256);
            let (images, labels) = part.into_iter().map(|(reduced, label)| (reduced.image.clone(), label)).unzip();
            LabelledImages { images, labels }
        });
        let trained_on = [train.images.as_slice(), &validation.images].concat();
        let none = classes.iter().position(|label| label == NONE_LABEL).map(|class| class as u16);
        let mut dataset = Self::new(&name(folder), settings.input, classes, train, test);
        dataset.description.statistics = ChannelStatistics::of(&trained_on, settings.input.channels.into());
        dataset.description.none = none;
        dataset.validation = Some(validation);
        Ok((dataset, report))
    }
}

/// A picture of a class.
struct Picture {
    file: ClassFile,
    reduced: Reduced,
}

/// Images of CIFAR-10 that stand for everything that is none of the classes, which are of another kind.
fn cifar10_of_none(pictures: &[Picture], classes: &[String], input: Shape) -> Result<Vec<Picture>, DatasetError> {
    let directory = default_directory();
    let cifar10 = Dataset::cifar10(&directory)?;
    let count = |label: &String| pictures.iter().filter(|picture| picture.file.class == *label).count();
    let most = classes.iter().map(count).max().unwrap_or(0);
    let indices = rand::seq::index::sample(&mut ChaCha8Rng::seed_from_u64(SPLIT_SEED), cifar10.train.len(), most);
    let [height, width, _] = cifar10.description.shape;
    let taken = indices.into_iter().map(|index| {
        let image = &cifar10.train.images[index];
        let file = ClassFile {
            path: directory.join(format!("image {index}")),
            class: NONE_LABEL.to_owned(),
            part: None,
            modified: 0,
        };
        let marks = Marks { burst: None, taken: None };
        Picture {
            file,
            reduced: Reduced {
                sha256: Sha256::digest(image).into(),
                image: pictures::reduce_rgb(image, [width, height], input),
                shape: input,
                marks,
            },
        }
    });
    Ok(taken.collect())
}

/// The folder's name, as part of a line.
fn name(folder: &Path) -> String {
    let absolute = folder.canonicalize();
    let folder = absolute.as_deref().unwrap_or(folder);
    safe(&folder.file_name().map_or("pictures".into(), |name| name.to_string_lossy()))
}

/// Reduces all pictures, on all cores; those that are none are returned with the reason.
fn read_all(files: Vec<ClassFile>, settings: &FolderSettings) -> (Vec<Picture>, Vec<Broken>) {
    let cache = Cache::new(&settings.cache, settings.input);
    let style =
        ProgressStyle::with_template("reading pictures {wide_bar} {pos} of {len}").expect("the template is a constant");
    let bar = ProgressBar::new(files.len() as u64).with_style(style);
    let results = files.into_par_iter().map(|file| {
        let reduced = cache.read(&file.path);
        bar.inc(1);
        match reduced {
            Ok(reduced) => Ok(Picture { file, reduced }),
            Err(reason) => Err((file.path, reason)),
        }
    });
    let results: Vec<_> = results.collect();
    bar.finish_and_clear();
    let (mut pictures, mut broken) = (Vec::new(), Vec::new());
    for result in results {
        match result {
            Ok(picture) => pictures.push(picture),
            Err(reason) => broken.push(reason),
        }
    }
    (pictures, broken)
}

fn check_classes(folder: &Path, classes: &[String]) -> Result<(), DatasetError> {
    let problem = if classes.len() < 2 {
        let found = classes.first().map_or("none".to_owned(), |class| format!("only {class}"));
        format!(
            "needs at least two folders of pictures, one for each class, and has {found}; pictures that show none of the classes may be the \
             second, in {NONE_FOLDER}"
        )
    } else if classes.len() > MAX_LABELS {
        format!(
            "has {} classes, and a model at most {MAX_LABELS}: put some of them into one folder each",
            classes.len()
        )
    } else if let Some(label) = classes.iter().find(|label| label.len() > MAX_LABEL_LEN) {
        format!(
            "has a class {label:?} of {} bytes, and a model's label has at most {MAX_LABEL_LEN}: rename the folder",
            label.len()
        )
    } else {
        return Ok(());
    };
    Err(DatasetError::unusable(folder, problem))
}

fn check_broken(folder: &Path, broken: &[Broken], files: usize, skip: bool) -> Result<(), DatasetError> {
    if skip || broken.len() as f64 <= BROKEN_SHARE * files as f64 {
        return Ok(());
    }
    let problem = format!(
        "has {files} files, {} of which are no readable pictures:\n{}\nMend or remove them, or go on without them: --skip-broken",
        broken.len(),
        listed(broken, 20)
    );
    Err(DatasetError::unusable(folder, problem))
}

/// Each picture once, however often its file is in its class.
fn unique(folder: &Path, pictures: Vec<Picture>, report: &mut FolderReport) -> Result<Vec<Picture>, DatasetError> {
    let mut kept: BTreeMap<[u8; 32], Picture> = BTreeMap::new();
    let (mut contradictions, mut leaks) = (Vec::new(), 0);
    for picture in pictures {
        let Some(other) = kept.get_mut(&picture.reduced.sha256) else {
            kept.insert(picture.reduced.sha256, picture);
            continue;
        };
        if other.file.class != picture.file.class {
            contradictions.push(format!("  {} and {}", other.file.path.display(), picture.file.path.display()));
            continue;
        }
        report.duplicates += 1;
        leaks += usize::from(other.file.part != picture.file.part);
        // It stays where it judges, and of copies the oldest counts.
        if picture.file.part > other.file.part
            || (picture.file.part == other.file.part && picture.file.modified < other.file.modified)
        {
            *other = picture;
        }
    }
    if !contradictions.is_empty() {
        let count = contradictions.len();
        contradictions.truncate(NAMES);
        let problem = format!(
            "has the same picture in two classes, {count} times; delete it in one of them:\n{}",
            contradictions.join("\n")
        );
        return Err(DatasetError::unusable(folder, problem));
    }
    if leaks > 0 {
        report.warnings.push(format!(
            "{leaks} pictures were in two of train, validation and test: they are taken for the later one only"
        ));
    }
    Ok(kept.into_values().collect())
}

fn check_counts(folder: &Path, classes: &[String], pictures: &[Picture]) -> Result<(), DatasetError> {
    let count = |label: &String| pictures.iter().filter(|picture| picture.file.class == *label).count();
    let scarce: Vec<String> = classes
        .iter()
        .map(|label| (label, count(label)))
        .filter(|(_, count)| *count < FEWEST_PICTURES)
        .map(|(label, count)| format!("{label} ({count})"))
        .collect();
    if scarce.is_empty() {
        return Ok(());
    }
    let problem = format!(
        "has too few different pictures of {}: at least {FEWEST_PICTURES} of each class are needed, and a hundred are better; add some, or \
         remove the folder",
        few(&scarce)
    );
    Err(DatasetError::unusable(folder, problem))
}

/// Says which folders and files were not looked into.
fn of_passed_over(PassedOver { unsorted, hidden }: &PassedOver) -> Vec<String> {
    let mut sentences = Vec::new();
    if !unsorted.is_empty() {
        sentences.push(format!(
            "passed over, as folders are whose names begin with _: {}; sort their pictures into classes",
            few(unsorted)
        ));
    }
    if !hidden.is_empty() {
        sentences.push(format!("passed over, as what is hidden by a name that begins with a dot: {}", few(hidden)));
    }
    sentences
}

/// Some of the names, and how many more there are.
pub(super) fn few(names: &[String]) -> String {
    let named = names.iter().take(NAMES).map(|name| safe(name)).collect::<Vec<_>>().join(", ");
    if names.len() > NAMES { format!("{named} and {} more", names.len() - NAMES) } else { named }
}

pub(super) fn files_in_words(count: usize) -> String {
    if count == 1 { "1 file".to_owned() } else { format!("{count} files") }
}

/// Broken files by name and reason, a line each.
fn listed(broken: &[Broken], most: usize) -> String {
    let mut lines: Vec<String> =
        broken.iter().take(most).map(|(path, reason)| format!("  {}: {reason}", path.display())).collect();
    if broken.len() > most {
        lines.push(format!("  and {} more; `data summary --skip-broken` lists all", broken.len() - most));
    }
    lines.join("\n")
}
