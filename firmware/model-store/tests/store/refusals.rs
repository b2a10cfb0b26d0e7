//! What a board does not take, and what that leaves of it.

use crate::support::{
    Answer, Board, Offer, SECRET, SmallH743, committed_blob, crc32, renamed_blob, small_blob, small_h743,
};
use flash_models::NorFlashModel;
use model_store::{Layout, Slot, Updater, signature};
use protocol::{ChunkKind, ModelRequest, ModelSender, Request, chunks};
use shared_model::encode::repair_crc;

/// Sends what `offer` announces, and expects a refusal; gives the reason.
#[track_caller]
fn refused<const WORD: usize, const SECTOR: usize>(board: &mut Board<WORD, SECTOR>, offer: &Offer) -> String {
    board.deploy(offer).expect_err("this model must not be taken")
}

/// Expects a refusal before anything is written.
#[track_caller]
fn refused_at_once<const WORD: usize, const SECTOR: usize>(
    board: &mut Board<WORD, SECTOR>,
    offer: &Offer,
    reason: &str,
) {
    let before = board.memory();
    let found = refused(board, offer);
    assert!(found.contains(reason), "{found}");
    assert!(board.memory() == before, "the flash was touched");
}

/// Expects a refusal that leaves the model that runs and the record as they were.
#[track_caller]
fn refused_in_the_end<const WORD: usize, const SECTOR: usize>(
    board: &mut Board<WORD, SECTOR>,
    offer: &Offer,
    reason: &str,
) {
    let runs = board.store().active();
    let kept =
        |board: &Board<WORD, SECTOR>| [board.slot(runs).to_vec(), board.flash.bytes()[board.record.clone()].to_vec()];
    let before = kept(board);
    let found = refused(board, offer);
    assert!(found.contains(reason), "{found}");
    assert!(kept(board) == before, "the model that runs or the record was touched");
    assert_eq!(board.run(), runs);
}

fn flipped(bytes: &[u8], place: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[place] ^= 1 << (place % 8);
    bytes
}

/// Announced as it is, with the signature of what it was.
fn announced_anew(good: &Offer, blob: Vec<u8>) -> Offer {
    let (digest, len) = (signature::digest(&blob), blob.len() as u32);
    Offer { crc32: crc32(&blob), digest, len, blob, ..good.clone() }
}

fn with_key() -> SmallH743 {
    small_h743(&small_blob(1)).with_key()
}

#[test]
fn an_announcement_that_cannot_be_met_is_refused_before_anything_is_written() {
    let good = Offer::new(&small_blob(2));
    let other_key = signature::sign(&[8; 32], &good.digest).to_vec();
    let plain = ed25519_dalek::Signer::sign(&ed25519_dalek::SigningKey::from_bytes(&SECRET), &good.digest);
    let cases = [
        (
            Offer { format_version: 3, ..good.clone() },
            "format version 3, but this firmware reads version 2: update the firmware",
        ),
        (
            Offer { format_version: 1, ..good.clone() },
            "format version 1, but this firmware reads version 2: make the model again",
        ),
        (Offer { len: 3073, ..good.clone() }, "the model has 3073 bytes, but the board has a place of 3072"),
        (Offer { len: u32::MAX, ..good.clone() }, "4294967295 bytes"),
        (Offer { memory: 98_305, ..good.clone() }, "needs 98305 bytes of working memory, but the board gives it 98304"),
        (Offer { signature: vec![], ..good.clone() }, "not signed"),
        (Offer { signature: other_key, ..good.clone() }, "not by this board's key"),
        (Offer { signature: good.signature[..63].to_vec(), ..good.clone() }, "not by this board's key"),
        // By this key, but not of a model.
        (Offer { signature: plain.to_bytes().to_vec(), ..good.clone() }, "not by this board's key"),
        (Offer { signature: vec![0; 64], ..good.clone() }, "not by this board's key"),
    ];
    for (offer, reason) in cases {
        refused_at_once(&mut with_key(), &offer, reason);
    }
    for place in 0..64 {
        let offer = Offer { signature: flipped(&good.signature, place), ..good.clone() };
        refused_at_once(&mut with_key(), &offer, "not by this board's key");
        let mut offer = good.clone();
        offer.digest[place] ^= 1 << (place % 8);
        refused_at_once(&mut with_key(), &offer, "not by this board's key");
    }
    with_key().deploy(&good).expect("it is signed");
    // Without a key, a signature is neither needed nor looked at.
    small_h743(&small_blob(1)).deploy(&Offer { signature: vec![1], ..good }).expect("it is good");
}

/// Each byte of the header, and so many places in the rest.
fn places(blob: &[u8], body: usize) -> impl Iterator<Item = usize> {
    let rest = blob.len() - 24;
    (0..24).chain((0..body).map(move |index| 24 + index * rest / body))
}

#[test]
fn a_flipped_bit_is_found_wherever_it_is() {
    let (mut signed, mut open) = (with_key(), small_h743(&small_blob(1)));
    let good = Offer::new(&small_blob(2));
    for place in places(&good.blob, 1000) {
        let blob = flipped(&good.blob, place);
        // On the way; and by somebody who announces what he sends.
        refused_in_the_end(&mut signed, &Offer { blob: blob.clone(), ..good.clone() }, "not what was announced");
        let announced = announced_anew(&good, blob);
        refused_at_once(&mut signed, &announced, "not by this board's key");
        refused_in_the_end(&mut open, &announced, "");
    }
}

