#![no_std]
#![deny(unsafe_code)]
#![deny(missing_docs)]
//! A small int8 image classifier: the blob format, the integer arithmetic and the forward pass.
//!
//! `no_std` and without an allocator; the feature `encode` adds the writer, which needs one. Trainer, tests and firmware
//! all call this one copy. The two contracts are `FORMAT.md` (the blob) and `NUMERICS.md` (the arithmetic, the same bits
//! everywhere), beside this crate's manifest.
//!
//! ```no_run
//! # use shared_model::{Aligned, Interpreter, Model};
//! # macro_rules! include_bytes { ($path:literal) => { &[0; 16] } }
//! static BLOB: &Aligned<[u8]> = &Aligned(*include_bytes!("vgg3-full.blob"));
//!
//! let model = Model::load(&BLOB.0)?; // validates everything, copies nothing
//! let mut arena = [0; 48 * 1024]; // at least model.arena_len(); the more, the faster
//! let mut interpreter = Interpreter::new(&model, &mut arena)?;
//! assert!(interpreter.known_answer_holds());
//! # let picture = [0; 3072];
//! let classification = interpreter.classify(&picture)?; // model.input_shape(), u8
//! println!("{}", model.label(classification.class));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # From operations to instructions
//!
//! An operation (`ops`) is what the format defines; a *step* is what is computed at once, such as a convolution with the pool behind
//! it. A [`Backend`] is a table of kernels for a family of cores, and a [`Plan`] says which of them computes each step of a network, in
//! which memory. All kernels give the same bits.
//!
//! The length of the arena decides how a network is computed. [`Model::plan`] says how; printed, a [`Plan`] is a table with the kernel of
//! each step, its memory, and how often an inference fetches each of the step's weights from the blob, which matters where
//! the flash is slow. For cores without vectors there are these convolutions:
//!
//! - *winograd* multiplies least: 36 products for 16 outputs of a 3×3 convolution instead of 144, and exactly (`NUMERICS.md`). It
//!   needs the most memory.
//! - *winograd-pieces* is the same with fewer words: the sums of four tiles and some output channels stay, and the input is transformed
//!   four channels after four, again for every group of outputs. The more memory, the larger the groups.
//! - *row-streaming* is for the least memory: a few columns of the input and one row of one filter are int16 at a time.
//! - *im2col* is for the first step, whose three channels are too few for the others.
//! - *direct* takes any shape and no assembly; a compiler for a processor with vectors makes the most of it.
//!
//! A host has memory, and vectors that multiply 16 pairs and more in an instruction. There, *blocked* multiplies by definition: a lane of a vector
//! is an output channel, and filters are packed for that in the first turn (`backend/blocked.rs`). Its innermost loop is written for AVX2, for AVX-VNNI,
//! for AVX-512 with VNNI, and for WebAssembly's vectors; which of the first three, [`Backend::native`] asks the processor.
//!
//! Their inner loops are portable Rust, two int16 in a word; on Cortex-M and RISC-V some of them are assembly (`backend/assembly`) that gives
//! the same bits, so that hosts can plan and test for such a core. The innermost loop of the fast kernel takes, for each pair of channels, four tiles
//! and two filters: with Arm's DSP extension six loads feed eight SMLAD, each of which multiplies and adds two pairs of int16; without it, twelve loads
//! of an int16 feed sixteen multiplications.
//!
//! ```text
//! the map, int8 [h, w, c]                    V, transformed inputs              U, transformed filters
//!                                            of one position, int16             of one position, int16
//!  c0 c1 c2 c3 | c4 c5 …                      tile0  tile1  tile2  tile3          filter0 filter1
//!  one word is four channels of a pixel      +------+------+------+------+       +------+------+
//!                                       c0,2 |      |      |      |      |  c0,2 |      |      |   a box is a word,
//!  36 pixels of a tile ---- Bᵀ d B -->  c1,3 |      |      |      |      |  c1,3 |      |      |   two channels
//!  9 taps of a filter  ---- G g Gᵀ -->  c4,6 |      |      |      |      |  c4,6 |      |      |
//!                                            +------+------+------+------+       +------+------+
//!                                                       |                               |
//!                                                       +----------> 4×2 tile <---------+
//!                                                                of int32 sums
//!                                   36 of which, one a position, -- Aᵀ m A --> 4×4 outputs
//! ```
//!
//! # Bounds
//!
//! Whatever bytes a blob has, [`Model::load`] reads them once, and ends: there are at most 32 operations, 64 labels and 16 extensions
//! ([`graph`]). A search for a plan looks at no more than 150 ways to compute up to three steps for each step, tested with networks that every kernel
//! fits. Nothing is allocated; on a Cortex-M4 the stack is 9.4 KB deep to load, plan and compute the known answer, and 6.3 KB for a further
//! inference (measured in QEMU, with what the program around them has on it; a test holds 10 and 7 KiB).

#[cfg(feature = "encode")]
extern crate alloc;
#[cfg(test)]
extern crate std;

#[cfg(target_endian = "big")]
compile_error!("a blob is read in place and is little-endian");

mod aligned;
pub mod arithmetic;
mod backend;
mod blob;
mod classification;
#[cfg(feature = "encode")]
pub mod encode;
mod error;
pub mod graph;
mod interpreter;
mod kernels;
pub mod ops;
mod plan;
pub mod resize;
mod rows;
mod section;
mod shape;
mod softmax;
mod step;
#[cfg(feature = "testing")]
pub mod testing;

#[cfg(feature = "encode")]
pub use aligned::AlignedBytes;
pub use aligned::{Aligned, BLOB_ALIGNMENT};
pub use backend::Backend;
#[cfg(feature = "self-test")]
pub use backend::self_test::InnerLoopCheck;
#[cfg(feature = "encode")]
pub use backend::transformed::transformed_filters;
pub use blob::{FORMAT_VERSION, Header, Model};
pub use classification::Classification;
pub use error::{LoadError, SectionPart};
pub use heapless;
pub use interpreter::{ArenaTooSmall, Hook, Interpreter, WrongLength};
pub use ops::OperationView;
pub use plan::{Plan, StepPlan};
pub use section::Range;
pub use shape::Shape;
pub use step::Step;
