//! Messages that tests share, those of this crate and those of the programs.

use std::sync::LazyLock;
use std::time::Duration;

use protocol::{
    Candidate, ChunkKind, DeviceInfo, Encoding, FaultClass, FaultCounters, FaultReport, FrameReport, FullFrame, Label,
    Message, Recovery, Shape, StageTimes, TimeUnit, VERSION, Verdict, chunks,
};

use crate::line::Event;
use crate::state::State;

const SHAPE: Shape = Shape { height: 32, width: 32, channels: 3 };
const LABELS: [&str; 4] = ["cat", "deer", "automobile", "a\u{1b}[2J"];

pub fn device_info() -> DeviceInfo<'static> {
    DeviceInfo {
        protocol_version: VERSION,
        board: "stm32h743",
        camera: "OV2640",
        model: "vgg3-full",
        crc32: 0x0012_cdef,
        blob_len: 562_896,
        arena_len: 20_210,
        plan: "streaming",
        input: SHAPE,
        labels: LABELS.len() as u8,
        logit_fraction_bits: 8,
        time_unit: TimeUnit::Microseconds,
    }
}

/// What a board says first: its device information, and the labels but for `missing` ones at the end.
pub fn introduction(missing: usize) -> Vec<Message<'static>> {
    let labels = (0..).zip(LABELS).take(LABELS.len() - missing);
    let labels = labels.map(|(index, text)| Message::Label(Label { index, text }));
    std::iter::once(Message::DeviceInfo(device_info())).chain(labels).collect()
}

pub fn frame(counter: u32) -> FrameReport {
    let top = [(1, 0xc000), (2, 0x3000), (0, 0x0fff)];
    FrameReport {
        counter,
        verdict: Verdict::Class { class: 1, probability: 0xe000 },
        top: top.into_iter().map(|(class, probability)| Candidate { class, probability }).collect(),
        logits: [3, 900, 400, -50].into_iter().collect(),
        times: StageTimes { capture: 33_400, preprocess: 812, classify: 267_200, report: 1_900 },
        faults: FaultCounters::new(),
    }
}

pub fn fault(counter: u32) -> Message<'static> {
    let mut faults = FaultCounters::new();
    faults.count(FaultClass::Picture);
    faults.count(FaultClass::Timeout);
    Message::Fault(FaultReport {
        counter,
        class: FaultClass::Timeout,
        code: 13,
        text: FaultReport::text_of("the camera's picture memory does not fill"),
        recovery: Recovery::Initialize { after_ms: 100 },
        faults,
    })
}

/// A picture whose every pixel tells where it is.
pub fn image() -> Vec<u8> {
    let mut image = vec![0; SHAPE.byte_len()];
    for (index, pixel) in image.chunks_exact_mut(3).enumerate() {
        pixel.copy_from_slice(&[(index % 32) as u8 * 8, (index / 32) as u8 * 8, 77]);
    }
    image
}

/// The messages that a picture takes.
pub fn picture(counter: u32, image: &[u8]) -> Vec<Message<'_>> {
    chunks(counter, ChunkKind::Picture, image, 0).map(Message::Chunk).collect()
}

/// Width and height of the camera's full frames: more than one chunk.
const FULL_SIZE: (u16, u16) = (40, 30);

/// The messages that a full frame takes, every pixel of which tells where it is, as RGB565.
pub fn full_frame(counter: u32) -> Vec<Message<'static>> {
    static BYTES: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let (width, height) = FULL_SIZE;
        let places = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
        places.flat_map(|(x, y)| ((x & 31) << 11 | y << 5 | 9).to_be_bytes()).collect()
    });
    let (width, height) = FULL_SIZE;
    let frame = FullFrame { counter, height, width, encoding: Encoding::Rgb565BigEndian };
    let chunks = chunks(counter, ChunkKind::FullFrame, &BYTES, 0).map(Message::Chunk);
    std::iter::once(Message::FullFrame(frame)).chain(chunks).collect()
}

/// The same as a picture: size, and three bytes a pixel.
pub fn full_frame_pixels() -> ((u32, u32), Vec<u8>) {
    let (width, height) = FULL_SIZE;
    let places = (0..height).flat_map(|y| (0..width).map(move |x| (x & 31, y)));
    let pixels =
        places.flat_map(|(x, y)| [x << 3 | x >> 2, y << 2 | y >> 4, 9 << 3 | 9 >> 2].map(|channel| channel as u8));
    ((width.into(), height.into()), pixels.collect())
}

/// All of `messages` change `state` at `now`.
pub fn apply(state: &mut State, messages: &[Message<'_>], now: Duration) {
    for message in messages {
        state.apply(&Event::Message(message), now);
    }
}
