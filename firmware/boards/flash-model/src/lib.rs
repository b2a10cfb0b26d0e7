#![no_std]
#![deny(missing_docs)]
//! The model in a board's flash: the place that is kept for one, and the blob that a program brings along.
//!
//! A board's linker script keeps a part of flash from `_model_start` to `_model_end`, and puts the section `.model` at its start, or leaves it in the ELF file
//! alone, for a tool that puts it there. It may keep another one from `_other_model_start` to `_other_model_end`, and a place for the record of which is in
//! use from `_record_start` to `_record_end`.
#![expect(unsafe_code, reason = "a place in flash that the linker knows and a programmer may write on its own")]

use core::{ops::Range, slice};
use shared_model::Aligned;

/// What a flashed program brings along: placed at the start of the region, where `probe-rs download` puts another.
// SAFETY: the linker script places the section in flash that nothing else uses, or in none.
#[used]
#[unsafe(link_section = ".model")]
static BLOB: Aligned<[u8; include_bytes!(env!("MODEL_BLOB")).len()]> = Aligned(*include_bytes!(env!("MODEL_BLOB")));

const MEMORY: (usize, usize) = include!(concat!(env!("OUT_DIR"), "/model_memory.rs"));
/// Bytes of a picture of the shape of the model that is brought along.
pub const PICTURE_LEN: usize = MEMORY.0;
/// Bytes of the smallest arena for that model.
pub const LEAST_ARENA_LEN: usize = MEMORY.1;

/// Bytes of an arena: so many, or what that model needs if it is more.
pub const fn arena_len(wanted: usize) -> usize {
    if wanted > LEAST_ARENA_LEN { wanted } else { LEAST_ARENA_LEN }
}

unsafe extern "C" {
    // By the linker script: the part of flash that is kept for a model.
    static _model_start: u8;
    static _model_end: u8;
    static _other_model_start: u8;
    static _other_model_end: u8;
    static _record_start: u8;
    static _record_end: u8;
}

/// Addresses of the two places for a model, and of the one for the record.
pub fn places() -> [Range<usize>; 3] {
    let model = (&raw const _model_start).addr()..(&raw const _model_end).addr();
    let other = (&raw const _other_model_start).addr()..(&raw const _other_model_end).addr();
    [model, other, (&raw const _record_start).addr()..(&raw const _record_end).addr()]
}

/// Flash of one of the two places for a model, which must not be written as long as it is looked at.
///
/// # Panics
///
/// If these addresses are in none of the two.
pub fn mapped(addresses: Range<usize>) -> &'static [u8] {
    let [model, other, _] = places();
    let is_within = |place: &Range<usize>| place.start <= addresses.start && addresses.end <= place.end;
    assert!(is_within(&model) || is_within(&other));
    // SAFETY: the linker script makes it flash, which the program can read, and which nothing but a flash driver writes.
    unsafe { slice::from_raw_parts(addresses.start as *const u8, addresses.len()) }
}

/// All of the part of flash that is kept for a model.
///
/// The linker's symbols and not the blob's static, whose bytes the compiler knows and might compute with.
pub fn region() -> &'static [u8] {
    let start = &raw const _model_start;
    let len = (&raw const _model_end).addr() - start.addr();
    // SAFETY: the linker script makes it one piece of flash, which the program can read and never writes.
    unsafe { slice::from_raw_parts(start, len) }
}
