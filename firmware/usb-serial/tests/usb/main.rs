//! The port with the whole pipeline behind it, and a host that does what hosts do.

mod model;

use std::cell::RefCell;
use std::rc::Rc;

use embassy_futures::join::join;
use embassy_futures::select::{Either, select};
use embedded_hal_async::delay::DelayNs;
use embedded_io_async::Write;
use firmware::boot::{Identity, boot};
use firmware::camera::test_pattern::TestPattern;
use firmware::camera::{ByteOrder, Frame, FrameFormat, FrameSource, Policy, Supervisor};
use firmware::fault::Fault;
use firmware::pipeline::{Method, Pipeline};
use firmware::report::{Command, Serial};
use firmware::watchdog::Watchdog;
use model::{Cable, Controller, Delay, Host, Kind, NoAnswer, Time};
use protocol::{
    Chunk, ChunkKind, Decoder, END, FRAME_LEN, Message, PictureMode, Received, Request, Start, Statistics, TimeUnit,
    encode,
};
use shared_model::Shape;
use shared_model::encode::encode as encode_model;
use shared_model::testing::{Plain, network};
use usb_serial::{Buffers, Confirmed, LIMIT_MS, UsbSerial};

const FORMAT: FrameFormat = FrameFormat { width: 32, height: 32, order: ByteOrder::BigEndian };
const FRAME_MS: u64 = 40;
const KINDS: [Kind; 2] = [Kind::Synopsys, Kind::Rp2350];

/// A camera that takes its time.
struct Camera<'t>(TestPattern, &'t Time);

impl FrameSource for Camera<'_> {
    const QUIET_MS: u32 = 0;

    fn format(&self) -> FrameFormat {
        self.0.format()
    }

    async fn initialize(&mut self) -> Result<(), Fault> {
        self.0.initialize().await
    }

    async fn capture(&mut self, frame: &mut Frame<'_>) -> Result<(), Fault> {
        Delay(self.1).delay_ms(FRAME_MS as u32).await;
        self.0.capture(frame).await
    }
}

/// When frames were completed, in milliseconds.
struct Feeds<'t>(&'t Time, Rc<RefCell<Vec<u64>>>);

impl Watchdog for Feeds<'_> {
    fn feed(&mut self) {
        self.1.borrow_mut().push(self.0.milliseconds());
    }
}

/// Board and host, until `script` ends: what it gives, and when frames were completed.
fn run<T>(kind: Kind, script: impl AsyncFnOnce(&'static Time, Rc<Cable>) -> T) -> (T, Vec<u64>) {
    let time: &Time = Box::leak(Box::default());
    let cable = Cable::new(time, kind);
    let line = cable.clone();
    let driver = Confirmed::new(Controller(cable.clone()), move || line.is_suspended());
    let usb: &UsbSerial = Box::leak(Box::new(UsbSerial::new()));
    let device = usb.serve(driver, "modelled", END, Box::leak(Box::new(Buffers::new())));

    let blob = encode_model(&network(5, Shape::new(32, 32, 3), &[Plain::Dense(10, false)])).expect("it is valid");
    let (mut slot, mut memory) = (None, vec![0; 8192]);
    let mut pipeline = Pipeline::new(
        Identity {
            board: "host",
            camera: "bars",
            clocks: &[],
            time_unit: TimeUnit::Microseconds,
            start: Start::POWER_ON,
        },
        boot(&blob, &mut slot, &mut memory).expect("the blob is good"),
        Supervisor::new(Camera(TestPattern::new(FORMAT), time), Delay(time), Policy::default()),
        Method::None,
        Serial::new(usb, Delay(time), LIMIT_MS, || usb.command()),
        || time.milliseconds() * 1_000,
    );
    let feeds = Rc::default();
    let mut watchdog = Feeds(time, Rc::clone(&feeds));
    let (mut one, mut other) = (vec![0; FORMAT.len()], vec![0; FORMAT.len()]);
    let board = join(device, pipeline.run(&mut one, &mut other, &mut watchdog));
    let output = time.run(async {
        match select(board, script(time, cable)).await {
            Either::First(_) => unreachable!("a board runs for ever"),
            Either::Second(output) => output,
        }
    });
    (output, feeds.take())
}

async fn ask(host: &Host, request: Request<'_>) {
    let mut buffer = [0; FRAME_LEN];
    host.write(encode(&request, &mut buffer).expect("a request is short")).await;
}

/// What a program finds that has just opened the port.
struct Heard {
    frames: Vec<u32>,
    chunks: usize,
    devices: usize,
    statistics: Statistics,
}

impl Heard {
    /// How often the next frame is not the next that was taken.
    fn gaps(&self) -> usize {
        self.frames.windows(2).filter(|pair| pair[1] != pair[0] + 1).count()
    }
}

/// Reads for so long.
async fn listen(host: &Host, time: &Time, milliseconds: u64) -> Heard {
    let mut decoder = Decoder::new();
    let mut heard = Heard { frames: Vec::new(), chunks: 0, devices: 0, statistics: decoder.statistics() };
    let end = time.milliseconds() + milliseconds;
    while let Some(left) = end.checked_sub(time.milliseconds()).filter(|left| *left > 0) {
        for byte in host.read(left as u32).await.unwrap_or_default() {
            match decoder.push::<Message<'_>>(byte) {
                Some(Received::Message(Message::Frame(frame))) => heard.frames.push(frame.counter),
                Some(Received::Message(Message::Chunk(_))) => heard.chunks += 1,
                Some(Received::Message(Message::DeviceInfo(_))) => heard.devices += 1,
                _ => {}
            }
        }
    }
    assert!(heard.frames.is_sorted());
    heard.statistics = decoder.statistics();
    heard
}

