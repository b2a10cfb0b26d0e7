//! A new model is on trial until it has classified a frame.

use crate::support::{Offer, SmallH743, crc32, small_blob, small_h743};
use embedded_storage::nor_flash::{ErrorType, NorFlash, ReadNorFlash};
use flash_models::Cut;
use model_store::{BootEvent, FAILED_BOOTS, FlashFailed, RollbackError, Slot, Store, Updater};
use protocol::ModelState::{Empty, Failed, Good, Unproven};
use protocol::{Chunk, ChunkKind};

fn on_trial() -> SmallH743 {
    let mut board = small_h743(&small_blob(1));
    board.deploy(&Offer::new(&small_blob(2))).expect("the model is good");
    board
}

fn states(board: &mut SmallH743) -> [protocol::ModelState; 2] {
    board.store().models().map(|model| model.state)
}

/// A boot that ends while the model is loaded.
fn dies(board: &mut SmallH743) -> (Slot, BootEvent) {
    let boot = board.store().boot();
    (boot.slot, boot.event)
}

#[test]
fn three_boots_in_a_row_that_end_at_risk_lead_back_and_it_is_said_once() {
    // While it is loaded, and while it classifies.
    for classifies in [false, true] {
        let mut board = on_trial();
        for failed in 0..FAILED_BOOTS {
            let mut store = board.store();
            assert_eq!(store.boot().event, BootEvent::Trial { failed });
            if classifies {
                store.wait().and_then(|()| store.risk()).expect("the flash is good");
            }
        }
        assert_eq!(dies(&mut board), (Slot::A, BootEvent::RolledBack));
        assert_eq!(dies(&mut board), (Slot::A, BootEvent::Running));
        assert_eq!(states(&mut board), [Good, Failed]);
        // On request it gets another trial, and may be replaced at once.
        assert_eq!(board.store().rollback(), Ok(Slot::B));
        assert_eq!(dies(&mut board), (Slot::B, BootEvent::Trial { failed: 0 }));
    }
}

#[test]
fn boots_without_a_camera_are_not_the_models_fault_and_break_the_row() {
    let mut board = on_trial();
    for _ in 0..10 * FAILED_BOOTS {
        let mut store = board.store();
        assert_eq!(store.boot().event, BootEvent::Trial { failed: 0 });
        store.wait().expect("the flash is good");
    }
    for failed in 0..FAILED_BOOTS - 1 {
        assert_eq!(dies(&mut board), (Slot::B, BootEvent::Trial { failed }));
    }
    let mut store = board.store();
    assert_eq!(store.boot().event, BootEvent::Trial { failed: FAILED_BOOTS - 1 });
    store.wait().expect("the flash is good");
    for failed in 0..FAILED_BOOTS {
        assert_eq!(dies(&mut board), (Slot::B, BootEvent::Trial { failed }));
    }
    assert_eq!(dies(&mut board), (Slot::A, BootEvent::RolledBack));
}

#[test]
fn a_frame_ends_the_trial_and_nothing_is_written_after_it() {
    let mut board = on_trial();
    assert_eq!(board.run(), Slot::B);
    assert_eq!(states(&mut board), [Good, Good]);
    let before = board.memory();
    for _ in 0..100 {
        assert_eq!(board.run(), Slot::B);
    }
    assert_eq!(board.memory(), before);
}

#[test]
fn what_cannot_be_loaded_gives_way_to_the_other_model_if_there_is_one() {
    let mut board = small_h743(&small_blob(1));
    let before = board.memory();
    assert_eq!(board.store().reject(), None);
    assert_eq!(board.store().rollback(), Err(RollbackError::NoOther));
    assert_eq!(board.memory(), before);

    let mut board = on_trial();
    let mut store = board.store();
    store.boot();
    assert_eq!(store.reject(), Some(Slot::A));
    assert_eq!(store.reject(), None);
    assert_eq!(states(&mut board), [Good, Failed]);

    // A good model whose flash has aged.
    let mut board = on_trial();
    board.run();
    assert_eq!(board.store().reject(), Some(Slot::A));
    assert_eq!(states(&mut board), [Good, Failed]);
}

#[test]
fn a_part_of_a_model_is_never_gone_to() {
    let (mut board, next) = (on_trial(), Offer::new(&small_blob(3)));
    board.run();
    let mut updater = Updater::new();
    let mut store = board.store();
    updater.announce(&mut store, &next.announcement());
    let chunk = Chunk { id: next.crc32, kind: ChunkKind::Model, total: next.len, offset: 0, bytes: &next.blob[..100] };
    updater.take(&mut store, &chunk);
    assert!(!updater.is_received());
    assert_eq!((store.rollback(), store.reject()), (Err(RollbackError::NoOther), None));
    assert_eq!(board.run(), Slot::B);
}

/// A flash that can be erased and read, but takes no write any more.
struct WornOut<F>(F);

