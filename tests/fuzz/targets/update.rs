//! A computer may send anything in any order, and the power may be cut at any write: a whole model is always there to be loaded.
#![no_main]

use std::sync::LazyLock;

use flash_models::Cut;
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use model_store::{Updater, signature};
use protocol::{Chunk, ChunkKind, ModelRequest, Request};
use support::{Board, Offer, small_blob, small_h743, small_pico2};

#[expect(dead_code, reason = "the tests of the crate use more of it")]
#[path = "../../../firmware/model-store/tests/store/support.rs"]
mod support;

/// Good models, the first of which a programmer has left.
static MODELS: LazyLock<[Offer; 3]> = LazyLock::new(|| [1, 2, 3].map(|seed| Offer::new(&small_blob(seed))));
/// One whose digest is right and whose content is not.
static BAD: LazyLock<Offer> = LazyLock::new(|| {
    let mut offer = MODELS[1].clone();
    let middle = offer.blob.len() / 2;
    offer.blob[middle] ^= 1;
    offer.digest = signature::digest(&offer.blob);
    offer
});

#[derive(Arbitrary, Debug)]
enum Deed {
    Announce(Model),
    /// A part of a model, a byte of which may be changed on the way.
    Send {
        model: Model,
        start: u16,
        len: u8,
        change: Option<u8>,
    },
    /// The rest of a model, as far as it goes.
    SendAll(Model),
    /// A boot that ends while the model is loaded, while it waits, or while it classifies; or does not end so.
    Boot(End),
    Reject,
    Rollback,
    /// After so many writes and erases.
    CutPower(u8, Kind),
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Model {
    First,
    Second,
    Third,
    Bad,
}

#[derive(Arbitrary, Debug)]
enum End {
    Loading,
    Waiting,
    Classifying,
    Classified,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Kind {
    Before,
    Weak,
    Torn,
    After,
}

impl Model {
    fn offer(self) -> &'static Offer {
        match self {
            Self::First => &MODELS[0],
            Self::Second => &MODELS[1],
            Self::Third => &MODELS[2],
            Self::Bad => &BAD,
        }
    }
}

impl From<Kind> for Cut {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Before => Self::Before,
            Kind::Weak => Self::Weak,
            Kind::Torn => Self::Torn,
            Kind::After => Self::After,
        }
    }
}

fn send<const WORD: usize, const SECTOR: usize>(
    board: &mut Board<WORD, SECTOR>,
    updater: &mut Updater,
    offer: &Offer,
    start: usize,
    bytes: &[u8],
) {
    let (id, total, offset) = (offer.crc32, offer.len, start as u32);
    board.answer(updater, &Request::Chunk(Chunk { id, kind: ChunkKind::Model, total, offset, bytes }));
}

fn play<const WORD: usize, const SECTOR: usize>(mut board: Board<WORD, SECTOR>, deeds: &[Deed]) {
    let mut updater = Updater::new();
    for deed in deeds.iter().take(100) {
        match deed {
            Deed::Announce(model) => {
                let announcement = model.offer().announcement();
                board.answer(&mut updater, &Request::Models(ModelRequest::Deploy(announcement)));
            }
            Deed::Send { model, start, len, change } => {
                let offer = model.offer();
                let start = usize::from(*start) % offer.blob.len();
                let end = (start + usize::from(*len)).min(offer.blob.len());
                let mut bytes = offer.blob[start..end].to_vec();
                if let (Some(change), Some(last)) = (change, bytes.last_mut()) {
                    *last ^= change;
                }
                send(&mut board, &mut updater, offer, start, &bytes);
            }
            Deed::SendAll(model) => {
                let offer = model.offer();
                for (index, bytes) in offer.blob.chunks(200).enumerate() {
                    send(&mut board, &mut updater, offer, 200 * index, bytes);
                }
            }
            Deed::Boot(end) => {
                updater = Updater::new();
                let mut store = board.store();
                let slot = store.boot().slot;
                // If the power is cut meanwhile, the next boot goes on.
                let _ = match end {
                    End::Loading => Ok(()),
                    End::Waiting => store.wait(),
                    End::Classifying => store.wait().and_then(|()| store.risk()),
                    End::Classified => store.wait().and_then(|()| store.risk()).and_then(|()| store.confirm()),
                };
                assert!(MODELS.iter().any(|model| board.holds(slot, &model.blob)), "no model in {slot:?} for a boot");
            }
            Deed::Reject => {
                board.store().reject();
            }
            Deed::Rollback => {
                let _ = board.store().rollback();
            }
            Deed::CutPower(operations, kind) => board.flash.cut_power_at((*operations).into(), (*kind).into()),
        }
        if !board.flash.is_on() {
            board.flash.power_on();
            updater = Updater::new();
        }
        let mut store = board.store();
        let slot = store.active();
        assert!(store.is_readable(slot), "{slot:?} is torn");
        assert!(MODELS.iter().any(|model| board.holds(slot, &model.blob)), "no model in {slot:?}");
    }
}

fuzz_target!(|input: (bool, Vec<Deed>)| {
    let (has_ecc, deeds) = input;
    let first = &MODELS[0].blob;
    if has_ecc { play(small_h743(first), &deeds) } else { play(small_pico2(first), &deeds) }
});
