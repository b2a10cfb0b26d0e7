//! Which of two models runs.

use crate::log::{CRC32, Log, VALUE_LEN};
use core::ops::Range;
use embedded_storage::nor_flash::NorFlash;
use protocol::{ModelInfo, ModelState};
use thiserror::Error;

/// The most bytes that a chip programs at once.
pub const MAX_PAGE: usize = 256;

/// Bytes of a [`Record`] in flash.
const RECORD_LEN: usize = 24;
/// Bytes of a board's settings, which lie behind the record and are written with it: a torn write damages neither of those before.
pub const SETTINGS_LEN: usize = VALUE_LEN - RECORD_LEN;

/// So many boots in a row that end while a new model is loaded or classifies are the model's fault.
pub const FAILED_BOOTS: u8 = 3;

/// The flash refused a write or an erase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the flash failed to be written")]
pub struct FlashFailed;

/// Why a board does not go to its other model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RollbackError {
    /// There is none, or a part of one.
    #[error("there is no other model on this board")]
    NoOther,
    /// The record cannot be written.
    #[error(transparent)]
    Flash(#[from] FlashFailed),
}

/// A place for a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// The one that a program is flashed with.
    A,
    /// The other one.
    B,
}

impl Slot {
    /// Both.
    pub const ALL: [Self; 2] = [Self::A, Self::B];

    /// Its place in [`Slot::ALL`].
    pub const fn index(self) -> usize {
        match self {
            Self::A => 0,
            Self::B => 1,
        }
    }

    /// The one that this is not.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }
}

/// Where a board keeps its models, in bytes from the start of its flash.
#[derive(Clone, Debug)]
pub struct Layout {
    slots: [Range<u32>; 2],
    record: Range<u32>,
    page: u32,
    erase_step: u32,
}

impl Layout {
    /// Two places for models, and one of at least two sectors for the record. `page` is how many bytes the chip `F` programs at once, so
    /// that a power cut damages no more: a flash word of an STM32, a page of a serial flash. At the addresses that are multiples of
    /// `erase_step` an update erases as far as the next one, which is how long a board stands still at once.
    ///
    /// # Panics
    ///
    /// If these are no whole sectors, or a page has more than [`MAX_PAGE`] bytes: let it be computed in a constant.
    pub const fn new<F: NorFlash>(slots: [Range<u32>; 2], record: Range<u32>, page: u32, erase_step: u32) -> Self {
        let sector = F::ERASE_SIZE as u32;
        assert!(page as usize <= MAX_PAGE && page.is_multiple_of(F::WRITE_SIZE as u32), "the page");
        assert!(sector.is_multiple_of(page) && erase_step.is_multiple_of(sector), "the erase step");
        assert!(is_whole(&slots[0], sector) && is_whole(&slots[1], sector), "the slots");
        assert!(is_whole(&record, sector) && record.end - record.start >= 2 * sector, "the record");
        Self { slots, record, page, erase_step }
    }

    /// Bytes of the flash that a slot has.
    pub fn slot(&self, slot: Slot) -> Range<u32> {
        self.slots[slot.index()].clone()
    }

    pub(crate) fn page(&self) -> u32 {
        self.page
    }

    pub(crate) fn erase_step(&self) -> u32 {
        self.erase_step
    }
}

const fn is_whole(range: &Range<u32>, sector: u32) -> bool {
    range.start < range.end && range.start.is_multiple_of(sector) && range.end.is_multiple_of(sector)
}

/// What a board's program takes, and what a boot finds beside it.
#[derive(Clone, Copy, Debug)]
pub struct Program {
    /// CRC-32 and bytes of the blob in slot A, as its header has them; none if there is no header of a blob. It tells that a programmer has put
    /// another model there, which the record does not know.
    pub found: Option<(u32, u32)>,
    /// The version of the blobs that it reads.
    pub format_version: u32,
    /// Bytes of memory that it has for a picture and an arena.
    pub memory: u32,
    /// The ed25519 key with which models must be signed, if they must be.
    pub key: Option<[u8; 32]>,
}

