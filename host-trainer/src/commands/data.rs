//! `data`: fetch, check and look at the data set.

use std::error::Error;
use std::path::{Path, PathBuf};

use clap::Args;
use host_trainer::dataset::{
    self, DataRecord, Dataset, Description, Findings, FolderReport, FolderSettings, NONE_FOLDER, NoneSource,
};
use host_trainer::files;
use host_trainer::recipe::{OWN_PICTURES, Recipe};
use host_trainer::report;
use host_trainer::run::Run;
use host_trainer::{note, say};
use shared_model::Shape;
use shared_model::graph::INPUT_SIDES;

use super::CommandResult;

/// Broken files that are named where nobody asked for them.
const NAMED_FILES: usize = 10;

/// Where the flags of a data set stand in the help.
const HEADING: &str = "Data set";

/// What to do with the data set.
#[derive(clap::Subcommand)]
pub enum Command {
    /// Download and verify CIFAR-10 (170 MB); does nothing where it is complete.
    Fetch {
        /// Folder of CIFAR-10.
        #[arg(long, default_value_os_t = dataset::default_directory())]
        data: PathBuf,
    },
    /// Print shapes and the images a class; of a folder of pictures also broken files and copies.
    Summary(Directory),
    /// Save the first nine training images, enlarged and labelled, as one picture.
    Preview {
        #[command(flatten)]
        data: Directory,
        /// The picture to write.
        #[arg(long, default_value_os_t = files::in_repository("runs/preview.png"))]
        output: PathBuf,
    },
    /// Write the sample pictures of `data/samples` from the test set of CIFAR-10.
    Samples {
        #[command(flatten)]
        data: Directory,
        /// The folder to write to.
        #[arg(long, default_value_os_t = files::in_repository("data/samples"))]
        output: PathBuf,
    },
}

/// Where the data set lies.
#[derive(Args)]
pub struct Directory {
    /// A folder of pictures, with one folder in it for each class, or with train, validation and test and the classes in these. Pictures in
    /// _none show none of the classes. PNG, JPEG, WebP, BMP, GIF and TIFF are read whatever the names; what is transparent becomes
    /// white, as in a browser. A folder with the files of CIFAR-10 is that [default: CIFAR-10 in data/cifar-10; of a run, the folder that it was
    /// trained with].
    #[arg(long, value_name = "DIR", help_heading = HEADING)]
    data: Option<PathBuf>,
    /// Height, width and channels (1 for grey, 3 for colours) that pictures are resized to, as the network sees them, those of CIFAR-10
    /// too [default: 32x32x3; of a run, what it was trained with].
    #[arg(long, value_name = "HxWxC", help_heading = HEADING, value_parser = input)]
    input: Option<Shape>,
    /// Go on however many files of a folder are no readable pictures; otherwise at most 5 % of them.
    #[arg(long, help_heading = HEADING)]
    skip_broken: bool,
    /// More pictures that show none of the classes, beside those in _none: a folder of any pictures, or cifar10 for images of
    /// CIFAR-10, as many as the largest class has [default: of a run, those that it was trained with].
    #[arg(long, value_name = "DIR|cifar10", help_heading = HEADING)]
    none: Option<PathBuf>,
    /// Folder that keeps reduced pictures, for a faster start the next time; it may be deleted at any time.
    #[arg(long, value_name = "DIR", help_heading = HEADING, default_value_os_t = files::in_repository("runs/.pictures"))]
    cache: PathBuf,
}

/// The shape of a network's input.
pub fn input(text: &str) -> Result<Shape, String> {
    let numbers: Result<Vec<u16>, _> = text.split(['x', 'X', '×']).map(str::parse).collect();
    let (shortest, longest) = (INPUT_SIDES.start(), INPUT_SIDES.end());
    match numbers.as_deref() {
        Ok(&[height, width, channels @ (1 | 3)]) if [height, width].iter().all(|side| INPUT_SIDES.contains(side)) => {
            Ok(Shape::new(height, width, channels))
        }
        Ok(_) | Err(_) => Err(format!(
            "it must be height x width x channels, sides of {shortest} to {longest} pixels and 1 channel (grey) or 3, as in 48x64x3"
        )),
    }
}

impl Directory {
    /// Whether what is given is a folder of pictures.
    pub fn is_folder(&self) -> bool {
        self.data.as_deref().is_some_and(|folder| !dataset::is_cifar10(folder))
    }

    /// Loads the data set; CIFAR-10 after fetching what is missing.
    pub fn load(&self) -> Result<Dataset, Box<dyn Error>> {
        self.load_noting(self.data.clone(), None)
    }

