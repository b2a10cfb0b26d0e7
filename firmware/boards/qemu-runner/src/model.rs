//! The model in a program.

use std::fs;
use std::path::{Path, PathBuf};

use shared_model::{AlignedBytes, LoadError, Model, Shape};
use thiserror::Error;

/// Why no model was found.
#[derive(Debug, Error)]
pub enum ModelError {
    #[error("{path}: {error}")]
    File {
        path: PathBuf,
        error: std::io::Error,
    },
    #[error("{path} holds no model that can be loaded")]
    Missing { path: PathBuf },
}

/// Shape of the pictures that the model in the file `elf` classifies.
///
/// # Errors
///
/// If the file cannot be read or holds no model.
pub fn shape(elf: &Path) -> Result<Shape, ModelError> {
    const MAGIC: &[u8] = b"INT8NET\0";
    let path = || elf.to_owned();
    let bytes = fs::read(elf).map_err(|error| ModelError::File {
        path: path(),
        error,
    })?;
    // The program has the magic as a constant as well.
    let starts = bytes.windows(MAGIC.len()).enumerate();
    let mut starts = starts.filter(|(_, window)| *window == MAGIC);
    starts
        .find_map(|(start, _)| shape_of_blob_in(&bytes[start..]))
        .ok_or_else(|| ModelError::Missing { path: path() })
}

/// Of the blob at the start of `bytes`, which is followed by others.
fn shape_of_blob_in(bytes: &[u8]) -> Option<Shape> {
    let Err(LoadError::TrailingBytes { expected, .. }) = Model::load(bytes) else {
        return None;
    };
    let blob = AlignedBytes::from(bytes.get(..expected as usize)?);
    Model::load(&blob).ok().map(|model| model.input_shape())
}
