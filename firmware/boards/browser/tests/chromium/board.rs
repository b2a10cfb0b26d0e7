//! The page in front of a real board: the firmware as machine code in QEMU, through a stand-in for the browser's serial ports, whose bytes
//! travel over the pipe of the DevTools protocol. The page has no network for them.

use std::cmp::Reverse;
use std::io::{ErrorKind, Read};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::process::Child;

use super::*;

use board_client::text::thousands;
use host_trainer::dataset::{Dataset, FolderSettings};
use image::RgbImage;
use protocol::{BootFailure, Decoder, FRAME_LEN, Message, ModelRequest, Received, Request};
use shared_model::graph::Decision;
use shared_model::resize::{PixelFormat, Rgb565BigEndian};

/// QEMU is built, starts and boots, on a machine that has much else to do.
const START: Duration = Duration::from_secs(180);
/// What a board does takes as long as QEMU needs for it.
const SLOW: Duration = Duration::from_secs(180);
/// Pixels of the modelled OV2640.
const SIZE: (u16, u16) = (160, 120);

/// The stand-in for `navigator.serial`: one port, which is plugged in or not.
const SERIAL: &str = r#"{
    const decode = (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
    let incoming, isOpen = false, isPlugged = true;
    const lost = () => new DOMException("The device has been lost.", "NetworkError");
    const port = {
        readable: null,
        writable: null,
        getInfo: () => ({ usbVendorId: 0x2e8a, usbProductId: 0x000a }),
        async open({ baudRate }) {
            if (isOpen) throw new DOMException("The port is already open.", "InvalidStateError");
            if (!isPlugged) throw new DOMException("Failed to open serial port.", "NetworkError");
            if (baudRate !== 115200) throw new TypeError("another rate");
            isOpen = true;
            this.readable = new ReadableStream({ start: (controller) => { incoming = controller; } });
            this.writable = new WritableStream({
                write(bytes) {
                    if (!isPlugged) throw lost();
                    cable(btoa(String.fromCharCode(...bytes)));
                },
            });
            cable("open");
        },
        async setSignals({ dataTerminalReady }) {
            if (!dataTerminalReady) throw new TypeError("the board waits for it");
        },
        async close() {
            if (this.readable?.locked || this.writable?.locked) throw new TypeError("a stream is locked");
            isOpen = false;
            this.readable = this.writable = null;
            cable("close");
        },
    };
    const serial = {
        requestPort: async () => port,
        getPorts: async () => (isPlugged ? [port] : []),
    };
    Object.defineProperty(Navigator.prototype, "serial", { get: () => serial });
    globalThis.boardSays = (text) => { if (isOpen && isPlugged) incoming.enqueue(decode(text)); };
    globalThis.unplug = () => {
        isPlugged = false;
        port.readable = null;
        incoming.error(lost());
    };
    globalThis.plugIn = () => { isPlugged = true; };
}"#;

/// From the page's port to the board's.
pub struct Cable {
    board: u16,
    stream: Option<TcpStream>,
    /// All that the page has sent.
    sent: Vec<u8>,
}

impl Cable {
    /// Takes what the stand-in says: what the page sends, or that it opens or closes the port.
    pub fn take(&mut self, payload: &str) {
        match payload {
            "open" => self.stream = Some(connect(self.board)),
            "close" => self.stream = None,
            bytes => {
                let bytes = BASE64_STANDARD.decode(bytes).unwrap();
                if let Some(stream) = &mut self.stream {
                    stream.write_all(&bytes).unwrap();
                }
                self.sent.extend(bytes);
            }
        }
    }

    /// How much of a model the page has sent, or of what announces one, in requests.
    fn requests_with_models(&self) -> usize {
        let mut decoder = Decoder::new();
        let is_of_model = |byte: &u8| {
            matches!(
                decoder.push(*byte),
                Some(Received::Message(Request::Chunk(_) | Request::Models(ModelRequest::Deploy(_))))
            )
        };
        self.sent.iter().map(is_of_model).filter(|is_of_model| *is_of_model).count()
    }

