//! How deep the stack has ever been.

use cortex_m_rt::STACK_PAINT_VALUE;

/// Bytes of stack used at the deepest so far, and bytes there are.
///
/// cortex-m-rt paints the stack at reset; the lowest word that has lost its paint is the deepest one used.
#[expect(
    unsafe_code,
    reason = "reads the whole stack, including what no variable owns"
)]
pub fn high_water() -> (usize, usize) {
    unsafe extern "C" {
        static _stack_end: u32;
        static _stack_start: u32;
    }
    let (bottom, top) = (&raw const _stack_end, &raw const _stack_start);
    let mut word = bottom;
    // SAFETY: the linker script places `_stack_end..=_stack_start` in RAM, word-aligned; `word` stays below
    // the caller's own frame, which holds other values than paint.
    while word < top && unsafe { word.read_volatile() } == STACK_PAINT_VALUE {
        word = word.wrapping_add(1);
    }
    (top.addr() - word.addr(), top.addr() - bottom.addr())
}
