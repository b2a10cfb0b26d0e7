//! A line that loses and changes bytes, and a cable that is pulled.

use crate::support::{Answer, Offer, SmallH743, committed_blob, pico2, renamed_blob, small_blob, small_h743};
use model_store::{Slot, Updater};
use protocol::{
    Acknowledgement, CHUNK_LEN, Decoder, END, FRAME_LEN, Message, ModelSender, Received, Request, SendProgress, encode,
};
use shared_model::testing::Numbers;

/// A wire on which of 100 bytes one is lost or changed.
struct BadLine(Numbers);

impl BadLine {
    fn pass(&mut self, wire: &[u8]) -> Vec<u8> {
        let mut passed = Vec::new();
        for byte in wire {
            match self.0.below(200) {
                0 => {}
                1 => passed.push(byte ^ (1 + self.0.below(255) as u8)),
                _good => passed.push(*byte),
            }
        }
        passed
    }
}

fn frame(message: &(impl serde::Serialize + protocol::Kinds)) -> Vec<u8> {
    let mut buffer = [0; FRAME_LEN];
    encode(message, &mut buffer).expect("the buffer is long enough").to_vec()
}

/// Sends a model over a bad line, and counts requests and answers that were lost.
fn deploy(board: &mut SmallH743, offer: &Offer, seed: u64) -> u32 {
    let mut line = BadLine(Numbers(seed));
    let (mut at_board, mut at_computer) = (Decoder::new(), Decoder::new());
    let mut updater = Updater::new();
    let mut sender = ModelSender::new(offer.announcement(), &offer.blob);
    let mut lost = 0;
    loop {
        // After what may have been cut off, another end.
        let wire = line.pass(&[&[END], frame(&sender.next_request()).as_slice()].concat());
        let mut answers = Vec::new();
        for byte in wire {
            if let Some(Received::Message(request)) = at_board.push::<Request<'_>>(byte) {
                let answer: Answer = board.answer(&mut updater, &request);
                answers.extend([END]);
                answers.extend(frame(&Message::Acknowledgement(answer.acknowledgement())));
            }
        }
        let mut is_answered = false;
        for byte in line.pass(&answers) {
            if let Some(Received::Message(Message::Acknowledgement(answer))) = at_computer.push::<Message<'_>>(byte) {
                is_answered = true;
                match sender.take(&answer) {
                    SendProgress::Received(_) => {}
                    SendProgress::Installed => return lost,
                    SendProgress::Refused { reason } => panic!("{reason}"),
                    SendProgress::Unrelated => panic!("an answer to another transfer"),
                }
            }
        }
        if !is_answered {
            sender.time_out();
            lost += 1;
        }
        assert!(lost < 10_000, "it does not end");
    }
}

#[test]
fn a_line_that_loses_or_changes_one_byte_of_a_hundred_delivers_the_same_model() {
    let offer = Offer::new(&small_blob(2));
    let mut lost = 0;
    for seed in 0..100 {
        let mut board = small_h743(&small_blob(1)).with_key();
        lost += deploy(&mut board, &offer, seed);
        assert_eq!(board.run(), Slot::B);
        assert!(board.holds(Slot::B, &offer.blob));
    }
    println!("{lost} requests without an answer for 100 models");
    assert!(lost > 100);
}

/// What happens to a board whose cable is pulled.
#[derive(Clone, Copy, Debug)]
enum Pulled {
    /// It has power of its own, and the cable comes back.
    Resumed,
    /// The cable was its power, and comes back.
    Reset,
    /// The cable does not come back.
    Gone,
}

#[test]
fn the_cable_pulled_at_a_hundred_places_costs_no_more_than_time() {
    let (old, offer) = (committed_blob(), Offer::new(&renamed_blob()));
    let flashed = pico2(&old);
    for pulled in [Pulled::Resumed, Pulled::Reset, Pulled::Gone] {
        let mut sent = 0;
        for place in 0..100 {
            let mut board = flashed.clone();
            let mut updater = Updater::new();
            let mut sender = ModelSender::new(offer.announcement(), &offer.blob);
            let mut is_pulled = false;
            let is_installed = loop {
                let request = sender.next_request();
                if let Request::Chunk(chunk) = &request {
                    sent += chunk.bytes.len();
                    if !is_pulled && chunk.offset as usize >= place * offer.blob.len() / 100 {
                        is_pulled = true;
                        // The board may have got the chunk, but the answer is lost.
                        if place % 2 == 0 {
                            board.answer(&mut updater, &request);
                        }
                        match pulled {
                            Pulled::Resumed => {}
                            Pulled::Reset => {
                                updater = Updater::new();
                                assert_eq!(board.run(), Slot::A);
                            }
                            Pulled::Gone => break false,
                        }
                        sender.reconnect();
                        continue;
                    }
                }
                let answer = board.answer(&mut updater, &request);
                let answer: Acknowledgement<'_> = answer.acknowledgement();
                match sender.take(&answer) {
                    SendProgress::Received(_) => {}
                    SendProgress::Installed => break true,
                    SendProgress::Refused { .. } | SendProgress::Unrelated => panic!("{answer:?}"),
                }
            };
            let (slot, blob) = if is_installed { (Slot::B, &offer.blob) } else { (Slot::A, &old) };
            assert_eq!(board.run(), slot, "{pulled:?} at {place} %");
            assert!(board.holds(slot, blob), "{pulled:?} at {place} %");
        }
        // Of each update, one chunk was sent again at most; after a reset, all.
        let whole = 100 * offer.blob.len();
        match pulled {
            Pulled::Resumed => assert!((whole..=whole + 100 * CHUNK_LEN).contains(&sent), "{sent}"),
            Pulled::Reset => assert!(sent > whole + whole / 3 && sent < 2 * whole, "{sent}"),
            Pulled::Gone => assert!(sent < whole, "{sent}"),
        }
    }
}
