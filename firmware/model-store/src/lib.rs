#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]
//! Two models in a board's flash, a record of which of them runs with the board's settings, and updates of the model that does not run.
//!
//! Whenever the power is cut, the old or the new model runs, and the old or the new settings are there. Both are in one record, so that neither
//! needs to know where in flash the other is. A new model is on trial until it has classified a frame; see [`Store`].
//! [`Updater`] takes what a computer sends; `PROTOCOL.md` of the crate `protocol` describes the messages.
//!
//! All of it stands on the traits of embedded-storage, blocking. Each call but the last of an update takes as long as one erase at most: up
//! to 0.4 s for 4 KB of a Pico 2's flash, 2.2 s for a sector of an STM32H743. The watchdog must be longer than that. A read of a word
//! that was torn must be an error and not a fault: where the chip answers with a bus fault, as an STM32H7 does, the board's flash driver has to
//! see to it.
//!
//! The record is kept by a log of its own. sequential-storage, made for the like, returns the error of the first read that fails; after
//! a torn word it would do so at every boot.

mod log;
pub mod pem;
pub mod signature;
mod store;
mod update;

pub use store::{
    Boot, BootEvent, FAILED_BOOTS, FlashFailed, Layout, MAX_PAGE, Program, RollbackError, SETTINGS_LEN, Slot, Store,
};
pub use update::{REASON_LEN, Updater};
