//! Another model for the board while it classifies, as machine code: sent whole by the monitor, and cut off at writes of the flash.

use super::*;
use std::collections::BTreeMap;
use std::io::Read;
use std::net::TcpStream;
use std::sync::Mutex;

use flash_models::{Cut, NorFlashModel};
use protocol::{Announcement, Decoder, FRAME_LEN, ModelSender, Received, SendProgress, encode as to_wire};
use sha2::{Digest, Sha512};
use shared_model::FORMAT_VERSION;

const CAMERA: Camera = Camera::Arducam96;

/// As the board has it, see `flash.rs` there.
const WORD: usize = 32;
/// Words of a copy of the record.
pub const COPY: u32 = 8;
type Chip = NorFlashModel<Vec<u8>, WORD, { 128 << 10 }>;
const CAPACITY: usize = 1536 << 10;

/// The monitor sends the committed model to a board with another one, and the board runs it; frames go on meanwhile.
#[test]
fn the_monitor_sends_a_model_while_frames_are_classified() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (small, file) = (root().join(SMALL_MODEL), root().join(BUILT_IN));
    let arguments = ["--blob".as_ref(), small.as_os_str()];
    let (_emulator, port) = start(Machine::M4, CAMERA, folder.path(), &frames(CAMERA), 0, arguments);
    let board = format!("tcp:127.0.0.1:{port}");
    let text = monitor_with(&["deploy", &board, &file.to_string_lossy()]);
    let crc32 = crc32(&fs::read(&file).expect("the committed model"));
    assert!(text.contains(&format!("vgg3-full (CRC-32 {crc32:08x}) runs: a frame is classified in ")), "{text}");
    // A request a kilobyte, and the announcement.
    assert!(text.starts_with("562,944 bytes in ") && text.contains(" s, 551 requests, 0 of them without"), "{text}");
    let (_, rest) = text.split_once("an answer; ").expect("the frames");
    let classified: u32 = rest.split_once(' ').and_then(|(count, _)| count.parse().ok()).expect("a number of frames");
    // How many depends on how much of the host the emulator gets.
    assert!(classified > 5, "{text}");
    let text = monitor_with(&["deploy", &board, "--list"]);
    assert!(text.contains(&format!("place B: CRC-32 {crc32:08x}, 562,944 bytes, good; runs")), "{text}");
    let text = monitor_with(&["deploy", &board, "--rollback"]);
    assert!(text.starts_with("w8-b3-average (CRC-32 "), "{text}");
}

pub fn monitor_with(arguments: &[&str]) -> String {
    let output = Command::new("cargo")
        .args(["run", "--quiet", "--package", "monitor", "--"])
        .args(arguments)
        .current_dir(root())
        .output()
        .expect("cargo can be started");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    text
}

pub fn crc32(blob: &[u8]) -> u32 {
    u32::from_le_bytes(blob[16..20].try_into().expect("four bytes"))
}

/// A blob of a kilobyte or so.
pub fn small(seed: u64) -> Vec<u8> {
    encode(&network(seed, Shape::new(8, 8, 3), &[Plain::Dense(2, false)])).expect("the network is valid").to_vec()
}

/// A folder with frames, and the flash of a board with the model `old`.
pub struct Desk {
    folder: tempfile::TempDir,
    elf: PathBuf,
    new: Vec<u8>,
}

impl Desk {
    pub fn new(elf: &Path, old: &[u8], new: &[u8]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut shown = frames(CAMERA);
        shown.truncate(SHOWN);
        fs::write(folder.path().join("frames.rgb565"), shown.concat()).expect("a temporary file");
        let mut chip = Chip::new(vec![0; Chip::memory_len(CAPACITY)], CAPACITY, true);
        let mut content = old.to_vec();
        content.resize(old.len().next_multiple_of(WORD), 0xFF);
        embedded_storage::nor_flash::NorFlash::write(&mut chip, 0, &content).expect("it is erased");
        let desk = Self { folder, elf: elf.to_owned(), new: new.to_vec() };
        fs::write(desk.flash(), chip.memory()).expect("a temporary file");
        desk
    }

    fn flash(&self) -> PathBuf {
        self.folder.path().join("board.flash")
    }

    fn job<'a>(&'a self, paths: &'a [PathBuf; 2], attempts: u32, cut: Option<&'a str>) -> CameraJob<'a> {
        let board = Board { elf: &self.elf, machine: Machine::M4, blob: None };
        let [frames, flash] = paths;
        CameraJob { board, camera: CAMERA, frames, attempts, faults: None, flash: Some(flash), cut }
    }

    fn paths(&self) -> [PathBuf; 2] {
        [self.folder.path().join("frames.rgb565"), self.flash()]
    }

    /// Sends the new model to a board whose power is cut somewhere, until it is, or until the board has classified with that model.
    fn deploy(&self, cut: &str) {
        self.talk(200, Some(cut), |port| send(port, &self.new));
    }

    /// Talks to a board at a port, which ends after so many frames or when its power is cut.
    pub fn talk<T>(&self, attempts: u32, cut: Option<&str>, with: impl FnOnce(u16) -> T) -> T {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("it has an address").port();
        drop(listener);
        let paths = self.paths();
        thread::scope(|scope| {
            let emulator = scope.spawn(|| {
                let job = self.job(&paths, attempts, cut);
                camera::serve(&job, port).map_err(|error| error.to_string())
            });
            let said = with(port);
            emulator.join().expect("it does not panic").unwrap_or_else(|error| panic!("{cut:?}: {error}"));
            said
        })
    }

    /// Boots, and gives the CRC-32 of what runs, and what the board says of its models.
    fn boot(&self) -> (u32, String) {
        let paths = self.paths();
        let mut note = String::new();
        let report = camera::run(&self.job(&paths, 2, None), false, |message| {
            if let Message::Models(models) = message {
                note = models.note.to_owned();
            }
        });
        let report = report.unwrap_or_else(|error| panic!("the board does not boot: {error}"));
        assert!(report.frames.len() >= 2, "it does not classify");
        (report.device.crc32, note)
    }

    /// A boot whose power is cut after so many operations of the flash.
    fn boot_cut(&self, cut: &str) {
        let paths = self.paths();
        let result = camera::run(&self.job(&paths, 2, Some(cut)), false, |_| {});
        // It ends without its totals.
        assert!(result.is_err(), "{cut}: the power was not cut");
    }
}

