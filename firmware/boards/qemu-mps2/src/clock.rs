//! Counts executed instructions with SysTick.
//!
//! Under `qemu-system-arm -icount shift=0` an instruction takes one nanosecond of virtual time, and
//! SysTick runs at 25 MHz on mps2-an385, mps2-an386 and mps2-an500 (a tick is 40 instructions), at 20 MHz on
//! mps2-an505 (50), and at 32 MHz on mps3-an547 (31.25). These are instructions, not cycles; without `-icount` the figures mean nothing.

use core::sync::atomic::{AtomicU32, Ordering};

use cortex_m::asm;
use cortex_m::peripheral::syst::SystClkSource;
use cortex_m::peripheral::{SCB, SYST};
use cortex_m_rt::exception;
use embassy_futures::yield_now;
use embedded_hal_async::delay::DelayNs;
use qemu_messages::Calibration;

const INSTRUCTIONS_PER_FOUR_TICKS: u64 = if cfg!(mps3) {
    125
} else if cfg!(armv8m) {
    200
} else {
    160
};
/// SysTick counts 24 bits down from here.
const RELOAD: u32 = 0x00ff_ffff;

static WRAPS: AtomicU32 = AtomicU32::new(0);

/// Starts counting. Call once, before [`instructions`].
pub fn start(mut syst: SYST) {
    syst.set_clock_source(SystClkSource::Core);
    syst.set_reload(RELOAD);
    syst.clear_current();
    syst.enable_interrupt();
    syst.enable_counter();
}

/// Instructions executed since [`start`], to whole ticks. Waits for ever where interrupts are masked
/// and the counter has wrapped.
pub fn instructions() -> u64 {
    loop {
        let wraps = WRAPS.load(Ordering::Relaxed);
        let remaining = SYST::get_current();
        // A wrap between the two reads would pair an old count of wraps with a new counter.
        if !SCB::is_pendst_pending() && wraps == WRAPS.load(Ordering::Relaxed) {
            // At 0 a period has ended, or none has begun: the counter is loaded a tick later.
            let elapsed = remaining.wrapping_neg() & RELOAD;
            let ticks = u64::from(wraps) * (u64::from(RELOAD) + 1) + u64::from(elapsed);
            return ticks * INSTRUCTIONS_PER_FOUR_TICKS / 4;
        }
    }
}

/// Runs a loop of known length.
///
/// [`asm::delay`] goes through a loop of two instructions, once more often than it is told.
pub fn calibrate() -> Calibration {
    const ITERATIONS: u32 = 1_000_000;
    let start = instructions();
    asm::delay(ITERATIONS - 1);
    Calibration { executed: 2 * u64::from(ITERATIONS), counted: instructions() - start }
}

/// Waits until so many instructions have been executed as nanoseconds are asked for, since one takes so long.
pub struct InstructionDelay;

impl DelayNs for InstructionDelay {
    async fn delay_ns(&mut self, nanoseconds: u32) {
        let start = instructions();
        while instructions() - start < u64::from(nanoseconds) {
            yield_now().await;
        }
    }
}

#[exception]
fn SysTick() {
    // Nothing else writes it; Armv6-M has no instruction that adds to memory.
    WRAPS.store(WRAPS.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
}
