//! Settings of the board while it classifies, as machine code: changed by the monitor, and cut off at every write of the flash.

use super::deploy::{COPY, Desk, connect, crc32, monitor_with, small};
use super::*;
use std::io::Read;
use std::sync::Mutex;

use flash_models::Cut;
use protocol::{Decoder, FRAME_LEN, Received, Request, Setting, SettingAnswer, SettingRequest, encode as to_wire};

const CAMERA: Camera = Camera::Ov2640;

/// Asks the board at a port, and gives key and value of the settings that it answers with, up to the last one or until it is gone; and the CRC-32
/// of the model that runs, which it tells before.
fn ask(port: u16, request: SettingRequest<'_>) -> (Vec<(String, String)>, u32) {
    let mut stream = connect(port);
    let mut buffer = [0; FRAME_LEN];
    let frame = to_wire(&Request::Settings(request), &mut buffer).expect("it is long enough");
    stream.write_all(frame).expect("it is connected");
    let (mut decoder, mut bytes, mut answers, mut crc32) = (Decoder::new(), [0; 4096], Vec::new(), 0);
    while let Ok(len @ 1..) = stream.read(&mut bytes) {
        for byte in &bytes[..len] {
            let answer = match decoder.push::<Message<'_>>(*byte) {
                Some(Received::Message(Message::Setting(answer))) => answer,
                Some(Received::Message(Message::DeviceInfo(info))) => {
                    crc32 = info.crc32;
                    continue;
                }
                Some(_) | None => continue,
            };
            let (Setting { key, value, .. }, is_last) = match answer {
                SettingAnswer::Present(setting) => (setting, setting.index + 1 == setting.count),
                SettingAnswer::Changed(setting) => (setting, true),
                SettingAnswer::Refused { key, reason } => panic!("{key}: {reason}"),
            };
            answers.push((key.to_owned(), value.to_owned()));
            if is_last {
                return (answers, crc32);
            }
        }
    }
    (answers, crc32)
}

/// At every write of the first change, which erases a sector of the record before.
#[test]
fn wherever_the_power_is_cut_the_old_or_the_new_setting_is_kept_and_the_model_runs() {
    let (old, elf) = (small(1), build(Machine::M4));
    let cases: Vec<(u32, Cut)> = (0..1 + COPY).flat_map(|at| Cut::ALL.map(|cut| (at, cut))).collect();
    let next = AtomicUsize::new(0);
    let counts = Mutex::new([0, 0]);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(&(operation, cut)) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let desk = Desk::new(&elf, &old, &old);
                    let cut = format!("{operation}-{cut:?}");
                    let change = SettingRequest::Set { key: "threshold", value: "45" };
                    let (said, _) = desk.talk(0, Some(&cut), |port| ask(port, change));
                    assert!(said.is_empty(), "{cut}: the power was not cut");
                    // A request that comes too late for so few frames is sent again.
                    let (said, crc32_of_model) = (0..10)
                        .map(|_| desk.talk(200, None, |port| ask(port, SettingRequest::List)))
                        .find(|(said, _)| said.len() == 6)
                        .unwrap_or_else(|| panic!("{cut}: no answer"));
                    assert_eq!(crc32_of_model, crc32(&old), "{cut}");
                    let value = said[0].1.as_str();
                    assert!(["model", "45"].contains(&value), "{cut}: {value}");
                    counts.lock().expect("no panic")[usize::from(value == "45")] += 1;
                }
            });
        }
    });
    let [before, after] = counts.into_inner().expect("no panic");
    println!("{} cuts: the setting before {before} times, the new one {after} times, neither: 0", cases.len());
    // It counts with its last word, once that is written.
    assert_eq!((before, after), (cases.len() - 1, 1));
}

/// The monitor changes settings of the board while it classifies, and they stay over a restart.
#[test]
fn the_monitor_changes_settings_of_a_board_that_runs() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (_emulator, port) = start(Machine::M4, CAMERA, folder.path(), &frames(CAMERA), 0, []);
    let board = format!("tcp:127.0.0.1:{port}");
    let text = monitor_with(&["set", &board]);
    assert!(text.contains("threshold    model") && text.contains("view         scene"), "{text}");
    assert!(!text.contains("output") && !text.contains("interval"), "{text}");
    let frame = || {
        let lines = monitor_with(&[&board, "--json", "--frames", "3", "--timeout", "60"]);
        let last = lines.lines().rfind(|line| line.contains(r#""type":"frame""#));
        serde_json::from_str::<Value>(last.expect("a frame")).expect("a line of JSON")
    };
    assert_eq!(frame()["sure"], json!(true));
    let text = monitor_with(&["set", &board, "threshold", "100"]);
    assert!(text.starts_with("threshold    100"), "{text}");
    assert_eq!(frame()["sure"], json!(false));
    // The network and the computer have the region alone.
    monitor_with(&["set", &board, "region", "10,20,80,64"]);
    let photos = folder.path().join("photos");
    let folder = photos.to_string_lossy();
    monitor_with(&[&board, "--capture", &folder, "--when", "unsure", "--plain", "--frames", "9", "--timeout", "60"]);
    let pictures =
        fs::read_dir(photos.join("_unsorted")).expect("pictures").map(|entry| entry.expect("an entry").path());
    let pictures = pictures.filter(|path| path.extension() == Some(OsStr::new("png")));
    let sizes: BTreeSet<_> = pictures.map(|path| image::image_dimensions(path).expect("a picture")).collect();
    assert_eq!(sizes, BTreeSet::from([(80, 64)]));
    // Colour bars are no deer, and need another start of the camera.
    monitor_with(&["set", &board, "threshold", "default"]);
    monitor_with(&["set", &board, "region", "default"]);
    monitor_with(&["set", &board, "view", "color-bars"]);
    let logits = || frame()["logits"].clone();
    assert_eq!(logits(), logits());
    monitor_with(&["set", &board, "view", "default"]);
    let text = monitor_with(&["set", &board]);
    assert!(!text.contains("default:"), "{text}");
}