async fn wait(time: &Time, milliseconds: u32) {
    Delay(time).delay_ms(milliseconds).await;
}

/// The longest time between two frames, and how many came.
fn rate(feeds: &[u64]) -> (u64, usize) {
    let longest = feeds.windows(2).map(|pair| pair[1] - pair[0]).max();
    (longest.expect("there are frames"), feeds.len())
}

#[test]
fn nobody_who_reads_costs_no_time() {
    for kind in KINDS {
        let ((), alone) = run(kind, async |time, _| wait(time, 10_000).await);
        assert_eq!(rate(&alone), (FRAME_MS, 250));
        let ((), closed) = run(kind, async |time, cable| {
            let _host = Host::plug(&cable).await.expect("it answers");
            wait(time, 10_000).await;
        });
        assert_eq!(rate(&closed), rate(&alone));
    }
}

#[test]
fn a_host_that_does_not_read_costs_one_limit_until_it_reads_again() {
    for kind in KINDS {
        let (heard, feeds) = run(kind, async |time, cable| {
            wait(time, 1_000).await;
            let host = Host::plug(&cable).await.expect("it answers");
            host.open().await;
            ask(&host, Request::FullFrames(PictureMode::Every)).await;
            wait(time, 9_000).await;
            listen(&host, time, 1_000).await
        });
        // One message waited; all of them would leave about 30 frames.
        assert_eq!(rate(&feeds).0, FRAME_MS + u64::from(LIMIT_MS));
        assert!(feeds.len() >= 270, "{}", feeds.len());
        // What lay in the port for ten seconds, and then frame after frame, whole, with their pictures.
        assert_eq!((heard.statistics.corrupted, heard.gaps()), (1, 1), "{:?}", heard.frames);
        let late = heard.frames.iter().filter(|frame| **frame > 200).count();
        assert!(late >= 24 && heard.chunks >= late, "{late}, {}", heard.chunks);
    }
}

#[test]
fn messages_flow_whenever_a_host_is_there() {
    async fn session(host: &Host, time: &Time) {
        host.open().await;
        ask(host, Request::DeviceInfo).await;
        let heard = listen(host, time, 1_000).await;
        assert!(heard.frames.len() >= 24, "{:?}", heard.frames);
        // Of a host that sleeps: what lay in the port, the last of it cut off, is in front.
        assert!(heard.gaps() <= 1 && heard.statistics.corrupted <= 1, "{:?}, {:?}", heard.statistics, heard.frames);
        assert_eq!(heard.devices, 1);
    }
    for kind in KINDS {
        let ((), feeds) = run(kind, async |time, cable| {
            wait(time, 180_000).await;
            for _ in 0..3 {
                let host = Host::plug(&cable).await.expect("it answers");
                session(&host, time).await;
                host.suspend();
                wait(time, 5_000).await;
                host.resume();
                session(&host, time).await;
                host.unplug();
                wait(time, 60_000).await;
            }
        });
        assert_eq!(rate(&feeds).0, FRAME_MS + u64::from(LIMIT_MS), "{kind:?}");
    }
}

