//! The power is cut at every write and every erase.

use crate::support::{
    Board, Offer, committed_blob, h743, load, pico2, renamed_blob, small_blob, small_h743, small_pico2,
};
use flash_models::Cut;
use model_store::{Boot, BootEvent, Slot, Updater};
use protocol::{CHUNK_LEN, ChunkKind, ModelState, chunks};

/// How often which model ran after a cut; whatever else runs is a panic.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    cuts: u32,
    old: u32,
    new: u32,
}

/// A part of an update during which the board's memory stays as it is.
#[derive(Clone, Copy)]
enum Step {
    Announce,
    Chunk(u32),
    Install,
    Boot,
    Wait,
    Risk,
    Confirm,
}

fn take_step<const WORD: usize, const SECTOR: usize>(
    board: &mut Board<WORD, SECTOR>,
    updater: &mut Updater,
    offer: &Offer,
    step: Step,
) {
    match step {
        Step::Announce => {
            updater.announce(&mut board.store(), &offer.announcement());
        }
        Step::Chunk(offset) => {
            let chunk = chunks(offer.crc32, ChunkKind::Model, &offer.blob, offset as usize).next();
            updater.take(&mut board.store(), &chunk.expect("it is within the blob"));
        }
        Step::Install => {
            board.install(updater);
        }
        // A write that fails is the power's end.
        Step::Boot => {
            board.store().boot();
        }
        Step::Wait => {
            let _ = board.store().wait();
        }
        Step::Risk => {
            let _ = board.store().risk();
        }
        Step::Confirm => {
            let _ = board.store().confirm();
        }
    }
}

/// The model that a board runs at its next boot: whether it is the new one.
fn runs_new<const WORD: usize, const SECTOR: usize>(
    board: &mut Board<WORD, SECTOR>,
    old: Slot,
    blobs: [&[u8]; 2],
) -> bool {
    let slot = board.store().boot().slot;
    let is_new = slot != old;
    assert!(board.holds(slot, blobs[usize::from(is_new)]), "neither model runs");
    is_new
}

/// Cuts the power at every operation of an update from the model that runs to `offer`, and looks which runs then.
fn cut_everywhere<const WORD: usize, const SECTOR: usize>(
    board: &mut Board<WORD, SECTOR>,
    old_blob: &[u8],
    offer: &Offer,
) -> Counts {
    let mut counts = Counts::default();
    let mut updater = Updater::new();
    let old = board.store().active();
    let place = board.place(old.other());
    let chunks = (0..offer.len).step_by(CHUNK_LEN).map(Step::Chunk);
    let end = [Step::Install, Step::Boot, Step::Wait, Step::Risk, Step::Confirm];
    let mut before = board.clone();
    for step in [Step::Announce].into_iter().chain(chunks).chain(end) {
        // The sectors that the step may change.
        let record = board.record.start / SECTOR..board.record.end / SECTOR;
        let erased = if let Step::Chunk(offset) = step {
            let start = (place.start + offset as usize) / SECTOR;
            start..start + ((64 << 10) / SECTOR).max(1)
        } else {
            0..0
        };
        let touched = [record, erased];
        let sectors = || touched.iter().cloned();
        let mut after = updater.clone();
        take_step(board, &mut after, offer, step);
        let operations = board.flash.operations() - before.flash.operations();
        let done = board.clone();
        for operation in 0..operations {
            for cut in Cut::ALL {
                sectors().for_each(|sectors| board.flash.restore(before.flash.memory(), sectors));
                board.flash.cut_power_at(operation, cut);
                take_step(board, &mut updater.clone(), offer, step);
                assert!(!board.flash.is_on(), "the step has fewer operations than it had");
                board.flash.power_on();
                let is_new = runs_new(board, old, [old_blob, &offer.blob]);
                counts.cuts += 1;
                counts.old += u32::from(!is_new);
                counts.new += u32::from(is_new);
            }
        }
        *board = done;
        before.clone_from(board);
        updater = after;
    }
    assert_eq!(board.store().boot(), Boot { slot: old.other(), event: BootEvent::Running });
    counts
}

#[test]
fn wherever_the_power_is_cut_during_an_update_the_old_or_the_new_model_runs() {
    let blobs = [committed_blob(), renamed_blob()];
    let offers = blobs.each_ref().map(|blob| Offer::new(blob));
    for blob in &blobs {
        load(blob).expect("what a slot holds then runs");
    }
    let (mut pico2, mut h743) = (pico2(&blobs[0]), h743(&blobs[0]));
    for (direction, old, new) in [("A to B", &blobs[0], &offers[1]), ("B to A", &blobs[1], &offers[0])] {
        for (board, counts) in
            [("Pico 2", cut_everywhere(&mut pico2, old, new)), ("STM32H743", cut_everywhere(&mut h743, old, new))]
        {
            println!("{board}, {direction}: {counts:?}, neither: 0");
            // Every word of the blob, and the model changes with the record.
            let words = new.len.div_ceil(if board == "Pico 2" { 256 } else { 32 });
            assert!(counts.old >= 4 * words && counts.new >= 4, "{board}: {counts:?}");
        }
    }
}

