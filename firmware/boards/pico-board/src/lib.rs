#![no_std]
#![deny(missing_docs)]
//! What the Raspberry Pi Pico and the Pico 2 have in common: pins, the camera's bus, USB, flash, LED and watchdog. Their sockets have the
//! same signals at the same places, and their chips the same peripherals, so that what is left to a board is its chip's clocks and resets.

mod flash;
mod usb;

use camera_board::Hardware;
use embassy_rp::gpio::{Level, Output};
use embassy_rp::peripherals::{DMA_CH0, DMA_CH1};
use embassy_rp::spi::{self, Spi};
use embassy_rp::watchdog;
use embassy_rp::{Peripherals, bind_interrupts, clocks, dma};
use embassy_time::{Delay, Duration};
use embedded_hal_bus::spi::ExclusiveDevice;
use firmware::camera::arducam_mega::{ArducamMega, Resolution};
use firmware::watchdog::Watchdog;
use flash::ModelFlash;
use protocol::ResetCause;

pub use camera_board::{LEAST_MEMORY_LEN, Settings};

/// The fastest that the camera takes (see the driver).
const SPI_HZ: u32 = 8_000_000;

bind_interrupts!(struct Interrupts {
    DMA_IRQ_0 => dma::InterruptHandler<DMA_CH0>, dma::InterruptHandler<DMA_CH1>;
});

/// What a board brings.
pub struct Pico {
    /// Name of the board.
    pub board: &'static str,
    /// Name of its USB device.
    pub product: &'static str,
    /// What the chip says about its last reset.
    pub reset_cause: ResetCause,
    /// Decides, once the watchdog runs, what of the chip it resets.
    pub select_reset: fn(),
    /// Of the camera's frames.
    pub resolution: Resolution,
    /// Two buffers for one each.
    pub frames: [&'static mut [u8]; 2],
    /// Working memory for a picture and an inference.
    pub memory: &'static mut [u8],
}

/// The watchdog, and the LED that changes with each frame.
struct Heartbeat {
    watchdog: watchdog::Watchdog,
    time: Duration,
    led: Output<'static>,
}

impl Watchdog for Heartbeat {
    fn feed(&mut self) {
        self.watchdog.feed(self.time);
        self.led.toggle();
    }
}

/// Classifies what an ArduCAM Mega sees, for ever; call it once. The flash has `FLASH_LEN` bytes.
///
/// # Panics
///
/// The second time.
pub async fn run<const FLASH_LEN: usize>(pins: Peripherals, pico: Pico, settings: Settings) -> ! {
    usb::start(pins.USB, pico.product, settings.port);

    // Mode 0, the first bit is the highest: embassy-rp's default.
    let mut config = spi::Config::default();
    config.frequency = SPI_HZ;
    let bus =
        Spi::new(pins.SPI0, pins.PIN_18, pins.PIN_19, pins.PIN_16, pins.DMA_CH0, pins.DMA_CH1, Interrupts, config);
    let select = Output::new(pins.PIN_17, Level::High);
    let Ok(device) = ExclusiveDevice::new(bus, select, Delay);

    let time = Duration::from_secs(settings.watchdog_seconds.into());
    let led = Output::new(pins.PIN_25, Level::Low);
    let mut heartbeat = Heartbeat { watchdog: watchdog::Watchdog::new(pins.WATCHDOG), time, led };
    let (flash, layout) = ModelFlash::<FLASH_LEN>::new(pins.FLASH);
    let hardware = Hardware {
        board: pico.board,
        camera: "ArduCAM Mega",
        clocks: [("processor clock in Hz", clocks::clk_sys_freq()), ("SPI clock in Hz, at most", SPI_HZ)],
        reset_cause: pico.reset_cause,
        source: ArducamMega::new(device, Delay, pico.resolution),
        pin: Output::new(pins.PIN_15, Level::Low),
        memory: pico.memory,
        flash,
        layout,
        frames: pico.frames,
        start_watchdog: move || {
            // A debugger may halt the processor for as long as it likes.
            heartbeat.watchdog.pause_on_debug(true);
            heartbeat.watchdog.start(time);
            (pico.select_reset)();
            heartbeat
        },
    };
    camera_board::run(hardware, settings).await
}
