//! Where the model lies in flash.

#![expect(unsafe_code, reason = "a place in flash that the linker knows and a programmer may write on its own")]

use core::slice;
use shared_model::Aligned;

/// What a flashed program brings along: placed at the start of the region, where `probe-rs download` puts another.
// SAFETY: memory.x places the section in flash that nothing else uses.
#[used]
#[unsafe(link_section = ".model")]
static BLOB: Aligned<[u8; include_bytes!(env!("MODEL_BLOB")).len()]> = Aligned(*include_bytes!(env!("MODEL_BLOB")));

unsafe extern "C" {
    // By memory.x: the part of flash that is kept for a model.
    static _model_start: u8;
    static _model_end: u8;
}

/// All of the part of flash that is kept for a model.
///
/// The linker's symbols and not [`BLOB`], whose bytes the compiler knows and might compute with.
pub fn region() -> &'static [u8] {
    let start = &raw const _model_start;
    let len = (&raw const _model_end).addr() - start.addr();
    // SAFETY: memory.x makes it one piece of flash, which the program can read and never writes.
    unsafe { slice::from_raw_parts(start, len) }
}
