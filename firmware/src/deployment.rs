//! Another model while the board runs: what a board does with [`model_store`] between a boot and the next one.
//!
//! ```text
//! loop {
//!     deployment.start()             the slot to load, and whether the new model had to give way
//!     boot()                         if that fails: deployment.reject(), and another turn, or a failure that is told for ever
//!     deployment.wait()              it is loaded
//!     until a change {
//!         deployment.step()          one frame, and what a computer has asked for
//!     }
//!     deployment.install()           with the memory of the model that ran
//! }
//! ```
//!
//! All of it goes on without a reset. Frames go on while a model comes, one or two a second: between two of them the board takes chunks for
//! [`SHARE_MS`].

use crate::boot::{BootError, boot};
use crate::camera::FrameSource;
use crate::pipeline::{Buffers, Pipeline};
use crate::report::Report;
use crate::settings::{Kept, Key, Refusal, Scope};
use crate::watchdog::Watchdog;
use core::fmt::Display;
use core::ops::Range;
use embassy_futures::yield_now;
use embedded_hal_async::delay::DelayNs;
use embedded_storage::nor_flash::NorFlash;
use heapless::String;
use model_store::{BootEvent, FAILED_BOOTS, Layout, Program, Slot, Store, Updater};
use protocol::{
    Message, ModelRequest, Models, Request, SettingAnswer, SettingRequest, TimeUnit, TransferState, UpdateRequest,
    cut_off,
};
use shared_model::graph::Graph;
use shared_model::{FORMAT_VERSION, Header, Model};

/// The longest time between two frames in which a board takes parts of a model.
pub const SHARE_MS: u64 = 400;
/// A computer that sends has answered after so long; a board waits no longer for it before the next frame.
const IDLE_MS: u64 = 20;
/// The most bytes of [`Models::note`].
const NOTE_LEN: usize = 384;

/// A flash that the processor reads in place.
pub trait Mapped: NorFlash {
    /// These bytes, in place, at a multiple of 16. They are used until the next call, or until the range is written, and not longer: a
    /// [`Deployment`] writes to the slot that does not run, and loads one at a time.
    fn mapped(&self, range: Range<u32>) -> &'static [u8];
}

/// Why a pipeline has to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// A model has come: [`Deployment::install`] needs the memory.
    Install,
    /// The other model is to be loaded.
    Restart,
    /// A setting is another one: [`Pipeline::apply`] does what it says, and the board what only it can do. The pipeline need not end.
    Setting(Key),
}

/// The models of a board, the update of one, and the settings, which are kept beside them.
pub struct Deployment<F> {
    store: Store<F>,
    updater: Updater,
    settings: Kept,
    note: String<NOTE_LEN>,
    /// Ticks of the clock in a millisecond.
    millisecond: u64,
}

impl<F: Mapped> Deployment<F> {
    /// With `memory` bytes for a picture and an arena, and the key with which models must be signed, if they must be. `time_unit` is what the
    /// clock of [`Self::serve`] counts, and `scope` what of the board can be set.
    pub fn open(
        mut flash: F,
        layout: Layout,
        memory: usize,
        key: Option<[u8; 32]>,
        time_unit: TimeUnit,
        scope: Scope,
    ) -> Self {
        let mut header = [0; Header::LEN];
        let is_read = flash.read(layout.slot(Slot::A).start, &mut header).is_ok();
        let header = Header::read(&header).ok().filter(|_| is_read);
        let found = header.map(|header| (header.crc32, header.len));
        let program = Program { found, format_version: FORMAT_VERSION, memory: memory as u32, key };
        let store = Store::open(flash, layout, program);
        let (settings, unknown) = Kept::open(scope, store.settings());
        Self {
            store,
            updater: Updater::new(),
            settings,
            note: unknown.map_or(String::new(), |unknown| {
                cut_off(format_args!(
                    "of the settings that were kept, some are not for this board and program, {unknown:?} among them: they are as the program has them"
                ))
            }),
            millisecond: match time_unit {
                TimeUnit::Microseconds => 1_000,
                // An emulated instruction takes a nanosecond.
                TimeUnit::Instructions => 1_000_000,
            },
        }
    }