impl<F: ErrorType> ErrorType for WornOut<F> {
    type Error = F::Error;
}

impl<F: ReadNorFlash> ReadNorFlash for WornOut<F> {
    const READ_SIZE: usize = F::READ_SIZE;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), F::Error> {
        self.0.read(offset, bytes)
    }

    fn capacity(&self) -> usize {
        self.0.capacity()
    }
}

impl<F: NorFlash> NorFlash for WornOut<F> {
    const WRITE_SIZE: usize = F::WRITE_SIZE;
    const ERASE_SIZE: usize = F::ERASE_SIZE;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), F::Error> {
        self.0.erase(from, to)
    }

    fn write(&mut self, _offset: u32, _bytes: &[u8]) -> Result<(), F::Error> {
        Ok(())
    }
}

#[test]
fn a_flash_that_takes_no_more_writes_keeps_its_record_and_ends_a_trial() {
    let mut board = on_trial();
    board.run();
    let (layout, program) = (board.layout.clone(), board.program);
    let mut worn = Store::open(WornOut(&mut board.flash), layout.clone(), program);
    assert_eq!(worn.rollback(), Err(RollbackError::Flash(FlashFailed)));
    assert_eq!(worn.boot().slot, Slot::B);
    assert_eq!((states(&mut board), board.run()), ([Good, Good], Slot::B));

    let mut board = on_trial();
    let mut worn = Store::open(WornOut(&mut board.flash), layout, program);
    let boot = worn.boot();
    assert_eq!((boot.slot, boot.event), (Slot::A, BootEvent::RolledBack));
}

#[test]
fn while_a_model_is_on_trial_the_one_before_is_not_overwritten() {
    let (mut board, next) = (on_trial(), Offer::new(&small_blob(3)));
    let before = board.memory();
    let reason = board.deploy(&next).expect_err("it is on trial");
    assert!(reason.contains("has not classified a frame yet"), "{reason}");
    assert_eq!(board.memory(), before);
    assert_eq!(board.store().rollback(), Ok(Slot::A));
    assert_eq!(states(&mut board), [Good, Unproven]);
    board.deploy(&next).expect("the one before runs");
    board.run();
    board.deploy(&Offer::new(&small_blob(4))).expect("it has classified");
    assert_eq!(states(&mut board), [Unproven, Good]);
}

#[test]
fn a_program_with_another_key_begins_with_what_it_was_flashed_with() {
    let mut board = on_trial();
    board.run();
    let before = board.memory();
    board.program.key = Some([1; 32]);
    assert_eq!(dies(&mut board), (Slot::A, BootEvent::Running));
    assert_eq!(states(&mut board), [Good, Empty]);
    assert_eq!(board.memory(), before);
}

/// Erases the start of slot A and writes another model there, past the board's program.
fn put_into_a(board: &mut SmallH743, blob: &[u8]) {
    let place = board.place(Slot::A);
    let mut content = blob.to_vec();
    content.resize(blob.len().next_multiple_of(32), 0xFF);
    board.flash.erase(place.start as u32, place.end as u32).expect("whole sectors");
    board.flash.write(place.start as u32, &content).expect("it is erased");
}

#[test]
fn a_model_that_a_programmer_puts_into_slot_a_runs_whichever_ran_before() {
    let mut board = on_trial();
    board.run();
    let next = small_blob(5);
    put_into_a(&mut board, &next);
    assert_eq!(dies(&mut board), (Slot::A, BootEvent::Running));
    assert_eq!(states(&mut board), [Good, Good]);
    assert_eq!(board.store().models()[0].crc32, crc32(&next));
    assert_eq!(board.store().rollback(), Ok(Slot::B));
    assert_eq!(board.run(), Slot::B);
    assert!(board.store().is_readable(Slot::A));
    // Nor is a part of one read in place, if the power was cut there.
    let place = board.place(Slot::A);
    board.flash.erase(place.start as u32, place.end as u32).expect("whole sectors");
    board.flash.cut_power_at(5, Cut::Torn);
    assert!(board.flash.write(place.start as u32, &next[..next.len() / 32 * 32]).is_err());
    board.flash.power_on();
    assert!(!board.store().is_readable(Slot::A) && board.store().is_readable(Slot::B));
    // What is no model at all does not count.
    put_into_a(&mut board, &[0; 64]);
    assert_eq!(dies(&mut board), (Slot::B, BootEvent::Running));
    // Nor does a part of one, which an update leaves that was broken off.
    let offer = Offer::new(&next);
    let mut updater = Updater::new();
    let mut store = board.store();
    updater.announce(&mut store, &offer.announcement());
    let chunk =
        Chunk { id: offer.crc32, kind: ChunkKind::Model, total: offer.len, offset: 0, bytes: &offer.blob[..100] };
    updater.take(&mut store, &chunk);
    assert_eq!(dies(&mut board), (Slot::B, BootEvent::Running));
}
