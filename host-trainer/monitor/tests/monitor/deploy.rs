//! `deploy` and `keygen`, against a board's own code over TCP, whose flash is modelled.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use embassy_futures::block_on;
use embedded_storage::nor_flash::{ErrorType, NorFlash, ReadNorFlash};
use firmware::boot::boot;
use firmware::camera::{ByteOrder, FrameFormat};
use firmware::deployment::{Change, Deployment, Mapped};
use firmware::report::Report;
use firmware::settings::{Scope, Settings};
use flash_models::{FlashError, NorFlashModel};
use model_store::Layout;
use model_store::pem::Key;
use protocol::{Decoder, DeviceInfo, FRAME_LEN, Message, Received, Request, TimeUnit, UpdateRequest, encode};
use shared_model::encode::encode as encode_network;
use shared_model::testing::{Plain, network};
use shared_model::{AlignedBytes, Model, Shape};

use super::board::{Board, listen};
use board_client::fixtures::{device_info, frame};

/// Bytes of a place for a model.
const SLOT: u32 = 16 << 10;
const CAPACITY: usize = 2 * SLOT as usize + 2048;
type Chip = NorFlashModel<Vec<u8>, 32, 1024>;

/// A chip whose content is copied for whoever reads in place.
struct Flash(Chip);

impl ErrorType for Flash {
    type Error = FlashError;
}

impl ReadNorFlash for Flash {
    const READ_SIZE: usize = 1;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), FlashError> {
        self.0.read(offset, bytes)
    }

    fn capacity(&self) -> usize {
        CAPACITY
    }
}

impl NorFlash for Flash {
    const WRITE_SIZE: usize = 32;
    const ERASE_SIZE: usize = 1024;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), FlashError> {
        self.0.erase(from, to)
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), FlashError> {
        self.0.write(offset, bytes)
    }
}

impl Mapped for Flash {
    fn mapped(&self, range: Range<u32>) -> &'static [u8] {
        Box::leak(Box::new(AlignedBytes::from(&self.0.bytes()[range.start as usize..range.end as usize])))
    }
}

/// What a board is like.
#[derive(Clone, Copy)]
pub struct Kind {
    memory: usize,
    key: Option<[u8; 32]>,
    /// A connection is cut after so many bytes from the computer, if it is one of the first ones.
    cuts: &'static [usize],
}

pub const PLAIN: Kind = Kind { memory: 64 << 10, key: None, cuts: &[] };

/// A connection, which fails when it is cut.
struct Port(TcpStream);

impl Report for Port {
    async fn report(&mut self, message: &Message<'_>) {
        let mut buffer = [0; FRAME_LEN];
        let _ = self.0.write_all(encode(message, &mut buffer).expect("it is long enough"));
    }
}

/// A board that listens until it is dropped.
pub struct Running {
    pub port: String,
    is_over: Arc<AtomicBool>,
    connections: Arc<AtomicU32>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(thread::panicking() || matches!(ended, Some(Ok(()))), "the board has panicked");
    }
}

pub fn start(kind: Kind, old: &[u8]) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = format!("tcp:{}", listener.local_addr().unwrap());
    let (is_over, connections) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    let ends = (is_over.clone(), connections.clone());
    let old = old.to_vec();
    let thread = thread::spawn(move || live(kind, &old, &listener, &ends.0, &ends.1));
    Running { port, is_over, connections, thread: Some(thread) }
}