    /// The bytes from which to load now, none if they cannot be read; see [`Store::boot`].
    pub fn start(&mut self) -> &'static [u8] {
        let started = self.store.boot();
        if started.event == BootEvent::RolledBack {
            self.note = cut_off(format_args!(
                "the model that was sent last ended {FAILED_BOOTS} starts in a row while it was loaded or classified: the board went back to \
                 the one before"
            ));
        }
        if self.store.is_readable(started.slot) { self.region(started.slot) } else { &[] }
    }

    /// What was to be loaded cannot be. Whether the other model is to be loaded instead.
    pub fn reject(&mut self, reason: impl Display) -> bool {
        let is_other = self.store.reject().is_some();
        if is_other {
            self.note = cut_off(format_args!("the board went back to the model before: {reason}"));
        }
        is_other
    }

    /// The model is loaded and waits for a camera; see [`Store::wait`].
    pub fn wait(&mut self) {
        // If the record cannot be written, the trial goes on.
        let _ = self.store.wait();
    }

    /// What a computer has made of the settings, or left of them.
    pub const fn settings(&self) -> &Kept {
        &self.settings
    }

    /// What happened since the power came: mostly nothing.
    pub fn note(&self) -> &str {
        &self.note
    }

    /// What the board has and takes.
    pub fn models(&self) -> Models<'_> {
        let (store, program) = (&self.store, self.store.program());
        let place = store.layout().slot(store.active().other());
        Models {
            active: store.active().index() as u8,
            models: store.models(),
            room: place.end - place.start,
            format_version: program.format_version,
            memory: program.memory,
            needs_signature: program.key.is_some(),
            note: &self.note,
        }
    }

    /// A frame is about to be classified; see [`Store::risk`].
    pub fn risk(&mut self) {
        let _ = self.store.risk();
    }

    /// A frame was classified; see [`Store::confirm`].
    pub fn confirm(&mut self) {
        let _ = self.store.confirm();
    }

    /// One frame, and then what a computer has asked for: see [`Pipeline::step`] and [`Self::serve`].
    pub async fn step<S: FrameSource, D: DelayNs, R: Report, C: Fn() -> u64>(
        &mut self,
        pipeline: &mut Pipeline<'_, '_, S, D, R, C>,
        buffers: &mut Buffers<'_>,
        watchdog: &mut impl Watchdog,
        requests: impl FnMut() -> Option<UpdateRequest>,
        clock: impl Fn() -> u64,
    ) -> Option<Change> {
        let holds_frame = buffers.holds_frame();
        if holds_frame {
            self.risk();
        }
        pipeline.step(buffers, watchdog).await;
        if holds_frame {
            self.confirm();
        }
        self.answer_all(Some(pipeline.graph()), pipeline.report_mut(), requests, clock).await
    }

    /// Answers what has come through `requests`; while a model comes, waits for more of it for a while. `clock` is the pipeline's. For a board
    /// that must not classify: there is no model that has the classes of a setting or has not.
    pub async fn serve(
        &mut self,
        report: &mut impl Report,
        requests: impl FnMut() -> Option<UpdateRequest>,
        clock: impl Fn() -> u64,
    ) -> Option<Change> {
        self.answer_all(None, report, requests, clock).await
    }

    async fn answer_all(
        &mut self,
        graph: Option<&Graph<'_>>,
        report: &mut impl Report,
        mut requests: impl FnMut() -> Option<UpdateRequest>,
        clock: impl Fn() -> u64,
    ) -> Option<Change> {
        let start = clock();
        let mut last = start;
        while clock() - start < SHARE_MS * self.millisecond {
            if let Some(request) = requests() {
                let change = self.answer(&request.request(), graph, report).await;
                if change.is_some() {
                    return change;
                }
                last = clock();
            } else if self.updater.is_receiving() && clock() - last < IDLE_MS * self.millisecond {
                yield_now().await;
            } else {
                return None;
            }
        }
        None
    }

    async fn answer(
        &mut self,
        request: &Request<'_>,
        graph: Option<&Graph<'_>>,
        report: &mut impl Report,
    ) -> Option<Change> {
        let answer = match request {
            Request::Models(ModelRequest::List) => None,
            Request::Models(ModelRequest::Rollback) => match self.store.rollback() {
                Ok(_) => {
                    self.note.clear();
                    report.report(&Message::Models(self.models())).await;
                    return Some(Change::Restart);
                }
                Err(error) => {
                    self.note = cut_off(error);
                    None
                }
            },
            Request::Models(ModelRequest::Deploy(announcement)) => {
                Some(self.updater.announce(&mut self.store, announcement))
            }
            Request::Chunk(chunk) => {
                let answer = self.updater.take(&mut self.store, chunk);
                if answer.received == chunk.total && answer.state == TransferState::Incomplete {
                    // The answer follows when it is known what the model is good for.
                    return self.updater.is_received().then_some(Change::Install);
                }
                Some(answer)
            }
            Request::Settings(SettingRequest::List) => {
                for key in self.settings.keys() {
                    let described = self.settings.describe(key, graph);
                    report.report(&Message::Setting(SettingAnswer::Present(described.setting()))).await;
                }
                return None;
            }
            Request::Settings(SettingRequest::Set { key, value }) => {
                let outcome = self.set(key, value, graph);
                match outcome {
                    Ok(key) => {
                        let described = self.settings.describe(key, graph);
                        report.report(&Message::Setting(SettingAnswer::Changed(described.setting()))).await;
                    }
                    Err(refusal) => {
                        let reason = &self.settings.explain(refusal, key, value, graph);
                        report.report(&Message::Setting(SettingAnswer::Refused { key, reason })).await;
                    }
                }
                return outcome.ok().map(Change::Setting);
            }
            Request::DeviceInfo
            | Request::Pictures(_)
            | Request::Acknowledgement(_)
            | Request::FullFrames(_)
            | Request::Examine(_) => return None,
        };
        match answer {
            Some(answer) => report.report(&Message::Acknowledgement(answer)).await,
            None => report.report(&Message::Models(self.models())).await,
        }
        None
    }

    /// Keeps another value of a setting, and says which it is.
    #[inline(never)] // What it needs of the stack is free again afterwards.
    fn set(&mut self, key: &str, value: &str, graph: Option<&Graph<'_>>) -> Result<Key, Refusal> {
        let (settings, key) = self.settings.with(key, value, graph)?;
        let bytes = settings.encode().ok_or(Refusal::Room)?;
        self.store.set_settings(&bytes).map_err(Refusal::Flash)?;
        self.settings = settings;
        Ok(key)
    }

    /// Checks the model that has come, in its slot, with the memory that the one before has given up, and answers.
    pub async fn install(&mut self, model: &mut Option<Model<'static>>, memory: &mut [u8], report: &mut impl Report) {
        let region = self.region(self.store.active().other());
        let check = |_, len: u32| {
            let blob = region.get(..len as usize).unwrap_or_default();
            boot(blob, model, memory).map(|booted| booted.model.crc32())
        };
        if let Some(answer) = self.updater.install::<F, BootError>(&mut self.store, check) {
            report.report(&Message::Acknowledgement(answer)).await;
        }
        if self.store.is_on_trial() {
            self.note.clear();
        }
    }

    /// The flash.
    pub fn chip(&self) -> &F {
        self.store.chip()
    }

    fn region(&self, slot: Slot) -> &'static [u8] {
        self.store.chip().mapped(self.store.layout().slot(slot))
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use crate::camera::{ByteOrder, FrameFormat};
    use crate::settings::Settings;
    use crate::testing::network;
    use core::cell::Cell;
    use embassy_futures::block_on;
    use flash_models::{Cut, NorFlashModel};
    use protocol::{Announcement, Chunk, ChunkKind};
    use shared_model::AlignedBytes;
    use shared_model::encode::encode;
    use std::boxed::Box;
    use std::format;
    use std::string::String;
    use std::vec::Vec;

    const FORMAT: FrameFormat = FrameFormat { width: 32, height: 32, order: ByteOrder::LittleEndian };
    type Chip = NorFlashModel<Vec<u8>, 32, 1024>;
    const SLOT: u32 = 4096;

    impl Mapped for Chip {
        fn mapped(&self, range: Range<u32>) -> &'static [u8] {
            Box::leak(Box::new(AlignedBytes::from(&self.bytes()[range.start as usize..range.end as usize])))
        }
    }

    /// Counts what is said.
    #[derive(Default)]
    struct Heard {
        acknowledgements: u32,
        notes: Vec<String>,
        settings: Vec<String>,
    }

    impl Report for Heard {
        async fn report(&mut self, message: &Message<'_>) {
            match message {
                Message::Acknowledgement(_) => self.acknowledgements += 1,
                Message::Models(models) => self.notes.push(models.note.into()),
                Message::Setting(answer) => self.settings.push(match answer {
                    SettingAnswer::Present(setting) => format!("{} is {}", setting.key, setting.value),
                    SettingAnswer::Changed(setting) => format!("{} is now {}", setting.key, setting.value),
                    SettingAnswer::Refused { key, reason } => format!("{key}: {reason}"),
                }),
                other => panic!("{other:?}"),
            }
        }
    }

    fn scope() -> Scope {
        Scope {
            defaults: Settings::DEFAULT,
            format: FORMAT,
            has_views: false,
            longest_interval_ms: 0,
            has_output: false,
        }
    }

    fn layout() -> Layout {
        Layout::new::<Chip>([0..SLOT, SLOT..2 * SLOT], 2 * SLOT..2 * SLOT + 2048, 32, 1024)
    }

    /// A board with this in slot A and nothing else.
    fn board(content: &[u8]) -> Deployment<Chip> {
        let capacity = 2 * SLOT as usize + 2048;
        let mut chip = Chip::new(std::vec![0; Chip::memory_len(capacity)], capacity, true);
        let mut words = content.to_vec();
        words.resize(content.len().next_multiple_of(32), 0xFF);
        chip.write(0, &words).expect("it is erased");
        Deployment::open(chip, layout(), 8192, None, TimeUnit::Microseconds, scope())
    }

    fn request(request: &Request<'_>) -> Option<UpdateRequest> {
        Some(UpdateRequest::new(request).expect("it is about models"))
    }

    #[test]
    fn a_transfer_gets_its_share_of_the_time_and_a_silent_one_no_more() {
        let mut deployment = board(&encode(&network(&[0, 0])).expect("the network is valid"));
        let mut heard = Heard::default();
        // Each look at the clock takes a millisecond.
        let now = Cell::new(0);
        let clock = || now.replace(now.get() + 1_000);
        let mut serve = |request: &dyn Fn() -> Option<UpdateRequest>| {
            let start = now.get();
            assert_eq!(block_on(deployment.serve(&mut heard, request, clock)), None);
            (now.get() - start) / 1_000
        };
        assert!(serve(&|| None) < 5);
        let announcement =
            Announcement { crc32: 1, len: 2000, format_version: 2, memory: 0, digest: &[0; 64], signature: &[] };
        let first = Cell::new(true);
        let announce = || first.take().then(|| request(&Request::Models(ModelRequest::Deploy(announcement))).unwrap());
        assert!((IDLE_MS..2 * IDLE_MS).contains(&serve(&announce)));
        // The same chunk again and again.
        let chunk = Chunk { id: 1, kind: ChunkKind::Model, total: 2000, offset: 0, bytes: &[0; 100] };
        assert!((SHARE_MS..SHARE_MS + 5).contains(&serve(&|| request(&Request::Chunk(chunk)))));
        assert!((IDLE_MS..2 * IDLE_MS).contains(&serve(&|| None)));
        assert!(heard.acknowledgements > 50 && heard.notes.is_empty());
    }

    #[test]
    fn settings_are_asked_for_changed_refused_and_kept() {
        let mut deployment = board(&[0; 64]);
        let mut heard = Heard::default();
        let mut ask = |deployment: &mut Deployment<Chip>, asked| {
            let first = Cell::new(true);
            let requests = || first.take().then(|| request(&Request::Settings(asked)).unwrap());
            let change = block_on(deployment.serve(&mut heard, requests, || 0));
            (change, core::mem::take(&mut heard.settings))
        };
        let set = |key, value| SettingRequest::Set { key, value };
        let (change, said) = ask(&mut deployment, SettingRequest::List);
        assert_eq!(change, None);
        let before = [
            "threshold is model",
            "smoothing is none",
            "region is all",
            "orientation is upright",
            "motion is expected",
            "pictures is off",
        ];
        assert_eq!(said, before);
        let (change, said) = ask(&mut deployment, set("threshold", "45"));
        assert_eq!(
            (change, said),
            (Some(Change::Setting(Key::Threshold)), std::vec![String::from("threshold is now 45")])
        );
        let operations = deployment.chip().operations();
        for (key, value) in [("threshold", "145"), ("view", "scene"), ("threshold", "45")] {
            ask(&mut deployment, set(key, value));
            assert_eq!(deployment.settings().present(), &Settings { threshold: Some(45), ..Settings::DEFAULT });
        }
        // Neither what was refused is written, nor what is so already.
        assert_eq!(deployment.chip().operations(), operations);
        let chip = deployment.chip().clone();
        let open = |chip| Deployment::open(chip, layout(), 8192, None, TimeUnit::Microseconds, scope());
        assert_eq!(open(chip.clone()).settings().present().threshold, Some(45));
        // A flash that fails changes nothing.
        let mut dead = chip.clone();
        dead.cut_power_at(0, Cut::Before);
        let mut deployment = open(dead);
        let (change, said) = ask(&mut deployment, set("threshold", "46"));
        assert_eq!(
            (change, said),
            (
                None,
                std::vec![String::from("threshold: threshold does not become \"46\": the flash failed to be written")]
            )
        );
        assert_eq!(deployment.settings().present().threshold, Some(45));
        // Another program, which has no such setting, says so, and has its own.
        let narrow = FrameFormat { width: 8, ..FORMAT };
        let mut deployment = open(chip);
        ask(&mut deployment, set("region", "0,0,16,8"));
        let scope = Scope { format: narrow, ..scope() };
        let other = Deployment::open(deployment.chip().clone(), layout(), 8192, None, TimeUnit::Microseconds, scope);
        assert_eq!(other.settings().present(), &Settings { threshold: Some(45), ..Settings::DEFAULT });
        assert!(
            other.note().contains("are not for this board and program, \"region=0,0,16,8\" among them"),
            "{}",
            other.note()
        );
    }

    #[test]
    fn a_board_without_a_model_says_so_and_has_nothing_to_go_back_to() {
        let mut deployment = board(&[0; 64]);
        let (mut model, mut memory) = (None, [0; 8192]);
        let error = boot(deployment.start(), &mut model, &mut memory).err().expect("there is no model");
        assert!(!deployment.reject(error));
        let mut heard = Heard::default();
        let first = Cell::new(true);
        let rollback = || first.take().then(|| request(&Request::Models(ModelRequest::Rollback)).unwrap());
        assert_eq!(block_on(deployment.serve(&mut heard, rollback, || 0)), None);
        assert_eq!(heard.notes, ["there is no other model on this board"]);
    }
}
