//! Settings that are kept beside the record of the models, whatever the power does.

use crate::support::{Board, Offer, h743, pico2, small_blob, small_h743, small_pico2};
use flash_models::Cut;
use model_store::{SETTINGS_LEN, Slot};
use protocol::ModelInfo;

fn settings(number: u8) -> [u8; SETTINGS_LEN] {
    core::array::from_fn(|index| number.wrapping_add(index as u8))
}

/// What a board is before and after its settings are changed.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Kept {
    settings: Vec<u8>,
    active: Slot,
    models: [ModelInfo; 2],
}

fn kept<const WORD: usize, const SECTOR: usize>(board: &mut Board<WORD, SECTOR>) -> Kept {
    let store = board.store();
    Kept { settings: store.settings().to_vec(), active: store.active(), models: store.models() }
}

/// Cuts the power at every operation of a change from the settings 0 on, and then at every operation of a further one, each in every way. The
/// settings are those before or those after, and the models are always the same. Gives how often which.
fn cut_twice<const WORD: usize, const SECTOR: usize>(board: &Board<WORD, SECTOR>) -> [u32; 2] {
    let mut counts = [0; 2];
    let cut_at = |board: &Board<WORD, SECTOR>, number, operation, cut| {
        let mut board = board.clone();
        board.flash.cut_power_at(operation, cut);
        let outcome = board.store().set_settings(&settings(number));
        let was_cut = !board.flash.is_on();
        assert_eq!(outcome.is_err(), was_cut);
        board.flash.power_on();
        was_cut.then_some(board)
    };
    let mut look = |board: &mut Board<WORD, SECTOR>, before: &Kept, number| {
        let found = kept(board);
        let after = Kept { settings: settings(number).to_vec(), ..before.clone() };
        let is_new = found == after;
        assert!(is_new || found == *before, "{found:?}");
        counts[usize::from(is_new)] += 1;
        found
    };
    let before = kept(&mut board.clone());
    for first in Cut::ALL {
        for mut board in (0..).map_while(|operation| cut_at(board, 1, operation, first)) {
            let before = look(&mut board, &before, 1);
            for second in Cut::ALL {
                for mut board in (0..).map_while(|operation| cut_at(&board, 2, operation, second)) {
                    look(&mut board, &before, 2);
                    board.store().set_settings(&settings(3)).expect("there is power");
                    assert_eq!(kept(&mut board), Kept { settings: settings(3).to_vec(), ..before.clone() });
                }
            }
        }
    }
    counts
}

#[test]
fn wherever_the_power_is_cut_the_old_or_the_new_settings_are_kept_and_the_models_are_as_before() {
    fn all<const WORD: usize, const SECTOR: usize>(name: &str, mut board: Board<WORD, SECTOR>) {
        board.deploy(&Offer::new(&small_blob(2))).expect("the model is good");
        // On trial, and good; in the middle of a sector, and where the next one is erased.
        for is_good in [false, true] {
            if is_good {
                board.run();
            }
            let mut total = [0; 2];
            for turn in 0..8 {
                board.store().set_settings(&settings(100 + turn)).expect("there is power");
                let counts = cut_twice(&board);
                total = [total[0] + counts[0], total[1] + counts[1]];
            }
            println!(
                "{name}, good {is_good}: settings old {}, new {}, neither: 0; models changed: 0",
                total[0], total[1]
            );
            assert!(total[0] > 0 && total[1] > 0);
        }
    }
    all("words of an STM32H743", small_h743(&small_blob(1)));
    all("pages of a Pico 2", small_pico2(&small_blob(1)));
}

#[test]
fn settings_outlive_updates_rollbacks_other_keys_and_other_models_and_are_not_written_twice() {
    fn all<const WORD: usize, const SECTOR: usize>(mut board: Board<WORD, SECTOR>) {
        let expected = settings(7);
        assert_eq!(board.store().settings(), &[0xFF; SETTINGS_LEN]);
        board.store().set_settings(&expected).expect("the flash is good");
        let operations = board.flash.operations();
        board.store().set_settings(&expected).expect("the flash is good");
        assert_eq!(board.flash.operations(), operations);
        board.deploy(&Offer::new(&small_blob(2))).expect("the model is good");
        assert_eq!((board.run(), board.store().settings()), (Slot::B, &expected));
        board.store().rollback().expect("there is another");
        assert_eq!((board.run(), board.store().settings()), (Slot::A, &expected));
        board.program.key = Some([1; 32]);
        assert_eq!(board.store().settings(), &expected);
    }
    all(h743(&small_blob(1)));
    all(pico2(&small_blob(1)));
}