    /// As [`Self::load_from`], with what is worth saying said.
    fn load_noting(&self, folder: Option<PathBuf>, record: Option<&DataRecord>) -> Result<Dataset, Box<dyn Error>> {
        let (dataset, report) = self.load_from(folder, record)?;
        for line in report.lines(NAMED_FILES) {
            note!("{line}");
        }
        Ok(dataset)
    }

    /// Loads the data set that the run was trained with, of which this is known, from where it was then unless another folder is given.
    pub fn load_of(&self, run: &Run, trained_with: &Description) -> Result<Dataset, Box<dyn Error>> {
        let Some(record) = run.data()? else {
            let dataset = self.load()?;
            return Ok(dataset.with_input(self.input.unwrap_or(trained_with.shape())));
        };
        let folder = self.data.clone().unwrap_or_else(|| record.folder.clone());
        if self.data.is_none() && !folder.exists() {
            let (run, folder) = (run.folder.display(), folder.display());
            return Err(format!("{run} was trained with the pictures in {folder}, which is not there: say where they are now with --data").into());
        }
        if let (None, Some(NoneSource::Folder(none))) = (&self.none, &record.none)
            && !none.exists()
        {
            let (run, none) = (run.folder.display(), none.display());
            return Err(format!("{run} was trained with pictures of none of the classes in {none}, which is not there: say where they are now with --none").into());
        }
        let dataset = self.load_noting(Some(folder), Some(&record))?;
        match differences(&record, &dataset) {
            None => Ok(dataset),
            Some(difference) => Err(format!(
                "{} was trained {difference}; give the ones of then, or train a new run with --name",
                run.folder.display()
            )
            .into()),
        }
    }

    /// Loads CIFAR-10, for what is about nothing else.
    pub fn cifar10(&self) -> Result<Dataset, Box<dyn Error>> {
        let dataset = self.load()?;
        match &dataset.record {
            None if self.input.is_some() => Err("this command is about CIFAR-10 as it is: leave --input out".into()),
            None => Ok(dataset),
            Some(record) => {
                Err(format!("this command is about CIFAR-10, and {} is a folder of pictures", record.folder.display())
                    .into())
            }
        }
    }

    /// Where more pictures of none of the classes are, if a flag says so.
    fn none(&self) -> Result<Option<NoneSource>, Box<dyn Error>> {
        let Some(folder) = &self.none else {
            return Ok(None);
        };
        if folder == Path::new("cifar10") {
            return Ok(Some(NoneSource::Cifar10));
        }
        let absolute = folder
            .canonicalize()
            .map_err(|error| format!("--none {}: {error}; give a folder of pictures, or cifar10", folder.display()))?;
        Ok(Some(NoneSource::Folder(absolute)))
    }

    /// Loads what is in `folder`, as it was read for a run if it is one's.
    fn load_from(
        &self,
        folder: Option<PathBuf>,
        record: Option<&DataRecord>,
    ) -> Result<(Dataset, FolderReport), Box<dyn Error>> {
        let Some(folder) = folder.filter(|folder| !dataset::is_cifar10(folder)) else {
            let folder = self.data.clone().unwrap_or_else(dataset::default_directory);
            if self.none.is_some() {
                return Err("--none is for folders of pictures: give one with --data".into());
            }
            let dataset = Dataset::cifar10(&folder)?;
            let input = self.input.unwrap_or_else(|| dataset.description.shape());
            return Ok((dataset.with_input(input), FolderReport::default()));
        };
        if !folder.is_dir() {
            let problem = if folder.exists() { "is a file" } else { "is not there" };
            return Err(format!(
                "{} {problem}: give the folder of your pictures, with a folder in it for each class; `data fetch` brings CIFAR-10",
                folder.display()
            )
            .into());
        }
        let before = record.map(|record| record.input).unwrap_or([32, 32, 3]);
        let settings = FolderSettings {
            input: self.input.unwrap_or_else(|| Shape::new(before[0], before[1], before[2])),
            skip_broken: self.skip_broken || record.is_some_and(|record| record.skip_broken),
            none: self.none()?.or_else(|| record.and_then(|record| record.none.clone())),
            cache: self.cache.clone(),
        };
        if let (Some(NoneSource::Folder(none)), Ok(classes)) = (&settings.none, folder.canonicalize())
            && (none.starts_with(&classes) || classes.starts_with(none))
        {
            let (none, folder) = (none.display(), folder.display());
            return Err(format!(
                "--none {none} and --data {folder} lie in one another: put pictures of none of the classes into {folder}/{NONE_FOLDER}, without --none, or elsewhere"
            )
            .into());
        }
        let absolute = folder.canonicalize().unwrap_or_else(|_| folder.clone());
        for pictures in of_pictures(&absolute, &settings.none) {
            if pictures.to_str().is_none() {
                return Err(format!(
                    "{} has a name that is no UTF-8, and a run keeps as text where its pictures are: rename that folder",
                    pictures.display()
                )
                .into());
            }
        }
        apart(of_pictures(&absolute, &settings.none), "--cache", &settings.cache)?;
        let (mut dataset, report) = Dataset::folder(&folder, &settings)?;
        let findings = Some(Findings::new(&report, &folder));
        let folder = absolute;
        let record = DataRecord::new(&dataset, folder, settings.skip_broken);
        dataset.record = Some(DataRecord { findings, none: settings.none, ..record });
        Ok((dataset, report))
    }
}

