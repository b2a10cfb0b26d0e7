use std::fs::{self, File};
use std::time::{Duration, UNIX_EPOCH};

use image::{ImageFormat, RgbImage};
use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use tempfile::TempDir;

use super::cache::Marks;
use super::*;
use crate::dataset::{DataRecord, Description};

/// A picture like no other one with another number: coarse noise.
fn picture(number: u64) -> RgbImage {
    let mut random = ChaCha8Rng::seed_from_u64(number);
    let cells: Vec<u8> = (0..16 * 16 * 3).map(|_| random.next_u32() as u8).collect();
    let cells = RgbImage::from_raw(16, 16, cells).unwrap();
    image::imageops::resize(&cells, 48, 48, image::imageops::FilterType::Triangle)
}

fn save(picture: &RgbImage, path: &Path) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    picture.save_with_format(path, ImageFormat::Png).unwrap();
}

/// Saves a picture as one of a burst.
fn save_burst(picture: &RgbImage, path: &Path, burst: &str) {
    let mut encoder = png::Encoder::new(File::create(path).unwrap(), picture.width(), picture.height());
    encoder.set_color(png::ColorType::Rgb);
    encoder.add_text_chunk("burst".to_owned(), burst.to_owned()).unwrap();
    encoder.write_header().unwrap().write_image_data(picture).unwrap();
}