/// Connects to the board at a port, which may not be there yet.
pub fn connect(port: u16) -> TcpStream {
    let start = Instant::now();
    let stream = loop {
        match TcpStream::connect(("127.0.0.1", port)) {
            Ok(stream) => break stream,
            Err(error) => assert!(start.elapsed() < PATIENCE, "{error}"),
        }
        thread::sleep(Duration::from_millis(10));
    };
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a time limit");
    stream
}

/// Sends a model to the board at a port, until it has answered with a frame of the new one, or is gone.
fn send(port: u16, blob: &[u8]) {
    let mut stream = connect(port);
    let digest = Sha512::digest(blob);
    let (crc32, len) = (crc32(blob), blob.len() as u32);
    let announcement =
        Announcement { crc32, len, format_version: FORMAT_VERSION, memory: 1 << 14, digest: &digest, signature: &[] };
    let mut sender = ModelSender::new(announcement, blob);
    let mut buffer = [0; FRAME_LEN];
    let mut request = |stream: &mut TcpStream, sender: &ModelSender<'_>| {
        let frame = to_wire(&sender.next_request(), &mut buffer).expect("it is long enough");
        stream.write_all(frame).is_ok()
    };
    let (mut decoder, mut bytes) = (Decoder::new(), [0; 4096]);
    let (mut is_installed, mut is_new) = (false, false);
    if !request(&mut stream, &sender) {
        return;
    }
    while let Ok(len @ 1..) = stream.read(&mut bytes) {
        for byte in &bytes[..len] {
            match decoder.push::<Message<'_>>(*byte) {
                Some(Received::Message(Message::Acknowledgement(answer))) => match sender.take(&answer) {
                    SendProgress::Received(_) => {
                        request(&mut stream, &sender);
                    }
                    SendProgress::Installed => is_installed = true,
                    SendProgress::Refused { reason } => panic!("{reason}"),
                    SendProgress::Unrelated => panic!("an answer to something else"),
                },
                Some(Received::Message(Message::DeviceInfo(info))) => is_new = info.crc32 == crc32,
                Some(Received::Message(Message::Frame(frame))) if is_installed && is_new && frame.counter > 0 => return,
                Some(_) | None => {}
            }
        }
    }
}

/// What the first update of a board writes before the record: an erase and the model's words. There is then an erase for the record, and copies
/// of it that say that the model is there, its first start, that it is loaded, that it classifies, that it is good.
fn operations(blob: &[u8]) -> u32 {
    1 + blob.len().div_ceil(WORD) as u32
}

/// With `ALL_CUTS` set at every operation, else at a sample of the model's words and at the ends of the record's copies.
#[test]
fn wherever_the_power_is_cut_the_old_or_the_new_model_runs() {
    let (old, new) = (small(1), small(2));
    let model = operations(&new);
    let count = model + 1 + 5 * COPY;
    let is_wanted = |operation: u32| {
        // Of the copies, the first and the last word of each.
        let is_end = operation > model && (operation - model) % COPY < 2;
        let is_sampled = operation < 2 || operation == model || is_end || operation.is_multiple_of(16);
        std::env::var_os("ALL_CUTS").is_some() || is_sampled
    };
    let cases: Vec<(u32, Cut)> =
        (0..count).filter(|operation| is_wanted(*operation)).flat_map(|at| Cut::ALL.map(|cut| (at, cut))).collect();
    let elf = build(Machine::M4);
    let next = AtomicUsize::new(0);
    let counts = Mutex::new(BTreeMap::new());
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(&(operation, cut)) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let desk = Desk::new(&elf, &old, &new);
                    let cut = format!("{operation}-{cut:?}");
                    desk.deploy(&cut);
                    let (runs, _) = desk.boot();
                    let which = if runs == crc32(&new) { "new" } else { "old" };
                    assert!(which == "new" || runs == crc32(&old), "{cut}: {runs:08x} runs");
                    *counts.lock().expect("no panic").entry(which).or_insert(0u32) += 1;
                }
            });
        }
    });
    let counts = counts.into_inner().expect("no panic");
    println!("{count} writes and erases; cut at {} of them in four ways: {counts:?}", cases.len() / 4);
    // The model counts with the record that names it: what comes then is new.
    assert!(counts["old"] >= 17 && counts["new"] >= 17, "{counts:?}");
}

#[test]
fn three_starts_that_end_while_a_model_is_loaded_lead_back_to_the_one_before() {
    let (old, new) = (small(1), small(2));
    let desk = Desk::new(&build(Machine::M4), &old, &new);
    // The record names the new model, and the power is gone.
    desk.deploy(&format!("{}-After", operations(&new) + COPY));
    for _ in 0..3 {
        // The first copy of a start counts it.
        desk.boot_cut(&format!("{}-After", COPY - 1));
    }
    let (runs, note) = desk.boot();
    assert_eq!(runs, crc32(&old));
    assert!(note.contains("ended 3 starts in a row"), "{note}");
    assert_eq!(desk.boot(), (crc32(&old), String::new()));
}
