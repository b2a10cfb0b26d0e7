//! A training run's folder.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Component, Path, PathBuf};

use crate::dataset::Description;
use crate::files::{self, FileError};
use crate::history::History;
use crate::model_files::ModelFiles;
use crate::recipe::Recipe;

/// Holds a run's folder until it is dropped, at the latest with the process.
pub struct RunLock {
    _file: File,
}

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

    /// A file of the run that is also one of a model's.
    pub fn overwritten_by(&self, model: &ModelFiles) -> Option<PathBuf> {
        let resolved = |path: PathBuf| {
            let folder = path.parent().and_then(|folder| fs::canonicalize(folder).ok());
            folder.map_or(path.clone(), |folder| folder.join(path.file_name().unwrap_or_default()))
        };
        let own = [
            self.recipe_file(),
            self.dataset_file(),
            self.history_file(),
            self.weights_file(),
            self.curves_file("png"),
            self.curves_file("svg"),
        ];
        let written: Vec<PathBuf> = model.all().map(resolved).collect();
        // Also where names differ in case only, which some file systems take for the same.
        let same = |a: &Path, b: &Path| a.as_os_str().eq_ignore_ascii_case(b.as_os_str());
        own.into_iter().find(|file| {
            let file = resolved(file.clone());
            written.iter().any(|written| same(written, &file))
        })
    }

    /// Keeps other processes from training this run as long as the lock lives.
    ///
    /// # Errors
    /// A sentence that says who trains it.
    pub fn lock(&self) -> Result<RunLock, String> {
        let path = self.folder.join("run.lock");
        let failed = |error: std::io::Error| FileError::write(&path)(error).to_string();
        fs::create_dir_all(&self.folder).map_err(failed)?;
        let mut file =
            File::options().create(true).truncate(false).read(true).write(true).open(&path).map_err(failed)?;
        if file.try_lock().is_err() {
            let mut holder = String::new();
            let holder = file.read_to_string(&mut holder).map_or("another process", |_| holder.trim());
            return Err(format!(
                "{} is being trained by {holder}; wait for it, or name another run",
                self.folder.display()
            ));
        }
        file.set_len(0).and_then(|()| writeln!(file, "process {}", std::process::id())).map_err(failed)?;
        Ok(RunLock { _file: file })
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

    /// Reads the history.
    pub fn history(&self) -> Result<History, FileError> {
        files::read_json(&self.history_file())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_has_the_name_of_a_folder() {
        let runs = Path::new("runs");
        for name in ["", ".", "..", "../x", "/x", "a/b", "a\\b", "a\nb", "recipe", "History", "weights", "x."] {
            assert!(Run::named(runs, name).unwrap_err().contains("no name for a run"), "{name:?}");
        }
        for name in ["vgg3-best", "vgg3.2", "größer", "a b"] {
            let run = Run::named(runs, name).unwrap();
            assert_eq!(run.folder, runs.join(name));
            assert_eq!(run.model_files().blob, runs.join(name).join(format!("{name}.blob")));
        }
    }

    #[test]
    fn a_model_that_would_overwrite_its_run_is_found_however_it_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let run = Run::at(folder.path().join("a"));
        fs::create_dir_all(run.folder.join("b")).unwrap();
        for (blob, clashes) in [
            ("a/weights.blob", true),
            ("a/b/../history.blob", true),
            ("./a/RECIPE.blob", true),
            ("a/model.blob", false),
            ("weights.blob", false),
        ] {
            let files = ModelFiles::of_blob(folder.path().join(blob));
            assert_eq!(run.overwritten_by(&files).is_some(), clashes, "{blob}");
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
