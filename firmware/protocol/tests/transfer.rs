//! Transfers in chunks: the whole comes out whatever is lost, repeated or mixed up on the way, and nothing else does.

use proptest::prelude::*;
use protocol::{
    Acknowledgement, Announcement, Assembler, CHUNK_LEN, Chunk, ChunkError, ChunkKind, LEAST_CHUNK_LEN, ModelRequest,
    ModelSender, Progress, Request, SendProgress, SettingRequest, TransferState, UpdateRequest, Whole, chunks,
};

#[test]
fn a_whole_is_cut_into_chunks_from_any_offset() {
    let whole: Vec<u8> = (0..2500).map(|index| index as u8).collect();
    let lens = |offset| -> Vec<(u32, usize)> {
        chunks(1, ChunkKind::Model, &whole, offset).map(|chunk| (chunk.offset, chunk.bytes.len())).collect()
    };
    assert_eq!(lens(0), [(0, 1024), (1024, 1024), (2048, 452)]);
    assert_eq!(lens(2048), [(2048, 452)]);
    assert_eq!(lens(2500), []);
    let empty: Vec<_> = chunks(1, ChunkKind::Model, &[], 0).collect();
    assert_eq!(empty.len(), 1);
    let mut assembler = Assembler::new([0; 0]);
    assert_eq!(assembler.push(&empty[0]), Ok(Progress::Complete));
    assert_eq!(assembler.whole().map(|whole| whole.bytes), Some(&[][..]));
}

#[test]
fn each_chunk_is_judged_by_what_has_come() {
    let chunk = |offset, bytes| Chunk { id: 7, kind: ChunkKind::Picture, total: 10, offset, bytes };
    let next = |offset, bytes| Chunk { id: 8, ..chunk(offset, bytes) };
    let other = |offset, bytes| Chunk { kind: ChunkKind::FullFrame, ..next(offset, bytes) };
    let of_total = |total, chunk| Chunk { total, ..chunk };
    let gap = |missing, offset| Err(ChunkError::Gap { missing, offset });
    let too_long = ChunkError::TooLong { total: 13, limit: 12 };
    let long = [0; CHUNK_LEN + 1];
    // The chunk, what it is good for, and the transfer and its bytes so far.
    let steps = [
        (chunk(4, &[5][..]), gap(0, 4), None),
        (chunk(0, &[1, 2, 3]), Ok(Progress::Incomplete), Some((7, 3))),
        (chunk(0, &[9, 9, 9]), Ok(Progress::Duplicate), Some((7, 3))),
        (chunk(5, &[6]), gap(3, 5), Some((7, 3))),
        // In other portions than before.
        (chunk(2, &[3, 4, 5]), Ok(Progress::Incomplete), Some((7, 5))),
        (chunk(5, &[]), Err(ChunkError::Bounds), Some((7, 5))),
        (chunk(9, &[1, 2]), Err(ChunkError::Bounds), Some((7, 5))),
        (chunk(u32::MAX, &[1]), Err(ChunkError::Bounds), Some((7, 5))),
        (of_total(5000, next(0, &long)), Err(ChunkError::Bounds), Some((7, 5))),
        (of_total(13, next(0, &[1])), Err(too_long), Some((7, 5))),
        (of_total(11, chunk(1, &[2])), Err(ChunkError::Changed), Some((7, 5))),
        (chunk(5, &[6, 7, 8, 9, 10]), Ok(Progress::Complete), Some((7, 10))),
        (chunk(9, &[10]), Ok(Progress::Duplicate), Some((7, 10))),
        // Another transfer drops the last one when it begins.
        (next(1, &[2]), gap(0, 1), Some((7, 10))),
        (next(0, &[2]), Ok(Progress::Incomplete), Some((8, 1))),
        (other(1, &[3]), gap(0, 1), Some((8, 1))),
        (other(0, &[3, 4]), Ok(Progress::Incomplete), Some((8, 2))),
    ];
    let mut assembler = Assembler::new([0; 12]);
    for (chunk, progress, so_far) in steps {
        assert_eq!(assembler.push(&chunk), progress, "{chunk:?}");
        let is_complete = so_far == Some((7, 10));
        let acknowledgement = so_far.map(|(id, received)| Acknowledgement {
            id,
            received,
            state: if is_complete { TransferState::Complete } else { TransferState::Incomplete },
        });
        assert_eq!(assembler.acknowledgement(), acknowledgement, "{chunk:?}");
        let whole =
            is_complete.then_some(Whole { id: 7, kind: ChunkKind::Picture, bytes: &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10] });
        assert_eq!(assembler.whole(), whole, "{chunk:?}");
    }
    assembler.clear();
    assert_eq!(assembler.acknowledgement(), None);
}

#[test]
fn kinds_have_their_numbers_and_unknown_ones_survive() {
    for number in 0..=255 {
        let kind = ChunkKind::from(number);
        assert_eq!(u8::from(kind), number);
        assert_eq!(matches!(kind, ChunkKind::Unknown(_)), number == 2 || number > 3);
    }
}

