//! The board that every browser is: what `firmware` does with a model and a camera's frame, for a page that calls it as WebAssembly; and
//! [`client`], the page at the other end of a real board's line.
//!
//! An instance of the module is one board or one client. A board boots with one blob and classifies with it until it is thrown away; another
//! blob gets another instance, so that a blob that is refused leaves the running one alone. The exported functions are the whole
//! interface, and numbers their only arguments: the page writes a blob, a frame or a text into the memory that [`memory::room`] gives, and
//! reads answers from [`memory::answered`]: mostly JSON, `{"Ok": …}` or `{"Err": "a sentence"}`.
//!
//! The frames of a browser have 8 bits a colour, are complete, and come from a camera that others have started: of the pipeline
//! there are the boot with its known answer, the reduction of a frame, smoothing and decision, and nothing of the supervisor.

// For the names of the exported functions alone, which must be unique in a program: no other begins with `board_` or `client_`.
#![expect(unsafe_code, reason = "an exported name is an unsafe attribute")]
#![deny(missing_docs)]

pub mod client;
pub mod memory;
mod zip;

use std::cell::RefCell;

use firmware::boot::{Booted, boot};
use firmware::pipeline::{Method, Smoothing};
use protocol::Verdict;
use serde::Serialize;
use shared_model::graph::Accuracy;
use shared_model::resize::{PixelFormat, resize};
use shared_model::{AlignedBytes, Model};

/// What boards smooth a camera's frames by.
const VIDEO: Method = Method::Exponential { weight: 96 };

/// The pixels of a canvas; how opaque they are does not count.
struct Rgba;

impl PixelFormat for Rgba {
    const BYTES: usize = 4;

    #[inline]
    fn rgb(bytes: &[u8]) -> [u8; 3] {
        [bytes[0], bytes[1], bytes[2]]
    }
}

/// What the page is told about a model.
#[derive(Serialize)]
struct Card {
    name: &'static str,
    labels: Vec<&'static str>,
    height: u16,
    width: u16,
    channels: u16,
    /// Of the blob.
    bytes: usize,
    crc32: u32,
    multiplications: u64,
    accuracy: Accuracy,
    /// In units of 1/65,535.
    threshold: u16,
    preset: &'static str,
    trainer: &'static str,
}

/// What the page is told about a frame.
#[derive(Serialize)]
struct Answer {
    /// Of this frame and those before it.
    verdict: Verdict,
    /// Of this frame, one a class, in units of 1/65,535.
    probabilities: Vec<u16>,
    /// Of this frame.
    logits: Vec<i32>,
}

/// A board from its power-on to the end of its page, which frees nothing, as no board does.
struct Running {
    booted: Booted<'static, 'static>,
    smoothing: Smoothing,
}

impl Running {
    /// In the words of the loader, or of the boot, why the blob is not run.
    fn start(blob: &[u8]) -> Result<(Self, Card), String> {
        let blob: &AlignedBytes = Box::leak(Box::new(AlignedBytes::from(blob)));
        let model = Model::load(blob).map_err(|error| error.to_string())?;
        let memory = vec![0; model.input_shape().elements() + model.fast_arena_len()];
        let booted = boot(blob, Box::leak(Box::new(None)), memory.leak()).map_err(|error| error.to_string())?;
        let (graph, shape) = (booted.model.graph(), booted.model.input_shape());
        let card = Card {
            name: graph.name,
            labels: graph.labels.iter().collect(),
            height: shape.height,
            width: shape.width,
            channels: shape.channels,
            bytes: blob.len(),
            crc32: booted.model.crc32(),
            multiplications: booted.model.steps().iter().map(|step| step.multiply_accumulates()).sum(),
            accuracy: graph.accuracy,
            threshold: graph.decision.threshold,
            preset: graph.provenance.preset,
            trainer: graph.provenance.trainer,
        };
        let smoothing = Smoothing::new(Method::None, booted.decision());
        Ok((Self { booted, smoothing }, card))
    }

    fn classify(&mut self) -> Result<Answer, String> {
        let classification =
            self.booted.interpreter.classify(self.booted.picture).map_err(|error| error.to_string())?;
        let probabilities = classification.probabilities();
        Ok(Answer {
            verdict: self.smoothing.update(&probabilities),
            probabilities: probabilities.to_vec(),
            logits: classification.logits.to_vec(),
        })
    }
}

thread_local! {
    static RUNNING: RefCell<Option<Running>> = const { RefCell::new(None) };
}

fn with<T>(deed: impl FnOnce(&mut Running) -> T) -> T {
    RUNNING.with_borrow_mut(|running| deed(running.as_mut().expect("the page has booted it")))
}

/// Boots with the blob in the room. The answer is what is known about the model, or why it is refused.
#[unsafe(no_mangle)]
pub extern "C" fn board_boot() -> usize {
    let started = memory::with_room(Running::start);
    memory::answer_json(&started.map(|(running, card)| {
        RUNNING.set(Some(running));
        card
    }))
}

/// Forgets the frames so far. Those that come are of a video and smoothed as on a board, or pictures that have nothing to do with
/// each other.
#[unsafe(no_mangle)]
pub extern "C" fn board_begin(is_video: bool) {
    let method = if is_video { VIDEO } else { Method::None };
    with(|running| running.smoothing = Smoothing::new(method, running.booted.decision()));
}

/// Reduces the frame in the room, four bytes a pixel, to the network's picture. The answer is empty, or says what is wrong with the
/// frame.
#[unsafe(no_mangle)]
pub extern "C" fn board_resize(width: u16, height: u16) -> usize {
    with(|running| {
        let Booted { model, picture, .. } = &mut running.booted;
        let resized = memory::with_room(|room| resize::<Rgba>(room, width, height, model.input_shape(), picture));
        memory::answer_json(&resized.map_err(|error| error.to_string()))
    })
}

/// The network's picture, `[h, w, c]`, 0 … 255.
#[unsafe(no_mangle)]
pub extern "C" fn board_picture() -> *const u8 {
    with(|running| running.booted.picture.as_ptr())
}

/// Classifies the network's picture. The answer is what it shows.
#[unsafe(no_mangle)]
pub extern "C" fn board_classify() -> usize {
    with(|running| memory::answer_json(&running.classify()))
}
