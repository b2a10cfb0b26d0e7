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
//! # use shared_model::{Aligned, IMAGE_LEN, Interpreter, Model};
//! # macro_rules! include_bytes { ($path:literal) => { &[0; 16] } }
//! static BLOB: &Aligned<[u8]> = &Aligned(*include_bytes!("vgg3-full.blob"));
//!
//! let model = Model::load(&BLOB.0)?; // validates everything, copies nothing
//! let mut arena = [0; 24 * 1024]; // at least model.arena_len()
//! let mut interpreter = Interpreter::new(&model, &mut arena)?;
//! assert!(interpreter.known_answer_holds());
//! # let image = [0; IMAGE_LEN];
//! let classification = interpreter.classify(&image);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#[cfg(feature = "encode")]
extern crate alloc;
#[cfg(test)]
extern crate std;

#[cfg(target_endian = "big")]
compile_error!("a blob is read in place and is little-endian");

mod aligned;
pub mod arithmetic;
mod blob;
mod classification;
#[cfg(feature = "encode")]
pub mod encode;
pub mod graph;
mod image;
mod interpreter;
mod kernels;
#[cfg(all(test, feature = "encode"))]
mod oracle;
mod plan;
pub mod preprocess;
mod rows;
mod softmax;
mod stage;
#[cfg(all(test, feature = "encode"))]
mod testing;

#[cfg(feature = "encode")]
pub use aligned::AlignedBytes;
pub use aligned::{Aligned, BLOB_ALIGNMENT};
pub use blob::{FORMAT_VERSION, LayerView, LoadError, Model, SectionPart};
pub use classification::Classification;
pub use heapless;
pub use image::{IMAGE_CHANNELS, IMAGE_LEN, IMAGE_SIDE, Image};
pub use interpreter::{ArenaTooSmall, Hook, Interpreter};
#[cfg(feature = "self-test")]
pub use kernels::self_test::{KernelCheck, KernelMismatch};
pub use plan::{Kernel, LayerPlan, Plan, Processor};
