//! A training run's folder.

use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::dataset::{DataRecord, Description};
use crate::files::{self, FileError, Lock};
use crate::history::History;
use crate::model_files::ModelFiles;
use crate::recipe::Recipe;

/// Bytes of a run's name. File systems take 255 for a name, and one of a model's files ends with `.reliability.png.partial` while it is written.
pub const LONGEST_NAME: usize = 200;

/// Paths and content of a run's files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// The run's folder.
    pub folder: PathBuf,
}

impl Run {
    /// The run in that folder, which need not be there yet.
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// The run of that name in a folder of runs.
    ///
    /// # Errors
    /// A sentence, if that is no name for a folder, or one whose model's files would be the run's.
    pub fn named(runs: &Path, name: &str) -> Result<Self, String> {
        let mut components = Path::new(name).components();
        let is_name = matches!((components.next(), components.next()), (Some(Component::Normal(_)), None));
        let odd = |character: char| character.is_control() || "/\\:*?\"<>|".contains(character);
        if !is_name || name.contains(odd) || name.ends_with([' ', '.']) {
            return Err(format!("{name:?} is no name for a run: it is that of a folder, without / \\ : * ? \" < > |"));
        }
        if is_device(name) {
            return Err(format!("{name:?} is no name for a run: on Windows it is that of a device"));
        }
        if name.len() > LONGEST_NAME {
            return Err(format!(
                "{name:?} is no name for a run: it has {} bytes, and its files' names have room for {LONGEST_NAME}",
                name.len()
            ));
        }
        let run = Self::at(runs.join(name));
        match run.overwritten_by(&run.model_files()) {
            Some(_) => Err(format!("{name} is no name for a run: its model would overwrite the run's own files")),
            None => Ok(run),
        }
    }

    /// The files of the run's own model, which lies in its folder and is named like it.
    pub fn model_files(&self) -> ModelFiles {
        ModelFiles::of_blob(self.folder.join(self.name()).with_added_extension("blob"))
    }

    /// A file of the run that is also one of a model's, however the two are named.
    pub fn overwritten_by(&self, model: &ModelFiles) -> Option<PathBuf> {
        let own = [
            self.recipe_file(),
            self.dataset_file(),
            self.data_file(),
            self.history_file(),
            self.weights_file(),
            self.curves_file("png"),
            self.curves_file("svg"),
        ];
        let written: Vec<PathBuf> = model.all().map(|path| files::entry(&path)).collect();
        // Also where names differ in case only, which some file systems take for the same.
        let same = |a: &Path, b: &Path| a.as_os_str().eq_ignore_ascii_case(b.as_os_str());
        own.into_iter().find(|file| {
            // A link's target is the run's as well.
            let places = [Some(files::entry(file)), fs::canonicalize(file).ok()];
            places.iter().flatten().any(|place| written.iter().any(|written| same(written, place)))
        })
    }

    /// Keeps other processes from training this run as long as the lock lives.
    ///
    /// # Errors
    /// A sentence that says who trains it, or why there can be no lock.
    pub fn lock(&self) -> Result<Lock, String> {
        files::lock(&self.folder.join("run.lock"), |holder| {
            let folder = self.folder.display();
            Err(format!("{folder} is being trained by {holder}; wait for it, or choose another folder with --runs"))
        })
    }

    /// Name of the run: its folder's.
    pub fn name(&self) -> String {
        let name = self.folder.file_name().unwrap_or(self.folder.as_os_str());
        name.to_string_lossy().into_owned()
    }

    /// How the run is trained.
    pub fn recipe_file(&self) -> PathBuf {
        self.folder.join("recipe.json")
    }

    /// What the run is trained on.
    pub fn dataset_file(&self) -> PathBuf {
        self.folder.join("dataset.json")
    }

    /// Where the pictures are from that the run is trained on.
    pub fn data_file(&self) -> PathBuf {
        self.folder.join("data.json")
    }

    /// What was measured in each epoch.
    pub fn history_file(&self) -> PathBuf {
        self.folder.join("history.json")
    }

    /// The best epoch's weights.
    pub fn weights_file(&self) -> PathBuf {
        self.folder.join("weights.bpk")
    }

    /// Folder of the checkpoints.
    pub fn checkpoints(&self) -> PathBuf {
        self.folder.join("checkpoints")
    }

    /// The learning curves, `png` or `svg`.
    pub fn curves_file(&self, extension: &str) -> PathBuf {
        self.folder.join("learning-curves").with_extension(extension)
    }

