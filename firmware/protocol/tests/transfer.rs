//! Transfers in chunks: the whole comes out whatever is lost, repeated or mixed up on the way, and nothing else does.

use proptest::prelude::*;
use protocol::{
    Acknowledgement, Assembler, CHUNK_LEN, Chunk, ChunkError, ChunkKind, Progress, TransferState,
    Whole, chunks,
};

fn chunk(offset: u32, bytes: &[u8]) -> Chunk<'_> {
    Chunk {
        id: 7,
        kind: ChunkKind::Picture,
        total: 10,
        offset,
        bytes,
    }
}

#[test]
fn a_whole_is_cut_into_chunks_from_any_offset() {
    let whole: Vec<u8> = (0..2500).map(|index| index as u8).collect();
    let lens = |offset| -> Vec<(u32, usize)> {
        chunks(1, ChunkKind::Model, &whole, offset)
            .map(|chunk| (chunk.offset, chunk.bytes.len()))
            .collect()
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
fn what_is_missing_is_said_and_what_is_repeated_does_no_harm() {
    let mut assembler = Assembler::new([0; 12]);
    assert_eq!(assembler.acknowledgement(), None);
    let missing = |missing, offset| Err(ChunkError::Gap { missing, offset });
    assert_eq!(assembler.push(&chunk(4, &[5])), missing(0, 4));
    assert_eq!(
        assembler.push(&chunk(0, &[1, 2, 3])),
        Ok(Progress::Incomplete)
    );
    assert_eq!(
        assembler.push(&chunk(0, &[9, 9, 9])),
        Ok(Progress::Duplicate)
    );
    assert_eq!(assembler.push(&chunk(5, &[6])), missing(3, 5));
    // In other portions than before.
    assert_eq!(
        assembler.push(&chunk(2, &[3, 4, 5])),
        Ok(Progress::Incomplete)
    );
    assert_eq!(assembler.whole(), None);
    let acknowledgement = |received, state| {
        Some(Acknowledgement {
            id: 7,
            received,
            state,
        })
    };
    let incomplete = acknowledgement(5, TransferState::Incomplete);
    assert_eq!(assembler.acknowledgement(), incomplete);
    assert_eq!(
        assembler.push(&chunk(5, &[6, 7, 8, 9, 10])),
        Ok(Progress::Complete)
    );
    assert_eq!(assembler.push(&chunk(9, &[10])), Ok(Progress::Duplicate));
    let complete = acknowledgement(10, TransferState::Complete);
    assert_eq!(assembler.acknowledgement(), complete);
    let whole = Whole {
        id: 7,
        kind: ChunkKind::Picture,
        bytes: &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
    };
    assert_eq!(assembler.whole(), Some(whole));
}

#[test]
fn a_chunk_of_another_transfer_begins_that_one_and_drops_the_last() {
    let mut assembler = Assembler::new([0; 12]);
    assert_eq!(assembler.push(&chunk(0, &[1])), Ok(Progress::Incomplete));
    for other in [
        Chunk {
            id: 8,
            ..chunk(0, &[2])
        },
        Chunk {
            kind: ChunkKind::Diagnosis,
            ..chunk(0, &[3])
        },
    ] {
        let late = Chunk { offset: 1, ..other };
        let missing = ChunkError::Gap {
            missing: 0,
            offset: 1,
        };
        assert_eq!(assembler.push(&late), Err(missing));
        assert_eq!(assembler.push(&other), Ok(Progress::Incomplete));
    }
    assembler.clear();
    assert_eq!(assembler.acknowledgement(), None);
}

#[test]
fn chunks_that_fit_nowhere_change_nothing() {
    let long = [0; CHUNK_LEN + 1];
    let mut assembler = Assembler::new([0; 12]);
    assert_eq!(assembler.push(&chunk(0, &[1])), Ok(Progress::Incomplete));
    let before = assembler.acknowledgement();
    let too_long = ChunkError::TooLong {
        total: 13,
        limit: 12,
    };
    let other = |total, chunk| Chunk {
        id: 8,
        total,
        ..chunk
    };
    for (wrong, error) in [
        (chunk(1, &[]), ChunkError::Bounds),
        (chunk(9, &[1, 2]), ChunkError::Bounds),
        (chunk(u32::MAX, &[1]), ChunkError::Bounds),
        (other(5000, chunk(0, &long)), ChunkError::Bounds),
        (other(13, chunk(0, &[1])), too_long),
        (
            Chunk {
                total: 11,
                ..chunk(1, &[2])
            },
            ChunkError::Changed,
        ),
    ] {
        assert_eq!(assembler.push(&wrong), Err(error), "{wrong:?}");
        assert_eq!(assembler.acknowledgement(), before);
    }
}

#[test]
fn kinds_have_their_numbers_and_unknown_ones_survive() {
    for number in 0..=255 {
        let kind = ChunkKind::from(number);
        assert_eq!(u8::from(kind), number);
        assert_eq!(matches!(kind, ChunkKind::Unknown(_)), number > 3);
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