impl Program {
    /// Tells a program from another one that takes other signatures.
    fn origin(&self) -> u32 {
        CRC32.checksum(self.key.as_ref().map_or(&[], |key| key))
    }
}

/// What a boot begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Boot {
    /// The model to load.
    pub slot: Slot,
    /// What is to be said of it.
    pub event: BootEvent,
}

/// What is to be said of a boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BootEvent {
    /// The model has classified before.
    Running,
    /// The model is new.
    Trial {
        /// So many boots in a row have ended while it was loaded or classified.
        failed: u8,
    },
    /// It was [`FAILED_BOOTS`] of them, or the boot could not be counted: this is the model before.
    RolledBack,
}

/// What the record says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Record {
    origin: u32,
    active: Slot,
    /// Of the model on trial: boots in a row that ended at risk, and whether this boot is.
    failed: u8,
    is_at_risk: bool,
    models: [ModelInfo; 2],
}

impl Record {
    const EMPTY: ModelInfo = ModelInfo { state: ModelState::Empty, crc32: 0, len: 0 };

    /// Of a board with a new program: what lies in slot A runs.
    fn new(program: &Program) -> Self {
        Self { origin: program.origin(), active: Slot::A, failed: 0, is_at_risk: false, models: [Self::EMPTY; 2] }
            .flashed(program)
    }

    /// With the model active that a programmer has put into slot A.
    fn flashed(mut self, program: &Program) -> Self {
        let (crc32, len) = program.found.unwrap_or_default();
        self.models[Slot::A.index()] = ModelInfo { state: ModelState::Good, crc32, len };
        Self { active: Slot::A, failed: 0, is_at_risk: false, ..self }
    }

    /// Whether slot A has another model than this record knows. While an update writes there, the record knows of none.
    fn is_outdated(&self, program: &Program) -> bool {
        let ModelInfo { state, crc32, len } = self.models[Slot::A.index()];
        state != ModelState::Empty && program.found.is_some_and(|found| found != (crc32, len))
    }

    fn encode(&self) -> [u8; RECORD_LEN] {
        let [a, b] = &self.models;
        let flags =
            [self.active.index() as u8, u8::from(self.is_at_risk) << 7 | self.failed, a.state as u8, b.state as u8];
        let words = [self.origin, u32::from_le_bytes(flags), a.crc32, b.crc32, a.len, b.len];
        let mut value = [0; RECORD_LEN];
        for (bytes, word) in value.chunks_exact_mut(4).zip(words) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        value
    }

    fn decode(value: &[u8; RECORD_LEN]) -> Self {
        let state = |number| {
            let states = [ModelState::Unproven, ModelState::Good, ModelState::Failed];
            states.into_iter().find(|state| *state as u8 == number).unwrap_or(ModelState::Empty)
        };
        let (words, _) = value.as_chunks();
        let word = |index: usize| words.get(index).map_or(0, |word| u32::from_le_bytes(*word));
        let [active, boots, a, b] = word(1).to_le_bytes();
        Self {
            origin: word(0),
            active: if active == 0 { Slot::A } else { Slot::B },
            failed: boots & 0x7F,
            is_at_risk: boots & 0x80 != 0,
            models: [
                ModelInfo { state: state(a), crc32: word(2), len: word(4) },
                ModelInfo { state: state(b), crc32: word(3), len: word(5) },
            ],
        }
    }

    /// The model of a slot.
    fn model(&mut self, slot: Slot) -> &mut ModelInfo {
        &mut self.models[slot.index()]
    }

    fn is_on_trial(&self) -> bool {
        self.models[self.active.index()].state == ModelState::Unproven
    }

    /// With the other model active; one that is not known to be good is on trial.
    fn switched(mut self) -> Self {
        self.active = self.active.other();
        let model = self.model(self.active);
        if model.state != ModelState::Good {
            model.state = ModelState::Unproven;
        }
        self.failed = 0;
        self.is_at_risk = false;
        self
    }
}