/// A board's `main`: see `firmware::deployment`.
fn live(kind: Kind, old: &[u8], listener: &TcpListener, is_over: &AtomicBool, connections: &AtomicU32) {
    let mut chip = Chip::new(vec![0; Chip::memory_len(CAPACITY)], CAPACITY, true);
    let mut content = old.to_vec();
    content.resize(old.len().next_multiple_of(32), 0xFF);
    chip.write(0, &content).unwrap();
    let slots = [0..SLOT, SLOT..2 * SLOT];
    let layout = Layout::new::<Flash>(slots, 2 * SLOT..CAPACITY as u32, 32, 1024);
    let scope = Scope {
        defaults: Settings::DEFAULT,
        format: FrameFormat { width: 160, height: 120, order: ByteOrder::BigEndian },
        has_views: false,
        longest_interval_ms: 4000,
        has_output: true,
    };
    let mut deployment = Deployment::open(Flash(chip), layout, kind.memory, kind.key, TimeUnit::Microseconds, scope);
    let (mut model, mut memory) = (None, vec![0; kind.memory]);
    let mut connection: Option<(Port, Decoder, usize)> = None;
    let start = Instant::now();
    while !is_over.load(Ordering::Relaxed) {
        let crc32 = match boot(deployment.start(), &mut model, &mut memory) {
            Ok(booted) => booted.model.crc32(),
            Err(error) => {
                assert!(deployment.reject(error), "neither model can be loaded");
                continue;
            }
        };
        deployment.wait();
        let (mut counter, mut told) = (0, Instant::now());
        let change = loop {
            if is_over.load(Ordering::Relaxed) {
                return;
            }
            let Some((port, decoder, received)) = &mut connection else {
                if let Ok((stream, _)) = listener.accept() {
                    connections.fetch_add(1, Ordering::Relaxed);
                    stream.set_nonblocking(false).unwrap();
                    stream.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
                    connection = Some((Port(stream), Decoder::new(), 0));
                }
                thread::sleep(Duration::from_millis(1));
                continue;
            };
            // A frame every now and then.
            if told.elapsed() > Duration::from_millis(20) {
                deployment.risk();
                block_on(port.report(&Message::Frame(frame(counter))));
                deployment.confirm();
                (counter, told) = (counter + 1, Instant::now());
            }
            let mut bytes = [0; 4096];
            let Ok(len) = port.0.read(&mut bytes) else { continue };
            let number = connections.load(Ordering::Relaxed) as usize;
            let cut = kind.cuts.get(number - 1).copied().unwrap_or(usize::MAX);
            if len == 0 || *received + len > cut {
                connection = None;
                continue;
            }
            *received += len;
            let mut change = None;
            for byte in &bytes[..len] {
                match decoder.push::<Request<'_>>(*byte) {
                    Some(Received::Message(Request::DeviceInfo)) => {
                        let info = DeviceInfo { crc32, model: "new", ..device_info() };
                        block_on(port.report(&Message::DeviceInfo(info)));
                    }
                    Some(Received::Message(request)) => {
                        let mut requests = UpdateRequest::new(&request).into_iter();
                        let clock = || start.elapsed().as_micros() as u64;
                        change = change.or(block_on(deployment.serve(port, || requests.next(), clock)));
                    }
                    Some(Received::UnknownKind(_) | Received::OtherVersion(_)) | None => {}
                }
            }
            if let Some(change) = change {
                break change;
            }
        };
        if let (Change::Install, Some((port, ..))) = (change, &mut connection) {
            block_on(deployment.install(&mut model, &mut memory, port));
        }
    }
}

/// What the program prints on standard output and on standard error, and its exit code.
pub fn monitor(arguments: &[&str]) -> (String, String, Option<i32>) {
    let output = Command::new(env!("CARGO_BIN_EXE_monitor")).args(arguments).output().unwrap();
    let [text, errors] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    (text, errors, output.status.code())
}

/// A blob with a dense layer for pictures of that many pixels a side.
pub fn blob(seed: u64, side: u16) -> Vec<u8> {
    encode_network(&network(seed, Shape::new(side, side, 3), &[Plain::Dense(2, false)])).unwrap().to_vec()
}

fn crc32(blob: &[u8]) -> String {
    format!("{:08x}", Model::load(&AlignedBytes::from(blob)).unwrap().crc32())
}

fn file(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn a_model_is_sent_and_runs_and_the_board_goes_back_on_request() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (blob(1, 8), blob(2, 24));
    let board = start(PLAIN, &old);
    let port = board.port.as_str();
    let path = file(folder.path(), "new.blob", &new);
    let model = path.to_str().unwrap();

    let (text, errors, code) = monitor(&["deploy", port, "--list"]);
    assert_eq!(code, Some(0), "{text}{errors}");
    let expected = format!(
        "place A: CRC-32 {}, {} bytes, good; runs\nplace B: empty\ntakes models of blob format 2, up to 16,384 bytes, that need up to 65,536 bytes of \
         working memory; unsigned models accepted\n",
        crc32(&old),
        old.len()
    );
    assert_eq!(text, expected);
    let (_, errors, code) = monitor(&["deploy", port, "--rollback"]);
    assert_eq!((code, errors.contains("there is no other model on this board")), (Some(1), true), "{errors}");

    let (text, errors, code) = monitor(&["deploy", port, model]);
    assert_eq!(code, Some(0), "{text}{errors}");
    assert!(errors.contains(": 100 %, "), "{errors}");
    let last = format!("new (CRC-32 {}) runs: a frame is classified in 267.2 ms\n", crc32(&new));
    assert!(text.ends_with(&last) && text.contains(" 0 of them without an answer; "), "{text}");
    let (text, _, code) = monitor(&["deploy", port, model]);
    assert_eq!((code, text), (Some(0), format!("the board has this model already\n{last}")));

    let (text, errors, code) = monitor(&["deploy", port, "--rollback"]);
    assert_eq!(code, Some(0), "{text}{errors}");
    assert_eq!(text, format!("new (CRC-32 {}) runs: a frame is classified in 267.2 ms\n", crc32(&old)));
}