proptest! {
    #[test]
    fn a_sender_that_goes_on_where_the_receiver_is_gets_everything_through(
        whole in prop::collection::vec(any::<u8>(), 0..9000),
        id: u32,
        losses in prop::collection::vec(any::<bool>(), 0..40),
    ) {
        let mut losses = losses.into_iter();
        let mut assembler = Assembler::new(vec![0; whole.len()]);
        let mut turns = 0;
        while assembler.whole().is_none() {
            turns += 1;
            prop_assert!(turns < 100);
            let offset = assembler.acknowledgement().map_or(0, |known| known.received as usize);
            for chunk in chunks(id, ChunkKind::Model, &whole, offset) {
                if !losses.next().unwrap_or(false) {
                    let _ = assembler.push(&chunk);
                }
            }
        }
        let found = assembler.whole().expect("it is complete");
        prop_assert_eq!((found.id, found.bytes), (id, whole.as_slice()));
    }

    #[test]
    fn arbitrary_chunks_never_panic_and_a_transfer_behind_them_comes_through(
        noise in prop::collection::vec(
            (any::<u32>(), any::<u8>(), any::<u32>(), 0..60_u32, prop::collection::vec(any::<u8>(), 0..30)), 0..60,
        ),
    ) {
        let mut assembler = Assembler::new([0; 50]);
        for (id, kind, total, offset, bytes) in &noise {
            let chunk = Chunk { id: id % 3, kind: ChunkKind::from(kind % 2), total: total % 60, offset: *offset, bytes };
            let _ = assembler.push(&chunk);
            let whole = assembler.whole().map(|whole| whole.bytes.len());
            prop_assert!(whole.is_none_or(|len| len <= 50));
        }
        let whole = [3; 50];
        for chunk in chunks(9, ChunkKind::Picture, &whole, 0) {
            prop_assert_eq!(assembler.push(&chunk), Ok(Progress::Complete));
        }
    }
}

#[test]
fn a_sender_goes_on_where_the_board_is_and_makes_chunks_shorter_where_answers_are_missing() {
    let blob = [7; 3000];
    let announcement =
        Announcement { crc32: 5, len: 3000, format_version: 2, memory: 0, digest: &[1; 64], signature: &[] };
    let mut sender = ModelSender::new(announcement, &blob);
    let deploy = Request::Models(ModelRequest::Deploy(announcement));
    let place = |request| match request {
        Request::Chunk(Chunk { id: 5, kind: ChunkKind::Model, total: 3000, offset, bytes }) => {
            Some((offset, bytes.len()))
        }
        _other => None,
    };
    let answer = |received| Acknowledgement { id: 5, received, state: TransferState::Incomplete };
    assert_eq!(sender.next_request(), deploy);
    assert_eq!(sender.take(&Acknowledgement { id: 6, ..answer(9) }), SendProgress::Unrelated);
    assert_eq!(sender.next_request(), deploy);
    assert_eq!(sender.take(&answer(0)), SendProgress::Received(0));
    assert_eq!(place(sender.next_request()), Some((0, CHUNK_LEN)));
    for len in [512, 256, 128, 64, 32, LEAST_CHUNK_LEN] {
        sender.time_out();
        assert_eq!(place(sender.next_request()), Some((0, len)));
    }
    sender.take(&answer(32));
    assert_eq!(place(sender.next_request()), Some((32, 2 * LEAST_CHUNK_LEN)));
    // The board was reset and knows less than before.
    sender.reconnect();
    assert_eq!(sender.next_request(), deploy);
    sender.take(&answer(2990));
    assert_eq!(place(sender.next_request()), Some((2990, 10)));
    // It has all, and is asked again what has become of it.
    sender.take(&answer(3000));
    assert_eq!(sender.next_request(), deploy);
    assert_eq!(
        sender.take(&Acknowledgement { state: TransferState::Complete, ..answer(3000) }),
        SendProgress::Installed
    );
    let state = TransferState::Rejected { reason: "no" };
    assert_eq!(sender.take(&Acknowledgement { state, ..answer(0) }), SendProgress::Refused { reason: "no" });
}

#[test]
fn a_request_about_what_is_in_flash_waits_for_its_turn_as_it_is() {
    let announcement =
        Announcement { crc32: 5, len: 3000, format_version: 2, memory: 9, digest: &[1; 64], signature: &[2; 64] };
    let chunk = Chunk { id: 5, kind: ChunkKind::Model, total: 3000, offset: 7, bytes: &[3; CHUNK_LEN] };
    let models = [ModelRequest::List, ModelRequest::Deploy(announcement), ModelRequest::Rollback].map(Request::Models);
    let settings = [SettingRequest::List, SettingRequest::Set { key: "region", value: "é" }].map(Request::Settings);
    for request in models.into_iter().chain(settings).chain([Request::Chunk(chunk)]) {
        assert_eq!(UpdateRequest::new(&request).expect("it is one").request(), request);
    }
    assert_eq!(UpdateRequest::new(&Request::DeviceInfo), None);
    let long = Announcement { digest: &[1; CHUNK_LEN + 1], ..announcement };
    assert_eq!(UpdateRequest::new(&Request::Models(ModelRequest::Deploy(long))), None);
}