/// The two models in a board's flash, the record of which runs, and the board's settings.
///
/// A board calls [`Self::boot`], loads the model that it names, calls [`Self::wait`] when it begins to wait for a camera, [`Self::risk`]
/// when it has a frame to classify, and [`Self::confirm`] when that is done. All three write nothing if the model is not on trial, and so
/// may be called for every frame. If the model cannot be loaded, it calls [`Self::reject`].
pub struct Store<F> {
    flash: F,
    layout: Layout,
    program: Program,
    log: Log,
    record: Record,
    settings: [u8; SETTINGS_LEN],
}

impl<F: NorFlash> Store<F> {
    /// Reads record and settings, and writes nothing. A record that a program with another key has left counts as none: then slot A runs. So
    /// does it if a programmer has put another model there, whichever ran before. Settings are kept in all these cases.
    pub fn open(mut flash: F, layout: Layout, program: Program) -> Self {
        let (log, value) = Log::open(&mut flash, layout.record.clone(), layout.page);
        let mut settings = [0xFF; SETTINGS_LEN];
        let record = value.as_ref().and_then(|value| {
            let (record, kept) = value.split_first_chunk()?;
            settings.copy_from_slice(kept);
            Some(Record::decode(record)).filter(|record| record.origin == program.origin())
        });
        let record = record.unwrap_or_else(|| Record::new(&program));
        let record = if record.is_outdated(&program) { record.flashed(&program) } else { record };
        Self { flash, layout, log, record, settings, program }
    }

    /// What [`Self::set_settings`] was given last; as an erased flash if it was never called.
    pub fn settings(&self) -> &[u8; SETTINGS_LEN] {
        &self.settings
    }

    /// Keeps these bytes; what they mean is the board's affair. Writes nothing if they are there already.
    ///
    /// # Errors
    ///
    /// If they cannot be written; then those before count.
    pub fn set_settings(&mut self, settings: &[u8; SETTINGS_LEN]) -> Result<(), FlashFailed> {
        if self.settings != *settings {
            self.append(&self.record.encode(), settings)?;
            self.settings = *settings;
        }
        Ok(())
    }

    /// What to load now. Of a model on trial it counts the boots that ended at risk, and goes back after [`FAILED_BOOTS`] in a row.
    pub fn boot(&mut self) -> Boot {
        let mut record = self.record;
        let mut event = BootEvent::Running;
        if record.is_on_trial() {
            record.failed = if record.is_at_risk { record.failed + 1 } else { 0 };
            record.is_at_risk = true;
            event = BootEvent::Trial { failed: record.failed };
            // A trial that cannot be counted would have no end.
            if record.failed >= FAILED_BOOTS || self.save(record).is_err() {
                self.give_up();
                event = BootEvent::RolledBack;
            }
        }
        Boot { slot: self.record.active, event }
    }

    /// The model is loaded and waits for a camera: a reset from now on is not its fault.
    ///
    /// # Errors
    ///
    /// If the record cannot be written.
    pub fn wait(&mut self) -> Result<(), FlashFailed> {
        self.set_risk(false)
    }

    /// The model classifies: a reset from now on is its fault.
    ///
    /// # Errors
    ///
    /// If the record cannot be written.
    pub fn risk(&mut self) -> Result<(), FlashFailed> {
        self.set_risk(true)
    }

    /// The model has classified a frame, and is good.
    ///
    /// # Errors
    ///
    /// If the record cannot be written.
    pub fn confirm(&mut self) -> Result<(), FlashFailed> {
        if !self.is_on_trial() {
            return Ok(());
        }
        let mut record = self.record;
        record.model(record.active).state = ModelState::Good;
        record.failed = 0;
        record.is_at_risk = false;
        self.save(record)
    }

