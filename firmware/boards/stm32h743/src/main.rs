//! A WeAct MiniSTM32H743 classifies what an OV2640 sees. Wiring and use: README.md.
#![no_std]
#![no_main]

mod camera_port;
mod clocks;
mod flash;
mod frames;
mod sccb;
mod usb;

use camera_board::{Hardware, LEAST_MEMORY_LEN, Settings};
use camera_port::CameraPort;
use defmt_rtt as _;
use embassy_executor::Spawner;
use embassy_stm32::gpio::{Level, Output, Speed};
use embassy_stm32::pac;
use embassy_stm32::peripherals::IWDG1;
use embassy_stm32::rcc::{Mco, Mco1Source, McoConfig, McoPrescaler};
use embassy_stm32::wdg::IndependentWatchdog;
use embassy_time::Delay;
use firmware::camera::ov2640::Ov2640;
use firmware::camera::{Framing, Orientation, View};
use firmware::watchdog::Watchdog;
use flash::ModelFlash;
use protocol::ResetCause;
use sccb::Sccb;
use static_cell::ConstStaticCell;

/// On this board the sensor is mounted upside down: WeAct's own demos and OpenMV turn its picture by 180°.
const SETTINGS: Settings =
    Settings { framing: Framing { region: None, orientation: Orientation::Rotated }, ..Settings::DEFAULT };
/// Of this sensor alone: [`View::ColorBars`] tests everything behind it.
const VIEW: View = View::Scene;

/// What the DTCM has room for beside the stack: a larger one gains little, since flash is cached.
const MEMORY_LEN: usize = 67 * 1024;
const _: () = assert!(LEAST_MEMORY_LEN <= MEMORY_LEN, "the model in MODEL_BLOB needs more memory: enlarge MEMORY_LEN");

/// The watchdog, and the LED that changes with each frame.
struct Heartbeat {
    watchdog: IndependentWatchdog<'static, IWDG1>,
    led: Output<'static>,
}

impl Watchdog for Heartbeat {
    fn feed(&mut self) {
        self.watchdog.pet();
        self.led.toggle();
    }
}

/// RM0433, RCC_RSR: each reset of the chip by itself pulls the reset pin low as well, and power on also counts as low
/// voltage. The flags stay until they are cleared.
fn reset_cause() -> ResetCause {
    let flags = pac::RCC.rsr().read();
    pac::RCC.rsr().modify(|clear| clear.set_rmvf(true));
    if flags.porrstf() {
        ResetCause::PowerOn
    } else if flags.iwdg1rstf() || flags.wwdg1rstf() {
        ResetCause::Watchdog
    } else if flags.sftrstf() {
        ResetCause::Software
    } else if flags.borrstf() {
        ResetCause::BrownOut
    } else if flags.pinrstf() {
        ResetCause::Pin
    } else {
        ResetCause::Unknown
    }
}

#[embassy_executor::main]
async fn main(_spawner: Spawner) {
    static MEMORY: ConstStaticCell<[u8; MEMORY_LEN]> = ConstStaticCell::new([0; MEMORY_LEN]);

    let mut core = defmt::unwrap!(cortex_m::Peripherals::take());
    let pins = embassy_stm32::init(clocks::config());
    let frames = frames::take(&mut core);
    usb::start(pins.USB_OTG_FS, pins.PA12, pins.PA11);

    // The camera's clock: 48 MHz / 2, with which the driver's figures hold, and the most that it takes.
    let mut division = McoConfig::default();
    division.prescaler = McoPrescaler::DIV2;
    let _clock = Mco::new(pins.MCO1, pins.PA8, Mco1Source::PLL1_Q, division);
    let _power_down = Output::new(pins.PA7, Level::Low, Speed::Low);

    let sccb = Sccb::new(pins.I2C1, pins.PB8, pins.PB9);
    let camera_port = CameraPort::new(
        pins.DCMI,
        pins.DMA1_CH0,
        pins.PC6,
        pins.PC7,
        pins.PE0,
        pins.PE1,
        pins.PE4,
        pins.PD3,
        pins.PE5,
        pins.PE6,
        pins.PB7,
        pins.PA4,
        pins.PA6,
    );

    let (flash, layout) = ModelFlash::new(pins.FLASH, core.SCB);
    let led = Output::new(pins.PE3, Level::Low, Speed::Low);
    let hardware = Hardware {
        board: "stm32h743",
        camera: "OV2640",
        clocks: clocks::CLOCKS,
        reset_cause: reset_cause(),
        source: Ov2640::new(sccb, camera_port, Delay, VIEW),
        pin: Output::new(pins.PC0, Level::Low, Speed::Low),
        memory: MEMORY.take(),
        flash,
        layout,
        frames,
        start_watchdog: move || {
            // A debugger may halt the processor for as long as it likes (RM0433, debug support: APB4 freeze register).
            pac::DBGMCU.apb4fzr1().modify(|stop| stop.set_iwdg1(true));
            let mut watchdog = IndependentWatchdog::new(pins.IWDG1, SETTINGS.watchdog_seconds * 1_000_000);
            watchdog.unleash();
            Heartbeat { watchdog, led }
        },
    };
    camera_board::run(hardware, SETTINGS).await
}
