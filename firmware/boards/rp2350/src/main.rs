//! A Raspberry Pi Pico 2 classifies what an ArduCAM Mega sees. Wiring and use: README.md.
#![no_std]
#![no_main]

use cortex_m_rt as _;
use defmt_rtt as _;
use embassy_executor::Spawner;
use embassy_rp::pac;
use firmware::camera::arducam_mega::Resolution;
use pico_board::{LEAST_MEMORY_LEN, Pico, Settings};
use protocol::ResetCause;
use static_cell::ConstStaticCell;

/// See the fields.
const SETTINGS: Settings = Settings::DEFAULT;
const RESOLUTION: Resolution = Resolution::Square128;
const FRAME_LEN: usize = RESOLUTION.format().len();
/// So much that an inference of the committed model fetches each weight once: flash is behind a serial bus and a cache of 16 KB, and
/// with the 48 KB that are enough elsewhere it would fetch 1.4 times as many bytes.
const MEMORY_LEN: usize = 188 * 1024;
const _: () = assert!(LEAST_MEMORY_LEN <= MEMORY_LEN, "the model in MODEL_BLOB needs more memory: enlarge MEMORY_LEN");
/// Pico 2 datasheet: 4 MB.
const FLASH_LEN: usize = 4 << 20;

/// RP2350 datasheet, POWMAN, CHIP_RESET: the cause of the last reset of the whole chip. A watchdog
/// resets less and has a register of its own (WATCHDOG, REASON).
fn reset_cause() -> ResetCause {
    let (chip, watchdog) = (pac::POWMAN.chip_reset().read(), pac::WATCHDOG.reason().read());
    if watchdog.timer() {
        ResetCause::Watchdog
    } else if watchdog.force() {
        ResetCause::Software
    } else if chip.had_por() {
        ResetCause::PowerOn
    } else if chip.had_bor() {
        ResetCause::BrownOut
    } else if chip.had_run_low() {
        ResetCause::Pin
    } else if chip.had_dp_reset_req() || chip.had_rescue() {
        ResetCause::Debugger
    } else {
        ResetCause::Unknown
    }
}

/// All that a watchdog can reset but the two oscillators, which run through (RP2350 datasheet, power-on state machine,
/// WDSEL). embassy-rp 0.10 writes the bits of an RP2040, which leave out the processors, and stop the oscillators.
fn reset_everything() {
    const WATCHED: u32 = 0x01ff_ffff;
    let mut reset = pac::psm::regs::Wdsel(WATCHED);
    reset.set_rosc(false);
    reset.set_xosc(false);
    pac::PSM.wdsel().write_value(reset);
}

#[embassy_executor::main]
async fn main(_spawner: Spawner) {
    static FRAMES: ConstStaticCell<[[u8; FRAME_LEN]; 2]> = ConstStaticCell::new([[0; FRAME_LEN]; 2]);
    static MEMORY: ConstStaticCell<[u8; MEMORY_LEN]> = ConstStaticCell::new([0; MEMORY_LEN]);

    // 150 MHz from the crystal of 12 MHz: embassy-rp's default.
    let pins = embassy_rp::init(embassy_rp::config::Config::default());
    let pico = Pico {
        board: "rp2350",
        product: "Image classifier (RP2350)",
        reset_cause: reset_cause(),
        select_reset: reset_everything,
        resolution: RESOLUTION,
        frames: FRAMES.take().each_mut().map(|frame| &mut frame[..]),
        memory: MEMORY.take(),
    };
    pico_board::run::<FLASH_LEN>(pins, pico, SETTINGS).await
}