/// How the pictures differ from those that the run was trained with, as the end of "it was trained …".
pub fn differs_from(dataset: &Dataset, run: &Run) -> Result<Option<String>, Box<dyn Error>> {
    Ok(match run.data()? {
        Some(before) => differences(&before, dataset),
        None => dataset.record.is_some().then(|| "with CIFAR-10".to_owned()),
    })
}

fn differences(before: &DataRecord, dataset: &Dataset) -> Option<String> {
    let differences = match &dataset.record {
        Some(record) => before.differences(record),
        None => vec!["these are CIFAR-10's".to_owned()],
    };
    if differences.is_empty() {
        return None;
    }
    let most = differences.len().min(5);
    let more = match differences.len() - most {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    Some(format!("with other pictures than these: {}{more}", differences[..most].join("; ")))
}

/// The folders of a data set's pictures.
fn of_pictures<'a>(folder: &'a Path, none: &'a Option<NoneSource>) -> impl Iterator<Item = &'a Path> {
    let none = match none {
        Some(NoneSource::Folder(none)) => Some(none.as_path()),
        Some(NoneSource::Cifar10) | None => None,
    };
    [folder].into_iter().chain(none)
}

/// Refuses to write, as `flag` says, among the pictures of `dataset`, where files would be taken for pictures the next time.
pub fn check_apart(dataset: &Dataset, flag: &str, path: &Path) -> Result<(), String> {
    match &dataset.record {
        Some(record) => apart(of_pictures(&record.folder, &record.none), flag, path),
        None => Ok(()),
    }
}

fn apart<'a>(mut pictures: impl Iterator<Item = &'a Path>, flag: &str, path: &Path) -> Result<(), String> {
    let place = path.canonicalize().unwrap_or_else(|_| files::entry(path));
    match pictures.find(|folder| place.starts_with(folder)) {
        None => Ok(()),
        Some(folder) => Err(format!(
            "{} lies in {}, where all files are taken for pictures: choose another place with {flag}",
            path.display(),
            folder.display()
        )),
    }
}

/// The run in whose folder a file lies.
pub fn run_of(file: &Path) -> Run {
    Run::at(file.parent().unwrap_or(Path::new("")))
}

/// Runs `data`.
pub fn run(command: Command) -> CommandResult {
    match command {
        Command::Fetch { data } => {
            let origin = dataset::fetch(&data)?;
            say!("CIFAR-10 in {}: {origin}; every file has the published SHA-256.", data.display());
        }
        Command::Summary(directory) => {
            let (dataset, report) = directory.load_from(directory.data.clone(), None)?;
            let preset = if dataset.record.is_some() { OWN_PICTURES } else { "vgg3-best" };
            let recipe = Recipe::preset(preset).expect("it is in the list of presets");
            say!("{}", recipe.prepare(&dataset)?.summary());
            for line in report.lines(usize::MAX) {
                say!("{line}");
            }
        }
        Command::Preview { data, output } => {
            if output.extension().is_none_or(|extension| extension != "png") {
                return Err(format!("{} is no name for a picture: let it end with .png", output.display()).into());
            }
            let dataset = data.load()?;
            check_apart(&dataset, "--output", &output)?;
            report::preview(&dataset, &output)?;
            say!("wrote {}", output.display());
        }
        Command::Samples { data, output } => {
            dataset::write_samples(&data.cifar10()?.test, &output)?;
            say!("wrote the samples to {}", output.display());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_are_read_or_refused() {
        assert_eq!(input("48x64x1"), Ok(Shape::new(48, 64, 1)));
        assert_eq!(input("8×256×3"), Ok(Shape::new(8, 256, 3)));
        for text in ["", "32", "32x32", "32x32x2", "7x32x3", "32x257x3", "32x32x3x1", "-32x32x3", "32x 32x3"] {
            assert!(input(text).unwrap_err().contains("as in 48x64x3"), "{text}");
        }
    }
}