/// What a board may go through, from a model that runs to the end, whatever was cut off of it before.
#[derive(Clone, Copy, Debug)]
enum Story {
    /// Another model is sent until it runs and has classified.
    Update,
    /// The model is not the one that it shall be: back to the one before.
    Rollback,
    /// Another model is put on trial, and does nothing but reset the board.
    BadModel,
}

fn live<const WORD: usize, const SECTOR: usize>(board: &mut Board<WORD, SECTOR>, offer: &Offer, story: Story) {
    match story {
        Story::Update => {
            let runs = board.run();
            if board.holds(runs, &offer.blob) {
                return;
            }
            if board.deploy(offer).is_ok() {
                board.run();
            }
        }
        Story::Rollback => {
            board.run();
            let mut store = board.store();
            if store.active() == Slot::B && store.rollback().is_ok() {
                board.run();
            }
        }
        Story::BadModel => {
            let has_failed = board.store().models()[Slot::B.index()].state == ModelState::Failed;
            if !has_failed && (board.store().is_on_trial() || board.deploy(offer).is_ok()) {
                while board.flash.is_on() && board.store().boot().event != BootEvent::RolledBack {}
            }
        }
    }
}

/// Cuts the power at every operation of a story, and again at every operation of what comes then, both in every way.
fn cut_twice<const WORD: usize, const SECTOR: usize>(
    start: &Board<WORD, SECTOR>,
    old: &[u8],
    offer: &Offer,
    story: Story,
) -> Counts {
    let mut counts = Counts::default();
    let mut look = |board: &Board<WORD, SECTOR>| {
        let mut board = board.clone();
        let is_new = runs_new(&mut board, Slot::A, [old, &offer.blob]);
        counts.cuts += 1;
        counts.old += u32::from(!is_new);
        counts.new += u32::from(is_new);
    };
    let cut_at = |board: &Board<WORD, SECTOR>, operation, cut| {
        let mut board = board.clone();
        board.flash.cut_power_at(operation, cut);
        live(&mut board, offer, story);
        let was_cut = !board.flash.is_on();
        board.flash.power_on();
        was_cut.then_some(board)
    };
    for first in Cut::ALL {
        for board in (0..).map_while(|operation| cut_at(start, operation, first)) {
            look(&board);
            for second in Cut::ALL {
                for mut board in (0..).map_while(|operation| cut_at(&board, operation, second)) {
                    look(&board);
                    live(&mut board, offer, story);
                    let is_new = runs_new(&mut board, Slot::A, [old, &offer.blob]);
                    assert_eq!(is_new, matches!(story, Story::Update), "{story:?} does not end");
                }
            }
        }
    }
    counts
}

#[test]
fn two_cuts_in_a_row_leave_a_model_that_runs_and_a_board_that_can_be_updated() {
    let (old, offer) = (small_blob(1), Offer::new(&small_blob(2)));
    fn all<const WORD: usize, const SECTOR: usize>(name: &str, board: &Board<WORD, SECTOR>, old: &[u8], offer: &Offer) {
        let mut updated = board.clone();
        updated.deploy(offer).expect("the model is good");
        updated.run();
        for (start, story) in [(board, Story::Update), (&updated, Story::Rollback), (board, Story::BadModel)] {
            let counts = cut_twice(start, old, offer, story);
            println!("{name}, {story:?}, one cut and two: {counts:?}, neither: 0");
            assert!(counts.old > 0 && counts.new > 0, "{story:?}: {counts:?}");
        }
    }
    all("words of an STM32H743", &small_h743(&old), &old, &offer);
    all("pages of a Pico 2", &small_pico2(&old), &old, &offer);
}

#[test]
fn the_record_outlives_thousands_of_writes_and_wears_its_sectors_alike() {
    let (old, new) = (small_blob(1), small_blob(2));
    let mut board = small_h743(&old);
    board.deploy(&Offer::new(&new)).expect("the model is good");
    board.run();
    let first = board.record.start / 1024;
    let before = [board.flash.wear(first), board.flash.wear(first + 1)];
    for turn in 0..4096 {
        let expected = if turn % 2 == 0 { Slot::A } else { Slot::B };
        assert_eq!(board.store().rollback(), Ok(expected));
        assert_eq!(board.store().active(), expected);
    }
    // Four copies to a sector, two sectors.
    assert_eq!([board.flash.wear(first) - before[0], board.flash.wear(first + 1) - before[1]], [512, 512]);
}
