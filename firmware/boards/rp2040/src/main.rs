//! A Raspberry Pi Pico classifies what an ArduCAM Mega sees. Wiring and use: README.md.
#![no_std]
#![no_main]

use cortex_m_rt as _;
use defmt_rtt as _;
use embassy_executor::Spawner;
use embassy_rp::clocks::ClockConfig;
use embassy_rp::config::Config;
use embassy_rp::pac;
use firmware::camera::arducam_mega::Resolution;
use pico_board::{LEAST_MEMORY_LEN, Pico, Settings};
use protocol::ResetCause;
use static_cell::ConstStaticCell;

/// See the fields. The watchdog cannot count 8.4 s (RP2040 datasheet, section 4.7, and erratum RP2040-E1).
const SETTINGS: Settings = Settings { watchdog_seconds: 8, ..Settings::DEFAULT };
/// The fastest, with a core voltage of 1.15 V, which embassy-rp sets (RP2040 datasheet of 2025, section 2.15.3). The bus of the flash
/// runs at half of it, and takes 133 MHz.
const PROCESSOR_HZ: u32 = 200_000_000;
const RESOLUTION: Resolution = Resolution::Square96;
const FRAME_LEN: usize = RESOLUTION.format().len();
/// 51 KB are as fast for the committed model; so much leaves room for larger ones, and a third of the chip's RAM for a change.
const MEMORY_LEN: usize = 88 * 1024;
const _: () = assert!(LEAST_MEMORY_LEN <= MEMORY_LEN, "the model in MODEL_BLOB needs more memory: enlarge MEMORY_LEN");
/// Pico datasheet: 2 MB.
const FLASH_LEN: usize = 2 << 20;

/// RP2040 datasheet, VREG_AND_CHIP_RESET, CHIP_RESET: the cause of the last reset of the whole chip. A watchdog resets less and has a
/// register of its own (WATCHDOG, REASON).
fn reset_cause() -> ResetCause {
    let (chip, watchdog) = (pac::VREG_AND_CHIP_RESET.chip_reset().read(), pac::WATCHDOG.reason().read());
    if watchdog.timer() {
        ResetCause::Watchdog
    } else if watchdog.force() {
        ResetCause::Software
    } else if chip.had_por() {
        // Or a brown-out, which the chip does not tell apart.
        ResetCause::PowerOn
    } else if chip.had_run() {
        ResetCause::Pin
    } else if chip.had_psm_restart() {
        ResetCause::Debugger
    } else {
        ResetCause::Unknown
    }
}

#[embassy_executor::main]
async fn main(_spawner: Spawner) {
    static FRAMES: ConstStaticCell<[[u8; FRAME_LEN]; 2]> = ConstStaticCell::new([[0; FRAME_LEN]; 2]);
    static MEMORY: ConstStaticCell<[u8; MEMORY_LEN]> = ConstStaticCell::new([0; MEMORY_LEN]);

    let clocks = ClockConfig::system_freq(PROCESSOR_HZ).expect("a multiple of the crystal's 12 MHz, divided by 6");
    let pins = embassy_rp::init(Config::new(clocks));
    let pico = Pico {
        board: "rp2040",
        product: "Image classifier (RP2040)",
        reset_cause: reset_cause(),
        // embassy-rp selects all but the two oscillators, which is right for this chip.
        select_reset: || (),
        resolution: RESOLUTION,
        frames: FRAMES.take().each_mut().map(|frame| &mut frame[..]),
        memory: MEMORY.take(),
    };
    pico_board::run::<FLASH_LEN>(pins, pico, SETTINGS).await
}