#[test]
fn a_cable_that_is_pulled_again_and_again_costs_no_more_than_time() {
    const CUTS: Kind = Kind { cuts: &[500, 1_200, 2_500, 1_100, 2_000], ..PLAIN };
    let folder = tempfile::tempdir().unwrap();
    let new = blob(2, 40);
    let board = start(CUTS, &blob(1, 8));
    let path = file(folder.path(), "new.blob", &new);
    let (text, errors, code) = monitor(&["deploy", &board.port, path.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{text}{errors}");
    assert!(text.contains(&format!("(CRC-32 {}) runs", crc32(&new))), "{text}");
    assert_eq!(board.connections.load(Ordering::Relaxed), 6, "{text}");
}

#[test]
fn what_a_board_cannot_take_is_said_with_the_remedy_before_a_byte_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    let name = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let old = blob(1, 8);
    let cases: [(Kind, Vec<u8>, &str); 4] = [
        (PLAIN, blob(2, 64), "bytes, but the board has a place of 16,384: take a smaller network"),
        (
            Kind { memory: 1_000, ..PLAIN },
            blob(2, 24),
            "of working memory, but the board gives it 1,000: take a smaller picture",
        ),
        (Kind { key: Some([1; 32]), ..PLAIN }, blob(2, 8), "signed models only: `monitor deploy --key FILE` signs"),
        (PLAIN, vec![0; 100], "this is no model: "),
    ];
    for (kind, new, expected) in cases {
        let board = start(kind, &old);
        let path = file(folder.path(), "new.blob", &new);
        let (text, errors, code) = monitor(&["deploy", &board.port, path.to_str().unwrap()]);
        assert_eq!((code, errors.contains(expected)), (Some(1), true), "{expected}: {text}{errors}");
    }
    let (_, errors, code) = monitor(&["deploy", "tcp:127.0.0.1:1", &name("none.blob")]);
    assert_eq!((code, errors.contains("none.blob: No such file")), (Some(1), true), "{errors}");
    let (_, errors, code) = monitor(&["deploy", "tcp:127.0.0.1:1"]);
    assert_eq!((code, errors.contains("MODEL.blob")), (Some(2), true), "{errors}");
    let (_, errors, code) = monitor(&[]);
    assert_eq!((code, errors.contains("<PORT>")), (Some(2), true), "{errors}");
}

/// Firmware from before updates.
fn old(mut board: Board<impl Read + Write>) {
    board.raw(&super::board::wire(&Message::Unsupported { request: 6 }));
    board.await_leave();
}

#[test]
fn firmware_that_takes_no_models_is_named() {
    let (port, board) = listen([old]);
    let (_, errors, code) = monitor(&["deploy", &port, "--list"]);
    board.join().unwrap();
    assert_eq!((code, errors.contains("flash the newest firmware")), (Some(1), true), "{errors}");
}

#[test]
fn a_board_with_a_key_takes_what_is_signed_with_it_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let name = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    for key in ["own", "other"] {
        let (text, errors, code) = monitor(&["keygen", &name(key)]);
        assert_eq!(code, Some(0), "{text}{errors}");
        assert!(text.contains(&format!("MODEL_KEY={}.pub", name(key))), "{text}");
    }
    let (_, errors, code) = monitor(&["keygen", &name("own")]);
    assert_eq!((code, errors.contains("it is not overwritten")), (Some(1), true), "{errors}");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(name("own")).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let public = Key::Public.from_pem(&fs::read_to_string(name("own.pub")).unwrap());
    assert!(public.is_some());
    let board = start(Kind { key: public, ..PLAIN }, &blob(1, 8));
    let path = file(folder.path(), "new.blob", &blob(2, 24));
    let deploy = |key: &str| monitor(&["deploy", &board.port, path.to_str().unwrap(), "--key", &name(key)]);
    let (_, errors, code) = deploy("other");
    let says = "the board refuses the model, and goes on with the one before: the signature is not by this board's key";
    assert_eq!((code, errors.contains(says)), (Some(1), true), "{errors}");
    let (_, errors, code) = deploy("own.pub");
    assert_eq!((code, errors.contains("this is no secret key")), (Some(1), true), "{errors}");
    let (text, errors, code) = deploy("own");
    assert_eq!(code, Some(0), "{text}{errors}");
    let (text, ..) = monitor(&["deploy", &board.port, "--list"]);
    assert!(text.contains("signed ones only"), "{text}");
}