#[test]
fn whoever_opens_a_port_that_was_closed_in_the_middle_of_a_message_gets_whole_ones() {
    // Packets that the program before has read; for how long it then has not; how long the port is closed.
    let cases = (0..40).step_by(3).flat_map(|packets| [0, 50, 1_000].map(|held_ms| (packets, held_ms)));
    let cases = cases.flat_map(|(packets, held_ms)| [0, 7, 300].map(|closed_ms| (packets, held_ms, closed_ms)));
    for (kind, case) in cases.flat_map(|case| KINDS.map(|kind| (kind, case))) {
        let (packets, held_ms, closed_ms) = case;
        let (heard, _) = run(kind, async |time, cable| {
            let host = Host::plug(&cable).await.expect("it answers");
            host.open().await;
            ask(&host, Request::FullFrames(PictureMode::Every)).await;
            for _ in 0..packets {
                host.read(1_000).await.expect("packets come");
            }
            wait(time, held_ms).await;
            host.close().await;
            wait(time, closed_ms).await;
            host.open().await;
            listen(&host, time, 400).await
        });
        let context = format!("{kind:?}, {case:?}: {:?}, {:?}", heard.statistics, heard.frames);
        // The packet that the last program left in the controller comes first.
        assert!(heard.statistics.corrupted <= 1 && heard.gaps() <= 1 && heard.frames.len() >= 8, "{context}");
    }
}

#[test]
fn a_line_that_was_cut_off_ends_in_front_of_the_next() {
    let time: &Time = Box::leak(Box::default());
    let (cable, usb) = (Cable::new(time, Kind::Synopsys), UsbSerial::new());
    let device = usb.serve(Controller(cable.clone()), "modelled", b'\n', Box::leak(Box::new(Buffers::new())));
    let script = async {
        let host = Host::plug(&cable).await.expect("it answers");
        host.open().await;
        (&usb).write_all(&[b"x".repeat(100).as_slice(), b"\n"].concat()).await.expect("there is room");
        wait(time, 1).await;
        host.close().await;
        host.open().await;
        (&usb).write_all(b"next\n").await.expect("there is room");
        let mut text = Vec::new();
        while let Some(packet) = host.read(100).await {
            text.extend(packet);
        }
        text
    };
    let Either::Second(text) = time.run(select(device, script));
    assert_eq!(text, [b"x".repeat(63).as_slice(), b"\nnext\n"].concat());
}

#[test]
fn requests_about_models_wait_apart_from_commands() {
    let time: &Time = Box::leak(Box::default());
    let (cable, usb) = (Cable::new(time, Kind::Synopsys), UsbSerial::new());
    let device = usb.serve(Controller(cable.clone()), "modelled", END, Box::leak(Box::new(Buffers::new())));
    let chunk = Chunk { id: 1, kind: ChunkKind::Model, total: 1024, offset: 0, bytes: &[7; 1024] };
    let script = async {
        let host = Host::plug(&cable).await.expect("it answers");
        host.open().await;
        ask(&host, Request::Chunk(chunk)).await;
        ask(&host, Request::DeviceInfo).await;
        wait(time, 10).await;
    };
    time.run(select(device, script));
    let waiting = usb.update_request().expect("the chunk has come");
    assert_eq!((waiting.request(), usb.update_request()), (Request::Chunk(chunk), None));
    assert_eq!((usb.command(), usb.command()), (Some(Command::DeviceInfo), None));
}

#[test]
fn a_suspend_that_is_over_is_not_believed() {
    let plug = async |_: &Time, cable| Host::plug_while_the_device_is_busy(&cable).await.map(|_| ());
    assert_eq!(run(Kind::Synopsys, plug).0, Ok(()));
    // Why `Confirmed` is there: without it the device sleeps on.
    let time: &Time = Box::leak(Box::default());
    let (cable, usb) = (Cable::new(time, Kind::Synopsys), UsbSerial::new());
    let device = usb.serve(Controller(cable.clone()), "modelled", END, Box::leak(Box::new(Buffers::new())));
    let outcome = time.run(select(device, Host::plug_while_the_device_is_busy(&cable)));
    assert!(matches!(outcome, Either::Second(Err(NoAnswer))));
}
