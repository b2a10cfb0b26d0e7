//! The board that every browser is: what `firmware` does with a model and a camera's frame, for a page that calls it as WebAssembly.
//!
//! An instance of the module is one board. It boots with one blob and classifies with it until it is thrown away; another
//! blob gets another instance, so that a blob that is refused leaves the running one alone. The exported functions are the whole
//! interface, and numbers their only arguments: the page writes a blob or a frame into the memory that [`board_room`] gives, and
//! reads answers as JSON, `{"Ok": …}` or `{"Err": "a sentence"}`, from [`board_answer`].
//!
//! The frames of a browser have 8 bits a colour, are complete, and come from a camera that others have started: of the pipeline
//! there are the boot with its known answer, the reduction of a frame, smoothing and decision, and nothing of the supervisor.

// For the names of the exported functions alone, which must be unique in a program: no other begins with `board_`.
#![expect(unsafe_code, reason = "an exported name is an unsafe attribute")]
#![deny(missing_docs)]

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

/// The memory of an instance.
struct Board {
    /// What came last: a blob or a frame.
    room: Vec<u8>,
    answer: Vec<u8>,
    running: Option<Running>,
}

thread_local! {
    static BOARD: RefCell<Board> = const { RefCell::new(Board { room: Vec::new(), answer: Vec::new(), running: None }) };
}

impl Board {
    /// Keeps an answer and gives its length.
    fn answer(&mut self, answer: &Result<impl Serialize, String>) -> usize {
        self.answer = serde_json::to_vec(answer).expect("text, numbers and lists are JSON");
        self.answer.len()
    }
}

fn with<T>(deed: impl FnOnce(&mut Board, &mut Running) -> T) -> T {
    BOARD.with_borrow_mut(|board| {
        let mut running = board.running.take().expect("the page has booted it");
        let result = deed(board, &mut running);
        board.running = Some(running);
        result
    })
}

/// Room for `len` bytes of a blob or of a frame; what was there before is lost. It is read by the next call of [`board_boot`]
/// or [`board_resize`].
#[unsafe(no_mangle)]
pub extern "C" fn board_room(len: usize) -> *mut u8 {
    BOARD.with_borrow_mut(|board| {
        board.room.resize(len, 0);
        board.room.as_mut_ptr()
    })
}

/// The last answer, as long as the function said that gave it.
#[unsafe(no_mangle)]
pub extern "C" fn board_answer() -> *const u8 {
    BOARD.with_borrow(|board| board.answer.as_ptr())
}

/// Boots with the blob in the room. The answer is what is known about the model, or why it is refused.
#[unsafe(no_mangle)]
pub extern "C" fn board_boot() -> usize {
    BOARD.with_borrow_mut(|board| {
        let started = Running::start(&board.room);
        let card = started.map(|(running, card)| {
            board.running = Some(running);
            card
        });
        board.answer(&card)
    })
}

/// Forgets the frames so far. Those that come are of a video and smoothed as on a board, or pictures that have nothing to do with
/// each other.
#[unsafe(no_mangle)]
pub extern "C" fn board_begin(is_video: bool) {
    let method = if is_video { VIDEO } else { Method::None };
    with(|_, running| running.smoothing = Smoothing::new(method, running.booted.decision()));
}

/// Reduces the frame in the room, four bytes a pixel, to the network's picture. The answer is empty, or says what is wrong with the
/// frame.
#[unsafe(no_mangle)]
pub extern "C" fn board_resize(width: u16, height: u16) -> usize {
    with(|board, running| {
        let Booted { model, picture, .. } = &mut running.booted;
        let resized = resize::<Rgba>(&board.room, width, height, model.input_shape(), picture);
        board.answer(&resized.map_err(|error| error.to_string()))
    })
}

/// The network's picture, `[h, w, c]`, 0 … 255.
#[unsafe(no_mangle)]
pub extern "C" fn board_picture() -> *const u8 {
    with(|_, running| running.booted.picture.as_ptr())
}

/// Classifies the network's picture. The answer is what it shows.
#[unsafe(no_mangle)]
pub extern "C" fn board_classify() -> usize {
    with(|board, running| {
        let answer = running.classify();
        board.answer(&answer)
    })
}