/// A temporary folder with so many pictures in each folder, none of them twice.
fn folder(classes: &[(&str, u64)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut number = 0;
    for (class, count) in classes {
        fs::create_dir_all(folder.path().join("photos").join(class)).unwrap();
        for _ in 0..*count {
            number += 1;
            save(&picture(number), &photos(&folder).join(class).join(format!("{number}.png")));
        }
    }
    folder
}

fn photos(folder: &TempDir) -> PathBuf {
    folder.path().join("photos")
}

fn read_as(folder: &TempDir, input: Shape, skip_broken: bool) -> Result<(Dataset, FolderReport), DatasetError> {
    read_with(folder, input, skip_broken, None)
}

fn read_with(
    folder: &TempDir,
    input: Shape,
    skip_broken: bool,
    none: Option<NoneSource>,
) -> Result<(Dataset, FolderReport), DatasetError> {
    let cache = folder.path().join("cache");
    Dataset::folder(&photos(folder), &FolderSettings { input, skip_broken, none, cache })
}

fn read(folder: &TempDir) -> (Dataset, FolderReport) {
    read_as(folder, Shape::new(16, 16, 3), false).unwrap()
}

/// Images of each class in each part.
fn counts(dataset: &Dataset) -> [Vec<usize>; 3] {
    DataRecord::new(dataset, PathBuf::new(), false).pictures
}

#[test]
fn a_folder_a_class_is_split_by_class() {
    let folder =
        folder(&[("dogs", 40), ("animals/cät", 20), ("animals/große Hunde", 10), ("_none/a/b", 10), ("_none/c", 10)]);
    let photos = photos(&folder);
    let hidden = [".hidden/x.png", "dogs/.1.png"];
    let unsorted = ["_unsorted/x.png", "dogs/_later/x.png"];
    let of_systems = [".DS_Store", "Thumbs.db", "dogs/desktop.ini", "recording.jsonl"];
    for passed_over in [&hidden[..], &unsorted, &of_systems].concat() {
        fs::create_dir_all(photos.join(passed_over).parent().unwrap()).unwrap();
        fs::write(photos.join(passed_over), "x").unwrap();
    }
    // A text between the folders is no picture, and no class.
    fs::write(photos.join("animals/readme.txt"), "x").unwrap();
    // As some cameras name their pictures.
    fs::rename(photos.join("dogs/1.png"), photos.join("dogs/_DSC1.png")).unwrap();
    let (dataset, report) = read(&folder);
    let Description { name, shape, labels, none, .. } = &dataset.description;
    assert_eq!((name.as_str(), *shape, *none), ("photos", [16, 16, 3], Some(3)));
    assert_eq!(*labels, ["animals/cät", "animals/große Hunde", "dogs", NONE_LABEL]);
    assert_eq!(counts(&dataset), [vec![14, 6, 28, 14], vec![3, 2, 6, 3], vec![3, 2, 6, 3]]);
    let broken: Vec<_> = report.broken.iter().map(|(path, _)| path.strip_prefix(&photos).unwrap()).collect();
    assert_eq!(broken, [Path::new("animals/readme.txt")]);
    assert_eq!((report.duplicates, report.alike), (0, 0));
    let expected = [
        "passed over, as folders are whose names begin with _: _unsorted, dogs/_later; sort their pictures into classes",
        "passed over, as what is hidden by a name that begins with a dot: .hidden, dogs/.1.png",
    ];
    assert_eq!(report.warnings, expected);
    let all = [&dataset.train.images[..], &dataset.validation.as_ref().unwrap().images].concat();
    assert_eq!(dataset.description.statistics, ChannelStatistics::of(&all, 3));

    let (grey, _) = read_as(&folder, Shape::new(8, 24, 1), false).unwrap();
    assert_eq!((grey.description.shape, grey.train.images[0].len()), ([8, 24, 1], 8 * 24));
    assert_eq!(grey.description.statistics.mean.len(), 1);
}

#[test]
fn names_order_times_and_copies_do_not_change_the_split() {
    let folder = folder(&[("a", 30), ("b", 12)]);
    let (before, _) = read(&folder);
    for (class, count) in [("a", 30), ("b", 12)] {
        let class = photos(&folder).join(class);
        let mut files: Vec<PathBuf> = fs::read_dir(&class).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        assert_eq!(files.len(), count);
        for (index, file) in files.iter().enumerate() {
            let renamed = class.join(format!("{}.jpeg", (index * 7 + 3) % count));
            fs::rename(file, &renamed).unwrap();
            File::options()
                .append(true)
                .open(&renamed)
                .unwrap()
                .set_modified(UNIX_EPOCH + Duration::from_secs(index as u64))
                .unwrap();
        }
        fs::copy(class.join("5.jpeg"), class.join("copy")).unwrap();
    }
    let (after, report) = read(&folder);
    assert_eq!((&after.train, &after.validation, &after.test), (&before.train, &before.validation, &before.test));
    assert_eq!(report.duplicates, 2);
    let [before, mut after] = [before, after].map(|dataset| DataRecord::new(&dataset, PathBuf::new(), false));
    assert_eq!(before.differences(&after), Vec::<String>::new());
    after.sha256.clear();
    assert_eq!(before.differences(&after), ["there are as many pictures of each class, but other ones"]);
    after.labels = (0..7).map(|class| format!("c{class}")).chain(["b".to_owned()]).collect();
    assert_eq!(before.differences(&after), ["gone classes: a", "new classes: c0, c1, c2, c3, c4 and 2 more"]);
}

#[test]
fn pictures_that_are_added_leave_most_others_where_they_are() {
    let folder = folder(&[("a", 100), ("b", 10)]);
    let before = read(&folder).0.test;
    for number in 1000..1010 {
        save(&picture(number), &photos(&folder).join(format!("a/{number}.png")));
    }
    let after = read(&folder).0.test;
    let kept = before.images.iter().filter(|image| after.images.contains(image)).count();
    assert!(kept + 4 >= before.len(), "{kept} of {}", before.len());
}

#[test]
fn folders_of_parts_are_taken_as_they_are() {
    let full = [("Train/a", 20), ("Train/b", 20), ("val/a", 4), ("val/b", 2), ("test/a", 5), ("test/b", 3)];
    let without = |name: &str| full.into_iter().filter(|(folder, _)| !folder.starts_with(name)).collect::<Vec<_>>();
    for (folders, expected) in [
        (full.to_vec(), [[20, 20], [4, 2], [5, 3]]),
        (without("val"), [[17, 17], [3, 3], [5, 3]]),
        (without("test"), [[17, 17], [4, 2], [3, 3]]),
    ] {
        let folder = folder(&folders);
        let (dataset, report) = read(&folder);
        assert_eq!(dataset.description.labels, ["a", "b"]);
        assert_eq!(counts(&dataset), expected.map(Vec::from));
        assert_eq!(report.lines(0), Vec::<String>::new());
    }
    let with_none = self::folder(&[full.as_slice(), &[("_none/x", 20)]].concat());
    let (dataset, _) = read(&with_none);
    assert_eq!(dataset.description.labels, ["a", "b", NONE_LABEL]);
    assert_eq!(counts(&dataset), [vec![20, 20, 14], vec![4, 2, 3], vec![5, 3, 3]]);
    let trains = self::folder(&[("train/diesel", 10), ("train/steam", 10), ("bus", 10)]);
    assert_eq!(read(&trains).0.description.labels, ["bus", "train/diesel", "train/steam"]);
    let folder = folder(&full);
    let photos = photos(&folder);
    // One more to learn by heart, and one that nearly is.
    let tested = fs::read_dir(photos.join("test/a")).unwrap().next().unwrap().unwrap().path();
    fs::copy(&tested, photos.join("Train/a/again.png")).unwrap();
    let tested = fs::read_dir(photos.join("test/b")).unwrap().next().unwrap().unwrap().path();
    image::open(tested).unwrap().brighten(3).save(photos.join("Train/b/brighter.png")).unwrap();
    let (dataset, report) = read(&folder);
    assert_eq!(counts(&dataset), [vec![20, 21], vec![4, 2], vec![5, 3]]);
    let text = report.lines(0).join("\n");
    assert!(
        text.contains("1 pictures were in two of train") && text.contains("b (2 of 26): pictures look like others"),
        "{text}"
    );
}

#[test]
fn what_is_no_data_set_is_explained() {
    type Change = fn(&Path);
    let good = || folder(&[("a", 10), ("b", 10)]);
    let cases: [(&str, Change); 16] = [
        ("needs at least two folders of pictures, one for each class, and has only a", |photos| {
            fs::remove_dir_all(photos.join("b")).unwrap();
        }),
        ("and has none", |photos| {
            fs::remove_dir_all(photos).unwrap();
            fs::create_dir(photos).unwrap();
        }),
        ("too few different pictures of b (9)", |photos| {
            let file = fs::read_dir(photos.join("b")).unwrap().next().unwrap().unwrap();
            fs::remove_file(file.path()).unwrap();
        }),
        ("too few different pictures of empty (0)", |photos| fs::create_dir(photos.join("empty")).unwrap()),
        ("too few different pictures of c0 (0), c1 (0), c2 (0), c3 (0), c4 (0) and 2 more: at least", |photos| {
            (0..7).for_each(|class| fs::create_dir(photos.join(format!("c{class}"))).unwrap())
        }),
        ("the same picture in two classes, 1 times", |photos| {
            fs::copy(photos.join("a/1.png"), photos.join("b/one.png")).map(drop).unwrap();
        }),
        ("has pictures beside the folders of its classes", |photos| save(&picture(99), &photos.join("99.png"))),
        ("a/4.png\n  and 5 files more beside these", |photos| {
            for number in 100..110 {
                save(&picture(number), &photos.join(format!("a/inner/{number}.png")));
            }
        }),
        ("has pictures, but no folder for each class", |photos| {
            fs::remove_dir_all(photos).unwrap();
            save(&picture(99), &photos.join("99.png"));
        }),
        ("2 of which are no readable pictures:\n", |photos| {
            fs::write(photos.join("a/x.png"), "x").unwrap();
            fs::write(photos.join("notes.txt"), "").unwrap();
        }),
        ("of 52 bytes, and a model's label has at most 48", |photos| {
            fs::rename(photos.join("b"), photos.join("ü".repeat(26))).unwrap();
        }),
        ("has 66 classes", |photos| {
            (0..64).for_each(|class| fs::create_dir(photos.join(format!("c{class}"))).unwrap())
        }),
        ("two folders whose names become the label \"none of these\"", |photos| {
            fs::rename(photos.join("a"), photos.join("_none")).unwrap();
            fs::rename(photos.join("b"), photos.join("none of these")).unwrap();
        }),
        #[cfg(unix)]
        ("is a link that leads back to", |photos| std::os::unix::fs::symlink(photos, photos.join("a/loop")).unwrap()),
        #[cfg(not(unix))]
        ("needs at least two", |photos| fs::remove_dir_all(photos.join("b")).unwrap()),
        ("\"b\" beside it: put that into _none, or move it away", |photos| {
            fs::create_dir_all(photos.join("train")).unwrap();
            fs::create_dir_all(photos.join("test/a")).unwrap();
            fs::rename(photos.join("a"), photos.join("train/a")).unwrap();
        }),
        ("has no picture of b in test/", |photos| {
            fs::create_dir_all(photos.join("train")).unwrap();
            for class in ["a", "b"] {
                fs::rename(photos.join(class), photos.join("train").join(class)).unwrap();
            }
            save(&picture(99), &photos.join("test/a/99.png"));
        }),
    ];
    for (expected, change) in cases {
        let folder = good();
        change(&photos(&folder));
        let error = read_as(&folder, Shape::new(16, 16, 3), false).unwrap_err().to_string();
        assert!(error.contains(expected), "{expected}: {error}");
    }
    let folder = good();
    for name in ["x", "y", "z"] {
        fs::write(photos(&folder).join("a").join(name), "x").unwrap();
    }
    #[cfg(unix)]
    std::os::unix::fs::symlink("nowhere", photos(&folder).join("a/link.png")).unwrap();
    let (dataset, report) = read_as(&folder, Shape::new(16, 16, 3), true).unwrap();
    assert_eq!(counts(&dataset)[2], [2, 2]);
    assert_eq!(report.broken.len(), if cfg!(unix) { 4 } else { 3 });
    assert!(report.lines(1).concat().contains("more; `data summary --skip-broken` lists all"));
}

#[test]
fn names_cannot_command_a_terminal() {
    let folder = folder(&[("\u{1b}[2J\u{202e}", 10), ("b", 10)]);
    assert_eq!(read(&folder).0.description.labels, ["b", "\u{fffd}[2J\u{fffd}"]);
}

#[test]
fn nothing_is_lost_with_the_cache_and_no_damage_trusted() {
    let folder = folder(&[("a", 10), ("b", 10)]);
    save_burst(&picture(900), &photos(&folder).join("a/x.png"), "one");
    save_burst(&picture(901), &photos(&folder).join("a/y.png"), "one");
    let (before, report) = read(&folder);
    assert_eq!(report.alike, 2);
    let cache = folder.path().join("cache");
    let entries = || walkdir::WalkDir::new(&cache).into_iter().flatten().filter(|entry| entry.file_type().is_file());
    assert_eq!(entries().count(), 22);
    let (mut damage, mut other) = (1_usize, None);
    for entry in entries() {
        let mut content = fs::read(entry.path()).unwrap();
        match damage % 3 {
            0 => content.truncate(damage * 20),
            // Another picture's.
            1 => content = other.replace(content.clone()).unwrap_or(content),
            _ => {
                let position = damage * 31 % content.len();
                content[position] ^= 1;
            }
        }
        damage += 1;
        fs::write(entry.path(), content).unwrap();
    }
    for _ in 0..2 {
        let (after, report) = read(&folder);
        assert_eq!(
            (&after.train, &after.validation, &after.test, report.alike),
            (&before.train, &before.validation, &before.test, 2)
        );
    }
    fs::remove_dir_all(&cache).unwrap();
    fs::write(&cache, "no folder").unwrap();
    assert_eq!(read(&folder).0.train, before.train);
}

/// Pictures of one class in memory: of each number in turn, a picture of that burst.
fn in_memory(files: &[ClassFile], bursts: &[Option<usize>]) -> Vec<Reduced> {
    let shape = Shape::new(16, 16, 3);
    let of_number = |(index, burst): (usize, &Option<usize>)| {
        let pixels = picture(index as u64);
        let pixels =
            crate::pictures::Picture { width: 48, height: 48, rgb: pixels.into_raw(), burst: None, taken: None };
        let mut sha256 = [0; 32];
        sha256[..8].copy_from_slice(&(index as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes());
        let marks =
            Marks { burst: burst.map(|burst| burst.to_string()), taken: Some(files.len() as i64 - index as i64) };
        Reduced { sha256, image: crate::pictures::reduce(&pixels, shape), shape, marks }
    };
    bursts.iter().enumerate().map(of_number).collect()
}

fn class_files(count: usize) -> Vec<ClassFile> {
    (0..count)
        .map(|index| ClassFile { path: index.to_string().into(), class: String::new(), part: None, modified: 0 })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn bursts_stay_together_and_shares_are_kept(sizes in prop::collection::vec(1_usize..9, 4..25), seed in any::<u64>()) {
        let total: usize = sizes.iter().sum();
        let largest = *sizes.iter().max().unwrap();
        prop_assume!(total >= 10 && largest as f64 <= 0.3 * total as f64);
        let bursts: Vec<_> = sizes.iter().enumerate().flat_map(|(burst, &size)| vec![(size > 1).then_some(burst); size]).collect();
        let files = class_files(total);
        let pictures: Vec<Picture> = in_memory(&files, &bursts).into_iter().zip(files).map(|(reduced, file)| Picture { file, reduced }).collect();
        let chosen: Vec<&Picture> = pictures.iter().collect();
        let Split { parts, alike, across, divided } = split::split(&chosen, &BTreeSet::new(), seed);
        prop_assert_eq!((alike, across, divided), (bursts.iter().flatten().count(), 0, 0));
        for (burst, part) in bursts.iter().zip(&parts) {
            let together = bursts.iter().zip(&parts).filter(|(other, _)| burst.is_some() && *other == burst);
            prop_assert!(together.into_iter().all(|(_, other)| other == part));
        }
        let target = (0.15 * total as f64).round() as usize;
        for part in [Part::Validation, Part::Test] {
            let count = parts.iter().filter(|&&other| other == part).count();
            prop_assert!((1..=target.max(largest)).contains(&count), "{} of {}", count, total);
            if largest == 1 {
                prop_assert_eq!(count, target);
            }
        }
        prop_assert!(parts.contains(&Part::Train));
    }
}

#[test]
fn pictures_of_none_come_from_anywhere() {
    let shape = Shape::new(16, 16, 3);
    let folder = self::folder(&[("a", 10), ("b", 20), ("_none", 2)]);
    // A picture's content follows from its number, so that the first ones are the same in every folder.
    let other = self::folder(&[("others", 40), ("x/y", 8), ("x/z", 5)]);
    let elsewhere = photos(&other).join("x");
    fs::write(elsewhere.join("notes.txt"), "no picture").unwrap();
    fs::create_dir(elsewhere.join("_later")).unwrap();
    let with = |none| read_with(&folder, shape, true, Some(none));
    let (dataset, report) = with(NoneSource::Folder(elsewhere)).unwrap();
    let labels = ["a", "b", NONE_LABEL].map(str::to_owned);
    assert_eq!((dataset.description.labels.as_slice(), dataset.description.none), (labels.as_slice(), Some(2)));
    let of_none = |dataset: &Dataset| counts(dataset).iter().map(|part| part[2]).sum::<usize>();
    assert_eq!((of_none(&dataset), report.broken.len()), (2 + 13, 1));
    assert!(report.warnings[0].contains("photos/x/_later; sort"), "{:?}", report.warnings);
    let error = with(NoneSource::Folder(folder.path().join("nowhere"))).unwrap_err().to_string();
    assert!(error.contains("nowhere"), "{error}");
    let (dataset, _) = with(NoneSource::Cifar10).unwrap();
    assert_eq!(of_none(&dataset), 2 + 20);
}

#[test]
fn near_duplicates_stay_together() {
    let folder = folder(&[("a", 12), ("b", 10)]);
    let class = photos(&folder).join("a");
    for number in 1..=12 {
        let picture = image::DynamicImage::from(picture(number));
        picture.save_with_format(class.join(format!("{number}-jpeg")), ImageFormat::Jpeg).unwrap();
        picture.brighten(9).save_with_format(class.join(format!("{number}-bright")), ImageFormat::Png).unwrap();
        let small = picture.resize_exact(31, 31, image::imageops::FilterType::CatmullRom);
        small.save_with_format(class.join(format!("{number}-small")), ImageFormat::Bmp).unwrap();
    }
    let (dataset, report) = read(&folder);
    assert_eq!((report.alike, report.warnings.len()), (48, 0));
    assert_eq!(counts(&dataset).map(|part| part[0]), [40, 4, 4]);
    // Four pictures of one number are one cluster.
    let shape = Shape::new(16, 16, 3);
    let of_number = |number: u64| {
        let rgb = picture(number).into_raw();
        crate::pictures::reduce(
            &crate::pictures::Picture { width: 48, height: 48, rgb, burst: None, taken: None },
            shape,
        )
    };
    let distance = |a: &[u8], b: &[u8]| a.iter().zip(b).map(|(a, b)| usize::from(a.abs_diff(*b))).sum::<usize>();
    let numbers = |images: &LabelledImages| {
        let of_class = images.images.iter().zip(&images.labels).filter(|(_, label)| **label == 0);
        of_class
            .map(|(image, _)| (1..=12).min_by_key(|&number| distance(image, &of_number(number))).unwrap())
            .collect::<BTreeSet<u64>>()
    };
    let [train, validation, test] = [&dataset.train, dataset.validation.as_ref().unwrap(), &dataset.test].map(numbers);
    assert_eq!((train.len(), validation.len(), test.len()), (10, 1, 1));
    assert!(train.is_disjoint(&validation) && train.is_disjoint(&test) && validation.is_disjoint(&test));
}

#[test]
fn near_duplicates_of_photographs_are_found_and_simple_drawings_told_apart() {
    use image::imageops::FilterType;
    let shape = Shape::new(32, 32, 3);
    let folder = folder(&[("b", 10)]);
    let cifar10 = Dataset::cifar10(&default_directory()).unwrap();
    let class = photos(&folder).join("a");
    fs::create_dir(&class).unwrap();
    for (number, pixels) in cifar10.test.images[..40].iter().enumerate() {
        let small = RgbImage::from_raw(32, 32, pixels.to_vec()).unwrap();
        let picture = image::DynamicImage::from(small).resize_exact(160, 160, FilterType::CatmullRom);
        let path = |kind: &str| class.join(format!("{number}-{kind}.bmp"));
        picture.save(path("itself")).unwrap();
        picture.resize_exact(144, 144, FilterType::CatmullRom).save(path("smaller")).unwrap();
        picture.brighten(10).save(path("brighter")).unwrap();
        picture.crop_imm(1, 1, 159, 159).save(path("shifted")).unwrap();
        let jpeg = File::create(class.join(format!("{number}.jpeg"))).unwrap();
        picture.write_with_encoder(image::codecs::jpeg::JpegEncoder::new_with_quality(jpeg, 60)).unwrap();
    }
    assert_eq!(read_as(&folder, shape, false).unwrap().1.alike, 5 * 40);

    // Rings as people write a zero: on 8×8 pixels, enlarged.
    let mut random = ChaCha8Rng::seed_from_u64(5);
    let mut between = |low: f32, high: f32| low + (high - low) * (random.next_u32() as f32 / u32::MAX as f32);
    fs::remove_dir_all(&class).unwrap();
    for number in 0..40 {
        let centre = [between(3.1, 3.9), between(3.1, 3.9)];
        let radii = [between(1.6, 2.2), between(2.4, 3.0)];
        let ring = image::GrayImage::from_fn(8, 8, |x, y| {
            let distance = ((x as f32 - centre[0]) / radii[0]).hypot((y as f32 - centre[1]) / radii[1]);
            image::Luma([(255.0 * (1.3 - 2.0 * (distance - 1.0).abs()).clamp(0.0, 1.0)) as u8])
        });
        let ring = image::imageops::resize(&ring, 32, 32, FilterType::CatmullRom);
        save(&image::DynamicImage::from(ring).into_rgb8(), &class.join(format!("{number}.png")));
    }
    // With a fixed least correlation of 0.97 they were 30.
    let alike = read_as(&folder, shape, false).unwrap().1.alike;
    assert!(alike < 25, "{alike}");
}

#[test]
fn a_class_of_one_burst_is_split_in_order_of_time() {
    let files = class_files(20);
    let pictures: Vec<Picture> = in_memory(&files, &[Some(1); 20])
        .into_iter()
        .zip(files)
        .map(|(reduced, file)| Picture { file, reduced })
        .collect();
    let chosen: Vec<&Picture> = pictures.iter().collect();
    let Split { parts, divided, .. } = split::split(&chosen, &BTreeSet::new(), 1);
    // The times descend.
    let expected = [[Part::Test; 3].as_slice(), &[Part::Validation; 3], &[Part::Train; 14]].concat();
    assert_eq!(parts, expected);
    assert_eq!(divided, 20);
}
