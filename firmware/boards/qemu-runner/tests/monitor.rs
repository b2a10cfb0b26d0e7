//! The monitor, connected to the emulated serial port, records exactly what was before the modelled camera.

mod support;

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use image::{Rgb, RgbImage};
use qemu_runner::machine::Machine;
use support::{build, root};

const SIDE: u32 = 32;
/// Each pixel of a picture fills a square of so many pixels of the camera's 128×128.
const SCALE: u32 = 4;
/// Frames to record.
const FRAMES: usize = 5;

/// Killed in the end, whatever comes before.
struct Emulator(Child);

impl Drop for Emulator {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The colours that are left of a picture in RGB565, with the top bits repeated below.
fn in_rgb565(picture: &RgbImage) -> RgbImage {
    let mut reduced = picture.clone();
    for Rgb([red, green, blue]) in reduced.pixels_mut() {
        *red = *red >> 3 << 3 | *red >> 5;
        *green = *green >> 2 << 2 | *green >> 6;
        *blue = *blue >> 3 << 3 | *blue >> 5;
    }
    reduced
}

/// The picture as a frame of 128×128 pixels in big-endian RGB565.
fn frame(picture: &RgbImage) -> Vec<u8> {
    let side = SIDE * SCALE;
    let pixels = (0..side).flat_map(|y| (0..side).map(move |x| (x, y)));
    pixels
        .flat_map(|(x, y)| {
            let Rgb([red, green, blue]) = *picture.get_pixel(x / SCALE, y / SCALE);
            let [red, green, blue] = [red >> 3, green >> 2, blue >> 3].map(u16::from);
            (red << 11 | green << 5 | blue).to_be_bytes()
        })
        .collect()
}

fn samples() -> Vec<RgbImage> {
    let names = ["airplane", "cat", "deer", "frog", "ship", "truck"];
    let path = |name| root().join(format!("data/samples/{name}.png"));
    let open = |name| image::open(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    names.map(|name| open(name).to_rgb8()).to_vec()
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("it has an address").port()
}

/// Every PNG below `folder`, with its frame's number, in order.
fn recorded(folder: &Path) -> Vec<(usize, RgbImage)> {
    let entries = |folder: &Path| -> Vec<PathBuf> {
        let entries = fs::read_dir(folder).expect("a folder of the recording");
        entries
            .map(|entry| entry.expect("an entry").path())
            .collect()
    };
    let mut pictures = Vec::new();
    for path in entries(folder)
        .iter()
        .filter(|path| path.is_dir())
        .flat_map(|path| entries(path))
    {
        let name = path
            .file_stem()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        let (counter, _) = name.split_once('-').expect("COUNTER-PERCENT.png");
        let counter = counter.parse().expect("a counter");
        pictures.push((counter, image::open(&path).expect("a picture").to_rgb8()));
    }
    pictures.sort_by_key(|(counter, _)| *counter);
    pictures
}

#[test]
fn the_monitor_records_what_the_camera_sees() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let samples = samples();
    let file = folder.path().join("frames.rgb565");
    fs::write(&file, samples.iter().flat_map(frame).collect::<Vec<u8>>())
        .expect("a temporary file");
    let port = free_port().to_string();
    let emulator = Command::new(env!("CARGO_BIN_EXE_camera"))
        .arg(build(Machine::M4))
        .args([
            "--frames",
            "40",
            "--camera",
            "arducam-128",
            "--port",
            &port,
            "--raw",
        ])
        .arg(&file)
        .spawn();
    let _emulator = Emulator(emulator.expect("the runner can be started"));

    let recording = folder.path().join("recording");
    let output = Command::new("cargo")
        .args(["run", "--quiet", "--package", "monitor", "--"])
        .args([
            &format!("tcp:127.0.0.1:{port}"),
            "--plain",
            "--timeout",
            "60",
        ])
        .args(["--frames", &FRAMES.to_string(), "--record"])
        .arg(&recording)
        .current_dir(root())
        .output()
        .expect("cargo can be started");
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}\n{errors}");
    assert!(
        text.contains("board qemu-mps2, camera ArduCAM Mega"),
        "{text}"
    );

    let pictures = recorded(&recording);
    assert_eq!(pictures.len(), FRAMES, "{text}");
    for (counter, picture) in pictures {
        let expected = in_rgb565(&samples[counter % samples.len()]);
        assert_eq!(picture.as_raw(), expected.as_raw(), "frame {counter}");
    }
}
