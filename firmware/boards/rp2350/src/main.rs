//! A Raspberry Pi Pico 2 classifies what an ArduCAM Mega sees. Wiring and use: README.md.
#![no_std]
#![no_main]

mod flash;
mod usb;

use camera_board::{Hardware, LEAST_MEMORY_LEN, Settings};
use cortex_m_rt as _;
use defmt_rtt as _;
use embassy_executor::Spawner;
use embassy_rp::gpio::{Level, Output};
use embassy_rp::peripherals::{DMA_CH0, DMA_CH1};
use embassy_rp::spi::{self, Spi};
use embassy_rp::watchdog;
use embassy_rp::{bind_interrupts, clocks, dma, pac};
use embassy_time::{Delay, Duration};
use embedded_hal_bus::spi::ExclusiveDevice;
use firmware::camera::arducam_mega::{ArducamMega, Resolution};
use firmware::watchdog::Watchdog;
use flash::ModelFlash;
use protocol::ResetCause;
use static_cell::ConstStaticCell;

/// The fastest that the camera takes (see the driver).
const SPI_HZ: u32 = 8_000_000;
const RESOLUTION: Resolution = Resolution::Square128;
const FRAME_LEN: usize = RESOLUTION.format().len();
/// So much that an inference of the committed model fetches each weight once: flash is behind a serial bus and a cache of 16 KB, and
/// with the 48 KB that are enough elsewhere it would fetch 1.4 times as many bytes.
const MEMORY_LEN: usize = 188 * 1024;
const _: () = assert!(LEAST_MEMORY_LEN <= MEMORY_LEN, "the model in MODEL_BLOB needs more memory: enlarge MEMORY_LEN");

bind_interrupts!(struct Interrupts {
    DMA_IRQ_0 => dma::InterruptHandler<DMA_CH0>, dma::InterruptHandler<DMA_CH1>;
});

/// The watchdog, and the LED that changes with each frame.
struct Heartbeat {
    watchdog: watchdog::Watchdog,
    led: Output<'static>,
}

impl Watchdog for Heartbeat {
    fn feed(&mut self) {
        self.watchdog.feed(WATCHDOG_TIME);
        self.led.toggle();
    }
}

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

/// See the fields.
const SETTINGS: Settings = Settings::DEFAULT;
const WATCHDOG_TIME: Duration = Duration::from_secs(SETTINGS.watchdog_seconds as u64);

#[embassy_executor::main]
async fn main(_spawner: Spawner) {
    static FRAMES: ConstStaticCell<[[u8; FRAME_LEN]; 2]> = ConstStaticCell::new([[0; FRAME_LEN]; 2]);
    static MEMORY: ConstStaticCell<[u8; MEMORY_LEN]> = ConstStaticCell::new([0; MEMORY_LEN]);

    // 150 MHz from the crystal of 12 MHz: embassy-rp's default.
    let pins = embassy_rp::init(embassy_rp::config::Config::default());
    usb::start(pins.USB);

    // Mode 0, the first bit is the highest: embassy-rp's default.
    let mut config = spi::Config::default();
    config.frequency = SPI_HZ;
    let bus =
        Spi::new(pins.SPI0, pins.PIN_18, pins.PIN_19, pins.PIN_16, pins.DMA_CH0, pins.DMA_CH1, Interrupts, config);
    let select = Output::new(pins.PIN_17, Level::High);
    let Ok(device) = ExclusiveDevice::new(bus, select, Delay);

    let mut heartbeat =
        Heartbeat { watchdog: watchdog::Watchdog::new(pins.WATCHDOG), led: Output::new(pins.PIN_25, Level::Low) };
    let (flash, layout) = ModelFlash::new(pins.FLASH);
    let [one, other] = FRAMES.take();
    let hardware = Hardware {
        board: "rp2350",
        camera: "ArduCAM Mega",
        clocks: [("processor clock in Hz", clocks::clk_sys_freq()), ("SPI clock in Hz, at most", SPI_HZ)],
        reset_cause: reset_cause(),
        source: ArducamMega::new(device, Delay, RESOLUTION),
        pin: Output::new(pins.PIN_15, Level::Low),
        memory: MEMORY.take(),
        flash,
        layout,
        frames: [one, other],
        start_watchdog: move || {
            // A debugger may halt the processor for as long as it likes.
            heartbeat.watchdog.pause_on_debug(true);
            heartbeat.watchdog.start(WATCHDOG_TIME);
            reset_everything();
            heartbeat
        },
    };
    camera_board::run(hardware, SETTINGS).await
}