    /// What the board has said.
    pub fn receive(&mut self) -> Option<Vec<u8>> {
        let mut bytes = vec![0; 1 << 16];
        match self.stream.as_mut()?.read(&mut bytes) {
            Ok(len) => {
                assert!(len > 0, "QEMU has ended");
                bytes.truncate(len);
                Some(bytes)
            }
            Err(error) => {
                assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error}");
                None
            }
        }
    }
}

fn connect(port: u16) -> TcpStream {
    let start = Instant::now();
    loop {
        match TcpStream::connect(("127.0.0.1", port)) {
            Ok(stream) => {
                stream.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
                stream.set_nodelay(true).unwrap();
                return stream;
            }
            Err(error) => assert!(start.elapsed() < START, "{error}: `tests/run setup` installs QEMU"),
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// QEMU with a board, and all that runs it.
struct Emulator {
    runner: Child,
    port: u16,
    _folder: TempDir,
}

impl Emulator {
    /// The board with the committed model, whose camera sees `frames` one after the other without end.
    fn start(frames: &[Vec<u8>], arguments: &[&str]) -> Self {
        let repository = repository();
        let build = Command::new(repository.join("tests/support/firmware-build"))
            .args(["qemu-mps2", "thumbv7em-none-eabihf", "camera"])
            .env_remove("MODEL_BLOB")
            .output()
            .unwrap();
        assert!(build.status.success(), "{}", String::from_utf8_lossy(&build.stderr));
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("frames.rgb565");
        fs::write(&file, frames.concat()).unwrap();
        // It is free a moment later as well.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let runner = Command::new(repository.join("tests/support/qemu-runner"))
            .arg(String::from_utf8_lossy(&build.stdout).trim())
            .args(["--camera", "ov2640", "--frames", "0", "--port", &port.to_string(), "--raw"])
            .arg(&file)
            .args(arguments)
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap();
        Self { runner, port, _folder: folder }
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        // The runner and QEMU are a group of processes.
        let group = format!("-{}", self.runner.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
        let _ = self.runner.wait();
    }
}

/// Each picture as the camera sees it: in the middle of a wider frame, every pixel as often as fits.
fn frames(pictures: &[&Picture]) -> Vec<Vec<u8>> {
    let (width, height) = (usize::from(SIZE.0), usize::from(SIZE.1));
    let frame = |(number, picture): (u16, &&Picture)| {
        let pixels = (0..width * height).flat_map(|pixel| {
            let (x, y) = ((pixel % width).clamp(20, 139) - 20, pixel / width);
            let start = 3 * (y * 32 / 120 * 32 + x * 32 / 120);
            let [red, green, blue] = [0, 1, 2].map(|colour| u16::from(picture.pixels[start + colour]));
            (red >> 3 << 11 | green >> 2 << 5 | blue >> 3).to_be_bytes()
        });
        // No two are the same, as no two of a real camera are.
        number.to_be_bytes().into_iter().chain(pixels.skip(2)).collect()
    };
    (0..).zip(pictures).map(frame).collect()
}

/// What the network of a board with that frame sees.
fn seen(frame: &[u8]) -> Vec<u8> {
    let mut seen = vec![0; 3 * 32 * 32];
    resize::<Rgb565BigEndian>(frame, SIZE.0, SIZE.1, Shape::new(32, 32, 3), &mut seen).unwrap();
    seen
}

/// Its pixels in eight bits a colour.
fn rgb(frame: &[u8]) -> Vec<u8> {
    frame.as_chunks::<2>().0.iter().flat_map(|pixel| Rgb565BigEndian::rgb(pixel)).collect()
}

/// As the camera sees them, those images of a class that the network is surest of.
fn surest(blob: &AlignedBytes, images: &[(u8, Picture)], class: u8, count: usize) -> Vec<Vec<u8>> {
    let model = Model::load(blob).unwrap();
    let mut arena = vec![0; model.fast_arena_len()];
    let mut interpreter = Interpreter::new(&model, &mut arena).unwrap();
    let pictures: Vec<&Picture> =
        images.iter().filter(|(label, _)| *label == class).map(|(_, picture)| picture).collect();
    let mut frames = frames(&pictures);
    frames.sort_by_cached_key(|frame| Reverse(interpreter.classify(&seen(frame)).unwrap().probability(class.into())));
    frames.truncate(count);
    frames
}

/// The page before the board at a TCP port of this computer.
fn connected(port: u16) -> Chromium {
    let mut chromium = Chromium::open(&[], SERIAL);
    chromium.load("#board");
    chromium.cable = Some(Cable { board: port, stream: None, sent: Vec::new() });
    assert_eq!(chromium.value("document.getElementById('board-view').hidden"), false);
    chromium.click("connect");
    chromium
}

/// A picture that the page shows.
fn shown(chromium: &mut Chromium, id: &str) -> Vec<u8> {
    let pixels = chromium.value(&format!(
        "{{ const canvas = document.getElementById('{id}');
        const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
        [...pixels].filter((_, at) => at % 4 < 3) }}"
    ));
    serde_json::from_value(pixels).unwrap()
}

/// A key, pressed with the keyboard's focus where it is.
fn press(chromium: &mut Chromium, key: &str) {
    for kind in ["keyDown", "keyUp"] {
        chromium.call("Input.dispatchKeyEvent", json!({ "type": kind, "key": key, "text": key }));
    }
}

/// How many pictures of a class the page has.
pub fn taken(name: &str) -> String {
    format!(
        "+[...document.querySelectorAll('.class')].find((button) => button.children[1].textContent === '{name}')?.lastChild.textContent"
    )
}

/// Downloads the pictures that were taken and unpacks them in `folder`.
pub fn download(chromium: &mut Chromium, folder: &Path, count: usize) -> Vec<(String, RgbImage)> {
    chromium.call("Page.setDownloadBehavior", json!({ "behavior": "allow", "downloadPath": folder }));
    assert_eq!(chromium.text("download"), format!("Download {count} as photos.zip"));
    chromium.click("download");
    let file = folder.join("photos.zip");
    let start = Instant::now();
    while !file.exists() {
        assert!(start.elapsed() < PATIENCE, "nothing is downloaded");
        chromium.is_so("true");
    }
    let mut zip = zip::ZipArchive::new(fs::File::open(&file).unwrap()).unwrap();
    zip.extract(folder).unwrap();
    let names: Vec<String> = zip.file_names().map(|name| name.unwrap().into_owned()).collect();
    assert_eq!(names.len(), count);
    let read = |name: String| (name.clone(), image::open(folder.join(name)).unwrap().into_rgb8());
    names.into_iter().map(read).collect()
}

#[test]
fn a_board_is_watched_and_its_pictures_become_training_data() {
    const EACH: usize = 40;
    let images = test_images(1000);
    let blob = committed();
    let frames: Vec<Vec<u8>> = [4, 0].into_iter().flat_map(|class| surest(&blob, &images, class, EACH)).collect();
    let emulator = Emulator::start(&frames, &[]);
    let mut chromium = connected(emulator.port);
    let all_seen: Vec<Vec<u8>> = frames.iter().map(|frame| seen(frame)).collect();

    chromium.wait_long_for("document.getElementById('board-picture').dataset.counter", SLOW);
    for name in ["deer", "airplane", "deer"] {
        chromium.wait_long_for(&format!("document.getElementById('board-verdict').textContent === '{name}'"), SLOW);
        let shown = shown(&mut chromium, "board-picture");
        assert!(all_seen.contains(&shown), "{name}: this is no picture of the camera's");
    }
    let card = chromium.text("board-card");
    for part in ["qemu-mps2", "OV2640", "vgg3-full", "562,944 bytes"] {
        assert!(card.contains(part), "{part}: {card}");
    }
    chromium.wait_for("document.getElementById('listed').textContent.startsWith('place A: CRC-32 ')");
    assert_eq!(chromium.text("faults"), "Camera faults since boot: none");

    // Keys choose a class of the board's model and take a burst, and then single pictures of a class of one's own.
    press(&mut chromium, " ");
    chromium.wait_for("document.getElementById('taking').textContent.startsWith('choose a class first')");
    press(&mut chromium, "5");
    press(&mut chromium, "b");
    chromium.wait_long_for(&format!("{} === 10", taken("deer")), SLOW);
    press(&mut chromium, "n");
    for letter in ["_", "n", "o", "n", "e", "\r"] {
        let key = if letter == "\r" { "Enter" } else { letter };
        chromium.call("Input.dispatchKeyEvent", json!({ "type": "keyDown", "key": key, "text": letter }));
        chromium.call("Input.dispatchKeyEvent", json!({ "type": "keyUp", "key": key }));
    }
    for count in 1..=11 {
        press(&mut chromium, " ");
        chromium.wait_long_for(&format!("{} === {count}", taken("_none")), SLOW);
    }
    press(&mut chromium, "u");
    chromium.wait_for(&format!("{} === 10", taken("_none")));
    press(&mut chromium, "4");
    press(&mut chromium, "b");
    chromium.wait_long_for(&format!("{} === 10", taken("cat")), SLOW);

    let folder = tempfile::tempdir().unwrap();
    let pictures = download(&mut chromium, folder.path(), 30);
    for (name, picture) in &pictures {
        let is_of_camera = frames.iter().any(|frame| rgb(frame) == *picture.as_raw());
        assert!(is_of_camera && picture.dimensions() == (160, 120), "{name}");
    }
    // As the trainer reads them with `--data photos/`.
    let settings = FolderSettings {
        input: Shape::new(32, 32, 3),
        skip_broken: false,
        none: None,
        cache: folder.path().join("cache"),
    };
    let (dataset, report) = Dataset::folder(&folder.path().join("photos"), &settings).unwrap();
    assert_eq!(dataset.description.labels, ["cat", "deer", "none of these"]);
    assert_eq!((report.broken.len(), report.duplicates), (0, 0));
    let [train, validation, test] = dataset.images_per_class();
    for class in 0..3 {
        assert_eq!(train[class] + validation[class] + test[class], 10, "{train:?} {validation:?} {test:?}");
    }

    chromium.click("disconnect");
    chromium.wait_for("document.getElementById('hint').textContent === 'disconnected'");
    assert_eq!(chromium.value("document.getElementById('connect').hidden"), false);
    // Not a byte is left for a monitor that comes next.
    assert!(chromium.cable.as_ref().unwrap().stream.is_none());
    chromium.end();
}

#[test]
fn a_model_is_sent_over_a_cable_that_is_pulled_and_the_board_goes_back() {
    let images = test_images(1000);
    let old = committed();
    let emulator = Emulator::start(&surest(&old, &images, 4, 40), &[]);
    let mut chromium = connected(emulator.port);
    let folder = tempfile::tempdir().unwrap();
    // It is sure of whatever it sees.
    let operations = [convolution(16, true), convolution(32, false), vec![Plain::Dense(3, false)]].concat();
    let mut described = network(7, Shape::new(32, 32, 3), &operations);
    described.name = "insects";
    described.labels = ["ant", "bee", "wasp"].map(str::to_owned).to_vec();
    described.decision = Decision::default();
    let blob = encode(&described).unwrap().to_vec();
    let crc32 = |blob: &[u8]| Model::load(&AlignedBytes::from(blob)).unwrap().crc32();
    let new = folder.path().join("new.blob");
    fs::write(&new, &blob).unwrap();
    let mut damaged = blob.clone();
    *damaged.last_mut().unwrap() ^= 1;
    let words = Model::load(&AlignedBytes::from(damaged.as_slice())).err().unwrap().to_string();
    fs::write(folder.path().join("damaged.blob"), &damaged).unwrap();

    let names = |name: &str| format!("document.getElementById('board-verdict').textContent === '{name}'");
    let says = |text: &str| format!("document.getElementById('said').textContent.includes({})", json!(text));
    chromium.wait_long_for(&names("deer"), SLOW);
    chromium.wait_for("!document.getElementById('deploy').disabled");
    chromium.drop_file(&folder.path().join("damaged.blob"));
    let notice = format!("damaged.blob is not sent: this is no model: {words}.");
    chromium.wait_for(&format!("document.getElementById('board-notice').textContent === {}", json!(notice)));
    assert_eq!(chromium.cable.as_ref().unwrap().requests_with_models(), 0);

    chromium.drop_file(&new);
    chromium.wait_long_for("document.getElementById('bar').value > 8000", SLOW);
    chromium.value("unplug()");
    chromium.cable.as_mut().unwrap().stream = None;
    chromium.wait_for("document.getElementById('hint').textContent.startsWith('the connection is lost: The device has been lost; plug')");
    chromium.value("plugIn()");
    chromium
        .wait_long_for(&says(&format!("insects (CRC-32 {:08x}) runs: a frame is classified in ", crc32(&blob))), SLOW);
    let said = chromium.text("said");
    println!("{said}");
    assert!(said.starts_with(&format!("{} bytes in ", thousands(blob.len() as u64))), "{said}");
    // What the board had before is not sent again: a request a kilobyte, the announcement twice, and a few that were lost.
    let (requests, chunks) = (chromium.cable.as_ref().unwrap().requests_with_models(), blob.len().div_ceil(1024));
    assert!((chunks + 2..=chunks + 6).contains(&requests), "{requests} for {chunks}");
    chromium
        .wait_long_for("['ant', 'bee', 'wasp'].includes(document.getElementById('board-verdict').textContent)", SLOW);
    chromium.wait_for("document.getElementById('listed').textContent.includes('bytes, good; runs\\ntakes')");
    assert!(chromium.text("board-card").contains("insects"));

    chromium.click("rollback");
    chromium.wait_long_for(&says(&format!("vgg3-full (CRC-32 {:08x}) runs: ", crc32(&old))), SLOW);
    chromium.wait_long_for(&names("deer"), SLOW);
    chromium.end();
}

#[test]
fn a_diagnosis_names_what_is_the_matter_and_what_to_try() {
    let images = test_images(10);
    let pictures: Vec<&Picture> = images.iter().map(|(_, picture)| picture).collect();
    let emulator = Emulator::start(&frames(&pictures), &["--faults", "NoVsync"]);
    let mut chromium = connected(emulator.port);
    chromium.click("diagnose");
    chromium.wait_long_for("document.getElementById('checks').children.length > 0", SLOW);
    let checks = chromium.value(
        "[...document.querySelectorAll('#checks li')].map((row) => [...row.children].map((part) => part.textContent))",
    );
    let checks: Vec<Vec<String>> = serde_json::from_value(checks).unwrap();
    let first = checks.iter().find(|check| check[0] == "BAD").unwrap();
    assert_eq!(first[1], "one frame", "{checks:#?}");
    assert!(first[2].contains("no VSYNC") && first[3].contains("check the wires of VSYNC and PIXCLK"), "{first:?}");
    assert_eq!((&checks[0][0], &checks[0][1]), (&"OK".to_owned(), &"connection".to_owned()), "{checks:#?}");
    assert!(chromium.text("finding").contains("BAD: begin with the first"));
    chromium.end();
}

#[test]
fn a_board_that_does_not_classify_says_why() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut chromium = connected(listener.local_addr().unwrap().port());
    let text = "the model blob in flash cannot be used: flash a good one";
    let mut buffer = [0; FRAME_LEN];
    let failure = protocol::encode(&Message::BootFailure(BootFailure { code: 1, text }), &mut buffer).unwrap();
    while chromium.cable.as_ref().unwrap().stream.is_none() {
        chromium.is_so("true");
    }
    let (mut board, _) = listener.accept().unwrap();
    board.write_all(failure).unwrap();
    chromium
        .wait_for(&format!("document.getElementById('hint').textContent === 'the board does not classify: {text}'"));
    chromium.click("disconnect");
    chromium.end();
}

#[test]
fn a_browser_without_serial_ports_is_told_which_ones_have_them() {
    let mut chromium = Chromium::open(&[], "delete Navigator.prototype.serial;");
    chromium.load("#board");
    let notice = chromium.text("board-notice");
    assert!(notice.starts_with("This browser has no Web Serial") && notice.contains("Chrome, Edge, Opera"), "{notice}");
    assert_eq!(chromium.value("document.getElementById('connect').disabled"), true);
    chromium.end();
}
