//! Messages that the tests share.

use firmware::camera::Remedy;
use firmware::fault::{Fault, FaultCounters, FaultKind};
use firmware::pipeline::Verdict;
use firmware::protocol::{
    Banner, Candidate, FaultReport, FrameReport, Message, Picture, StageTimes, TimeUnit,
};
use shared_model::{IMAGE_LEN, Image};

pub fn banner() -> Message<'static> {
    let labels = ["cat", "deer", "automobile", "a\u{1b}[2J"];
    Message::Banner(Banner {
        board: "stm32h743",
        camera: "OV2640",
        model: "vgg3-full",
        crc32: 0x0012_cdef,
        blob_len: 562_896,
        arena_len: 20_210,
        plan: "streaming",
        labels: labels.into_iter().collect(),
        logit_fraction_bits: 8,
        time_unit: TimeUnit::Microseconds,
    })
}

pub fn frame(counter: u32) -> FrameReport {
    let top = [(1, 0xc000), (2, 0x3000), (0, 0x0fff)];
    FrameReport {
        counter,
        verdict: Verdict::Class {
            class: 1,
            probability: 0xe000,
        },
        top: top
            .into_iter()
            .map(|(class, probability)| Candidate { class, probability })
            .collect(),
        logits: [3, 900, 400, -50].into_iter().collect(),
        times: StageTimes {
            capture: 33_400,
            preprocess: 812,
            classify: 267_200,
            report: 1_900,
        },
        faults: FaultCounters::new(),
    }
}

pub fn fault(counter: u32) -> Message<'static> {
    let mut faults = FaultCounters::new();
    faults.count(FaultKind::Blank);
    faults.count(FaultKind::StuckFifo);
    Message::Fault(FaultReport {
        counter,
        fault: Fault::StuckFifo,
        remedy: Remedy::Initialize { after_ms: 100 },
        faults,
    })
}

/// Every pixel tells where it is.
pub fn image() -> Image {
    let mut image = [0; IMAGE_LEN];
    for (index, pixel) in image.chunks_exact_mut(3).enumerate() {
        pixel.copy_from_slice(&[(index % 32) as u8 * 8, (index / 32) as u8 * 8, 77]);
    }
    image
}

pub fn picture(counter: u32, rgb: &[u8]) -> Message<'_> {
    Message::Picture(Picture { counter, rgb })
}