#[test]
fn a_flipped_bit_of_the_committed_model_is_found_as_well() {
    let good = Offer::new(&renamed_blob());
    let mut board = crate::support::h743(&committed_blob());
    for place in [0, 8, 24, 281_472, good.blob.len() - 1] {
        let blob = flipped(&good.blob, place);
        refused_in_the_end(&mut board, &Offer { blob, ..good.clone() }, "not what was announced");
    }
    board.deploy(&good).expect("the same board takes it whole");
}

#[test]
fn a_model_that_is_truncated_or_computes_something_else_is_refused_by_its_check() {
    let good = Offer::new(&small_blob(2));
    let mut board = small_h743(&small_blob(1));
    for len in [0, 1, 23, 24, good.blob.len() / 2, good.blob.len() - 1] {
        let blob = good.blob[..len].to_vec();
        let offer = Offer { digest: signature::digest(&blob), len: len as u32, blob, ..good.clone() };
        refused_in_the_end(&mut board, &offer, "the model blob in flash cannot be used");
    }
    // With a good CRC, but other weights than those of its known answer.
    let found = (good.blob.len() - 64..good.blob.len()).find_map(|place| {
        let mut blob = flipped(&good.blob, place);
        repair_crc(&mut blob);
        let mut board = board.clone();
        board.deploy(&announced_anew(&good, blob)).err().filter(|reason| reason.contains("known-answer"))
    });
    found.expect("some of the last bytes matter for the known answer");
    // Announced as another model than it is.
    refused_in_the_end(&mut board, &Offer { crc32: good.crc32 ^ 1, ..good.clone() }, "not what was announced");
    board.deploy(&good).expect("it is good");
}

#[test]
fn chunks_are_taken_of_the_announced_model_only_and_in_order() {
    let good = Offer::new(&small_blob(2));
    let mut board = small_h743(&small_blob(1));
    let mut updater = Updater::new();
    let mut send = |chunk| {
        let Answer { received, state, .. } = board.answer(&mut updater, &Request::Chunk(chunk));
        (received, state)
    };
    let first = chunks(good.crc32, ChunkKind::Model, &good.blob, 0).next().expect("it has one");
    let refusal = send(first).1.expect_err("it was not announced");
    assert!(refusal.contains("announce it again"), "{refusal}");

    let mut updater = Updater::new();
    let announce = Request::Models(ModelRequest::Deploy(good.announcement()));
    assert_eq!(board.answer(&mut updater, &announce).state, Ok(false));
    let part =
        |start: usize, end: usize| protocol::Chunk { offset: start as u32, bytes: &good.blob[start..end], ..first };
    let mut send = |chunk| board.answer(&mut updater, &Request::Chunk(chunk)).received;
    // A gap, another kind, another transfer, twice the same, an overlap, announced again.
    assert_eq!(send(part(1, 2)), 0);
    assert_eq!(send(protocol::Chunk { kind: ChunkKind::Picture, ..part(0, 9) }), 0);
    assert_eq!(send(protocol::Chunk { id: 1, ..part(0, 9) }), 0);
    assert_eq!(send(part(0, 100)), 100);
    assert_eq!(send(part(0, 100)), 100);
    assert_eq!(send(part(50, 133)), 133);
    assert_eq!(board.answer(&mut updater, &announce).received, 133);
    let mut sender = ModelSender::new(good.announcement(), &good.blob);
    while board.store().active() == Slot::A {
        let answer = board.answer(&mut updater, &sender.next_request());
        sender.take(&answer.acknowledgement());
    }
    // What is sent once more after the end is answered as before.
    assert_eq!(board.answer(&mut updater, &announce).state, Ok(true));
    assert_eq!(board.answer(&mut updater, &Request::Chunk(part(0, 100))).state, Ok(true));

    let mut updater = Updater::new();
    let mut board = small_h743(&small_blob(1));
    board.answer(&mut updater, &announce);
    let beyond = protocol::Chunk { total: first.total + 1, ..first };
    let refusal = board.answer(&mut updater, &Request::Chunk(beyond)).state.expect_err("it is another one");
    assert!(refusal.contains("does not fit"), "{refusal}");
}

#[test]
fn signatures_are_those_that_other_programs_make() {
    // (printf 'int8net model\0'; printf abc | openssl dgst -sha512 -binary) | openssl pkeyutl -sign -rawin -inkey KEY, KEY of 32 bytes 7.
    let digest = signature::digest(b"abc");
    let expected = "bd58575c336ba6fc72bd7bf2bac444a8612cdb039b5692d21b8e5761be669f07259cc6933c5701619287fad428c984d7c669d3be2647a9e1d0a22459a340ab05";
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert_eq!(hex(&signature::sign(&SECRET, &digest)), expected);
    assert_eq!(
        hex(&signature::public_key(&SECRET)),
        "ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c"
    );
}

#[test]
fn a_layout_has_whole_sectors_and_pages() {
    let slots = || [0..64, 64..128];
    let layout = |slots, record, page, erase_step| {
        std::panic::catch_unwind(|| Layout::new::<NorFlashModel<Vec<u8>, 4, 32>>(slots, record, page, erase_step))
            .is_ok()
    };
    assert!(layout(slots(), 128..192, 16, 64));
    for (slots, record, page, erase_step) in [
        ([0..0, 64..128], 128..192, 16, 64),
        ([0..64, 96..96], 128..192, 16, 64),
        ([16..64, 64..128], 128..192, 16, 64),
        ([0..64, 64..112], 128..192, 16, 64),
        (slots(), 128..176, 16, 64),
        (slots(), 128..160, 16, 64),
        (slots(), 128..192, 2, 64),
        (slots(), 128..192, 12, 64),
        (slots(), 128..192, 64, 64),
        (slots(), 128..192, 16, 48),
    ] {
        assert!(!layout(slots, record.clone(), page, erase_step), "{record:?} {page} {erase_step}");
    }
}
