//! How long an update takes, by the figures of the datasheets.

use crate::support::{Offer, committed_blob};
use firmware::deployment::SHARE_MS;
use protocol::{Acknowledgement, CHUNK_LEN, ChunkKind, FRAME_LEN, Message, Request, TransferState, chunks, encode};

/// A chip's times in microseconds, typical and most.
struct Chip {
    name: &'static str,
    page: u32,
    write: [u32; 2],
    sector: u32,
    erase: [u32; 2],
    /// Processor cycles of a microsecond.
    clock: u32,
    /// Microseconds of a frame, as README.md estimates them with the camera.
    frame: u32,
}

const CHIPS: [Chip; 2] = [
    // Winbond's W25Q...JV datasheets, AC electrical characteristics, as others quote them: page program tPP, sector erase tSE. embassy-rp 0.10
    // erases by sectors of 4 KB alone.
    Chip {
        name: "Pico 2",
        page: 256,
        write: [400, 3_000],
        sector: 4 << 10,
        erase: [45_000, 400_000],
        clock: 150,
        frame: 280_000,
    },
    // STM32H743 datasheet (DS12110 rev. 11, tables 43 and 140), with a parallelism of 32 bits.
    Chip {
        name: "STM32H743",
        page: 32,
        write: [130, 260],
        sector: 128 << 10,
        erase: [1_100_000, 2_200_000],
        clock: 400,
        frame: 67_000,
    },
];

/// Full-speed USB has a frame a millisecond with at most 19 bulk packets of 64 bytes; each turn of a request and an answer waits for
/// the next frame twice.
const USB_FRAME: u32 = 1_000;
const USB_FRAME_LEN: usize = 19 * 64;

/// Instructions of SHA-512 for a byte, and of a verified signature, as SECURITY.md has them; two cycles
/// each are ample.
const HASH_PER_BYTE: u32 = 98;
const VERIFY: u32 = 1_790_000;
/// Of the known answer, an inference of the committed model on a Cortex-M4; see the figures in README.md.
const INFERENCE: u32 = 16_200_000;

#[test]
fn the_committed_model_is_there_within_twenty_seconds() {
    let offer = Offer::new(&committed_blob());
    let mut buffer = [0; FRAME_LEN];
    let mut wire = |request: Option<&Request<'_>>, message: Option<&Message<'_>>| {
        let frame = match (request, message) {
            (Some(request), _) => encode(request, &mut buffer),
            (None, Some(message)) => encode(message, &mut buffer),
            (None, None) => return 0,
        };
        frame.expect("the buffer is long enough").len()
    };
    let (mut turns, mut sent, mut answered, mut line) = (0, 0, 0, 0);
    for chunk in chunks(offer.crc32, ChunkKind::Model, &offer.blob, 0) {
        let received = chunk.offset + chunk.bytes.len() as u32;
        let answer = Acknowledgement { id: chunk.id, received, state: TransferState::Incomplete };
        let request = wire(Some(&Request::Chunk(chunk)), None);
        turns += 1;
        sent += request;
        answered += wire(None, Some(&Message::Acknowledgement(answer)));
        line += (request.div_ceil(USB_FRAME_LEN) as u32 + 1 + 2) * USB_FRAME;
    }
    println!(
        "{} bytes: {turns} chunks, {sent} bytes to the board, {answered} back, {} ms on the line",
        offer.len,
        line / 1000
    );
    assert_eq!(turns, offer.len.div_ceil(CHUNK_LEN as u32));
    assert!((sent as u32) < offer.len + offer.len / 20 && answered < 20 * turns as usize);
    for chip in CHIPS {
        let Chip { name, page, write, sector, erase, clock, frame } = chip;
        let share = SHARE_MS as u32 * 1_000;
        let check = (offer.len * HASH_PER_BYTE + VERIFY + INFERENCE) / clock * 2;
        let [typical, most] = [0, 1].map(|index| {
            let flash = offer.len.div_ceil(page) * write[index] + offer.len.div_ceil(sector) * erase[index];
            // Behind each share of the transfer comes a frame.
            (line + flash) / 1000 + (line + flash) / share * (frame / 1000) + check / 1000
        });
        println!(
            "{name}, with frames in between: {typical} ms typically, {most} ms with the longest times of the datasheet, {} ms of them checks",
            check / 1000
        );
        assert!(typical < 20_000, "{name}");
    }
}