    /// The model that [`Self::boot`] named cannot be loaded. Goes to the other one and names it, if there is one that may be good.
    pub fn reject(&mut self) -> Option<Slot> {
        match self.record.models[self.record.active.other().index()].state {
            ModelState::Good | ModelState::Unproven => {
                self.give_up();
                Some(self.record.active)
            }
            ModelState::Empty | ModelState::Failed => None,
        }
    }

    /// Goes to the other model on request; the board then boots. One that has failed before is on trial again.
    ///
    /// # Errors
    ///
    /// [`RollbackError`]; then nothing has changed.
    pub fn rollback(&mut self) -> Result<Slot, RollbackError> {
        if self.record.models[self.record.active.other().index()].state == ModelState::Empty {
            return Err(RollbackError::NoOther);
        }
        self.save(self.record.switched())?;
        Ok(self.record.active)
    }

    /// Whether all of a slot's model can be read, a word of which may be torn: a processor that reads in place may fault at that.
    pub fn is_readable(&mut self, slot: Slot) -> bool {
        let place = self.layout.slot(slot);
        // A header at least, of which there may be less.
        let end = place.start + self.record.model(slot).len.max(MAX_PAGE as u32).min(place.end - place.start);
        let mut buffer = [0; MAX_PAGE];
        (place.start..end).step_by(MAX_PAGE).all(|offset| {
            let len = (end - offset).min(MAX_PAGE as u32) as usize;
            self.flash.read(offset, &mut buffer[..len]).is_ok()
        })
    }

    /// The slot whose model runs, or is to be loaded.
    pub fn active(&self) -> Slot {
        self.record.active
    }

    /// What is in both slots, in the order of [`Slot::ALL`].
    pub fn models(&self) -> [ModelInfo; 2] {
        self.record.models
    }

    /// Whether the active model has not classified a frame yet.
    pub fn is_on_trial(&self) -> bool {
        self.record.is_on_trial()
    }

    /// What the board's program is and takes.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// Where its models are.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The flash that all of it lies in.
    pub fn chip(&self) -> &F {
        &self.flash
    }

    pub(crate) fn flash(&mut self) -> &mut F {
        &mut self.flash
    }

    /// Says that the slot that does not run has no model any more, which comes before its first erase.
    pub(crate) fn empty_other(&mut self) -> Result<(), FlashFailed> {
        let mut record = self.record;
        let other = record.model(record.active.other());
        if other.state == ModelState::Empty {
            return Ok(());
        }
        *other = ModelInfo { state: ModelState::Empty, crc32: 0, len: 0 };
        self.save(record)
    }

    /// Puts the model that lies in the other slot on trial: the one write of an update that counts.
    pub(crate) fn switch(&mut self, crc32: u32, len: u32) -> Result<(), FlashFailed> {
        let mut record = self.record;
        *record.model(record.active.other()) = ModelInfo { state: ModelState::Unproven, crc32, len };
        self.save(record.switched())
    }

    fn set_risk(&mut self, is_at_risk: bool) -> Result<(), FlashFailed> {
        if !self.is_on_trial() || self.record.is_at_risk == is_at_risk {
            return Ok(());
        }
        self.save(Record { is_at_risk, ..self.record })
    }

    /// Goes to the other model since the active one is no good, in this run at least: if the record cannot be written, the next boot
    /// comes to the same.
    fn give_up(&mut self) {
        let mut record = self.record;
        record.model(record.active).state = ModelState::Failed;
        let mut record = record.switched();
        record.is_at_risk = record.is_on_trial();
        let _ = self.save(record);
        self.record = record;
    }

    fn save(&mut self, record: Record) -> Result<(), FlashFailed> {
        let settings = self.settings;
        self.append(&record.encode(), &settings)?;
        self.record = record;
        Ok(())
    }

    fn append(&mut self, record: &[u8; RECORD_LEN], settings: &[u8; SETTINGS_LEN]) -> Result<(), FlashFailed> {
        let mut value = [0; VALUE_LEN];
        value[..RECORD_LEN].copy_from_slice(record);
        value[RECORD_LEN..].copy_from_slice(settings);
        self.log.append(&mut self.flash, &value)
    }
}