    /// Reads the recipe.
    pub fn recipe(&self) -> Result<Recipe, FileError> {
        files::read_json(&self.recipe_file())
    }

    /// Reads the data set's description. Runs of earlier versions have none: they were trained on CIFAR-10.
    pub fn dataset(&self, recipe: &Recipe) -> Result<Description, FileError> {
        let path = self.dataset_file();
        match files::read_json_if_present(&path)? {
            Some(description) => Ok(description),
            None => Description::cifar10().of_classes(recipe.classes.as_deref()).map_err(FileError::content(&path)),
        }
    }

    /// Reads where the pictures are from; runs on CIFAR-10 have no such record.
    pub fn data(&self) -> Result<Option<DataRecord>, FileError> {
        files::read_json_if_present(&self.data_file())
    }

    /// Reads the history.
    pub fn history(&self) -> Result<History, FileError> {
        files::read_json(&self.history_file())
    }
}

/// Whether Windows takes the name for a device's, in whatever folder and with whatever ending.
fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end().to_ascii_lowercase();
    let is_number =
        |rest: &str| matches!(rest, "0" | "1" | "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9" | "¹" | "²" | "³");
    let port = ["com", "lpt"].iter().find_map(|port| stem.strip_prefix(port));
    ["con", "prn", "aux", "nul", "conin$", "conout$"].contains(&stem.as_str()) || port.is_some_and(is_number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_has_the_name_of_a_folder() {
        let runs = Path::new("runs");
        for name in ["", ".", "..", "../x", "/x", "a/b", "a\\b", "a\nb", "recipe", "data", "History", "weights", "x."] {
            assert!(Run::named(runs, name).unwrap_err().contains("no name for a run"), "{name:?}");
        }
        for name in ["x ", "nul", "CON", "Aux.2", "prn .x", "com1", "LPT9.tar.gz", "com¹", "conin$"] {
            assert!(Run::named(runs, name).unwrap_err().contains("no name for a run"), "{name:?}");
        }
        assert!(Run::named(runs, &"ü".repeat(101)).unwrap_err().contains("it has 202 bytes"));
        for name in [
            "x".repeat(LONGEST_NAME).as_str(),
            "vgg3-best",
            "vgg3.2",
            "größer",
            "a b",
            "console",
            "com10",
            "lpt",
            "nul-1",
        ] {
            let run = Run::named(runs, name).unwrap();
            assert_eq!(run.folder, runs.join(name));
            assert_eq!(run.model_files().blob, runs.join(name).join(format!("{name}.blob")));
        }
    }

    #[test]
    fn the_longest_name_has_room_for_a_models_files() {
        let folder = tempfile::tempdir().unwrap();
        let run = Run::named(folder.path(), &"x".repeat(LONGEST_NAME)).unwrap();
        run.model_files().all().for_each(|file| files::write(&file, b"").unwrap());
    }

    #[test]
    fn a_model_that_would_overwrite_its_run_is_found_however_it_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let run = Run::at(folder.path().join("a"));
        fs::create_dir_all(run.folder.join("b")).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::symlink;
            fs::create_dir(folder.path().join("elsewhere")).unwrap();
            fs::write(folder.path().join("elsewhere/target.json"), "").unwrap();
            symlink("../elsewhere/target.json", run.history_file()).unwrap();
            symlink("a", folder.path().join("link")).unwrap();
        }
        for (blob, clashes) in [
            ("a/weights.blob", true),
            ("a/b/../history.blob", true),
            ("./a/RECIPE.blob", true),
            ("a/missing/../weights.blob", true),
            ("missing/../a/weights.blob", true),
            ("link/weights.blob", true),
            ("elsewhere/target.blob", true),
            ("a/model.blob", false),
            ("weights.blob", false),
        ] {
            let files = ModelFiles::of_blob(folder.path().join(blob));
            let is_linked = blob.starts_with("link") || blob.starts_with("elsewhere");
            assert_eq!(run.overwritten_by(&files).is_some(), clashes && (cfg!(unix) || !is_linked), "{blob}");
        }
    }

    #[test]
    fn a_run_is_held_by_one() {
        let folder = tempfile::tempdir().unwrap();
        let run = Run::at(folder.path().join("a"));
        let lock = run.lock().unwrap();
        let holder = format!("is being trained by process {}", std::process::id());
        assert!(run.lock().err().unwrap().contains(&holder));
        drop(lock);
        assert!(run.lock().is_ok());
    }
}
