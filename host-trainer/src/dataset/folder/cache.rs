//! Pictures that were reduced before.
//!
//! An entry is named after the SHA-256 of the picture's file, in a folder for each shape, and begins with the SHA-256 of this name, the shape
//! and its content: what is damaged, or not what its name says, is made again.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use shared_model::Shape;

use crate::dataset::Image;
use crate::files::{self, FileError};
use crate::format::hexadecimal;
use crate::pictures;

/// Changes with what [`pictures::read`] and [`pictures::reduce`] make of a file.
const VERSION: u32 = 1;

/// What is kept of a picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reduced {
    /// Of the file.
    pub sha256: [u8; 32],
    /// As the network sees it.
    pub image: Image,
    /// Of the image.
    pub shape: Shape,
    /// What else the file says.
    pub marks: Marks,
}

/// What a picture's file says beside its pixels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Marks {
    /// The burst that it belongs to.
    pub burst: Option<String>,
    /// When it was taken, in seconds since 1970.
    pub taken: Option<i64>,
}

pub(super) struct Cache {
    folder: PathBuf,
    shape: Shape,
}

impl Cache {
    pub fn new(folder: &Path, shape: Shape) -> Self {
        Self { folder: folder.join(format!("{shape}-{VERSION}")), shape }
    }

    /// The picture in a file, reduced.
    ///
    /// # Errors
    /// The reason why it is none.
    pub fn read(&self, path: &Path) -> Result<Reduced, String> {
        let content = files::read(path).map_err(|error| match error {
            FileError::Read { source, .. } => format!("it cannot be read: {source}"),
            FileError::Content { reason, .. } => reason,
            FileError::Write { .. } | FileError::Lock { .. } => error.to_string(),
        })?;
        let sha256 = Sha256::digest(&content).into();
        if let Some(reduced) = self.entry(sha256) {
            return Ok(reduced);
        }
        let picture = pictures::read(&content).map_err(|error| error.to_string())?;
        let image = pictures::reduce(&picture, self.shape);
        let reduced =
            Reduced { sha256, image, shape: self.shape, marks: Marks { burst: picture.burst, taken: picture.taken } };
        self.keep(&reduced);
        Ok(reduced)
    }

    fn path(&self, sha256: [u8; 32]) -> PathBuf {
        let name = hexadecimal(&sha256);
        self.folder.join(&name[..2]).join(name)
    }

    fn check(&self, sha256: [u8; 32], body: &[u8]) -> [u8; 32] {
        Sha256::new().chain_update(sha256).chain_update(self.shape.to_string()).chain_update(body).finalize().into()
    }

    fn entry(&self, sha256: [u8; 32]) -> Option<Reduced> {
        let content = fs::read(self.path(sha256)).ok()?;
        let (check, body) = content.split_first_chunk::<32>()?;
        if *check != self.check(sha256, body) {
            return None;
        }
        let (image, marks) = body.split_at_checked(self.shape.elements())?;
        let marks = serde_json::from_slice(marks).ok()?;
        Some(Reduced { sha256, image: image.into(), shape: self.shape, marks })
    }

    /// A cache that cannot be written costs time only.
    fn keep(&self, reduced: &Reduced) {
        static WRITTEN: AtomicUsize = AtomicUsize::new(0);
        let mut body = reduced.image.to_vec();
        body.extend(serde_json::to_vec(&reduced.marks).expect("it is plain data"));
        let content = [&self.check(reduced.sha256, &body)[..], &body].concat();
        let path = self.path(reduced.sha256);
        let number = WRITTEN.fetch_add(1, Ordering::Relaxed);
        let partial = path.with_extension(format!("{}-{number}", std::process::id()));
        let folder = path.parent().expect("it lies in a folder");
        let written = fs::create_dir_all(folder).and_then(|()| fs::write(&partial, content));
        if written.and_then(|()| fs::rename(&partial, &path)).is_err() {
            let _ = fs::remove_file(&partial);
        }
    }
}
