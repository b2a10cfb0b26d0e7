//! A board with an ESP32-C6 classifies what an ArduCAM Mega sees. Wiring and use: README.md.
#![no_std]
#![no_main]

mod descriptor;
mod flash;
mod usb;

use camera_board::{Hardware, LEAST_MEMORY_LEN, Settings};
use defmt_rtt as _;
use embassy_executor::Spawner;
use embassy_time::Delay;
use embedded_hal_bus::spi::ExclusiveDevice;
use esp_hal::Config;
use esp_hal::clock::CpuClock;
use esp_hal::gpio::{Level, Output, OutputConfig};
use esp_hal::rtc_cntl::{Rtc, Rwdt, RwdtStage, SocResetReason, reset_reason};
use esp_hal::spi::Mode;
use esp_hal::spi::master::{Config as SpiConfig, Spi};
use esp_hal::system::Cpu;
use esp_hal::time::{Duration, Rate};
use esp_hal::timer::timg::TimerGroup;
use firmware::camera::arducam_mega::{ArducamMega, Resolution};
use firmware::watchdog::Watchdog;
use flash::ModelFlash;
use protocol::ResetCause;
use static_cell::ConstStaticCell;

/// See the fields.
const SETTINGS: Settings = Settings::DEFAULT;
const RESOLUTION: Resolution = Resolution::Square128;
const FRAME_LEN: usize = RESOLUTION.format().len();
/// With 188 KB an inference of the committed model fetches each weight once, from flash behind a serial bus. The rest is for larger models.
const MEMORY_LEN: usize = 208 * 1024;
const _: () = assert!(LEAST_MEMORY_LEN <= MEMORY_LEN, "the model in MODEL_BLOB needs more memory: enlarge MEMORY_LEN");
/// The fastest (ESP32-C6 series datasheet, "CPU and memory").
const CLOCK: CpuClock = CpuClock::_160MHz;
const PROCESSOR_HZ: u32 = 160_000_000;
/// The fastest that the camera takes (see the driver).
const SPI_HZ: u32 = 8_000_000;
/// Of the SPI controller's own memory (ESP32-C6 technical reference manual, "SPI controller": 16 words): shorter transfers need no DMA, which cannot
/// read flash either, where a constant may lie.
const SPI_BUFFER_LEN: usize = 64;

/// The watchdog, and the LED that changes with each frame.
struct Heartbeat {
    watchdog: Rwdt,
    led: Output<'static>,
}

impl Watchdog for Heartbeat {
    fn feed(&mut self) {
        self.watchdog.feed();
        self.led.toggle();
    }
}

/// ESP32-C6 technical reference manual, "Reset and clock": sources of a reset.
fn cause(reason: Option<SocResetReason>) -> ResetCause {
    match reason {
        // Or the board's reset button, which takes the chip's enable pin low.
        Some(SocResetReason::ChipPowerOn) => ResetCause::PowerOn,
        Some(SocResetReason::SysBrownOut) => ResetCause::BrownOut,
        Some(SocResetReason::CoreSw | SocResetReason::Cpu0Sw) => ResetCause::Software,
        Some(
            SocResetReason::CoreMwdt0
            | SocResetReason::CoreMwdt1
            | SocResetReason::CoreRtcWdt
            | SocResetReason::Cpu0Mwdt0
            | SocResetReason::Cpu0Mwdt1
            | SocResetReason::Cpu0RtcWdt
            | SocResetReason::SysRtcWdt
            | SocResetReason::SysSuperWdt,
        ) => ResetCause::Watchdog,
        // A computer over USB: espflash, or a debugger.
        Some(SocResetReason::CoreUsbUart | SocResetReason::CoreUsbJtag | SocResetReason::Cpu0JtagCpu) => {
            ResetCause::Debugger
        }
        Some(SocResetReason::CoreDeepSleep | SocResetReason::CoreSDIO | SocResetReason::CoreEfuseCrc) | None => {
            ResetCause::Unknown
        }
    }
}

#[esp_rtos::main]
async fn main(_spawner: Spawner) {
    static FRAMES: ConstStaticCell<[[u8; FRAME_LEN]; 2]> = ConstStaticCell::new([[0; FRAME_LEN]; 2]);
    static MEMORY: ConstStaticCell<[u8; MEMORY_LEN]> = ConstStaticCell::new([0; MEMORY_LEN]);

    let pins = esp_hal::init(Config::default().with_cpu_clock(CLOCK));
    esp_rtos::start(TimerGroup::new(pins.TIMG0).timer0, pins.FROM_CPU_INTR0);
    usb::start(pins.USB_DEVICE, pins.FROM_CPU_INTR1);

    // The first bit is the highest: esp-hal's default.
    let config = SpiConfig::default()
        .with_frequency(Rate::from_hz(SPI_HZ))
        .with_mode(Mode::_0)
        .with_min_async_transfer_size(SPI_BUFFER_LEN + 1);
    let bus = Spi::new(pins.SPI2, config).expect("the clock can be divided so");
    let bus = bus.with_sck(pins.GPIO19).with_mosi(pins.GPIO18).with_miso(pins.GPIO20);
    let bus = bus.with_dma(pins.DMA_CH0).into_async();
    let select = Output::new(pins.GPIO21, Level::High, OutputConfig::default());
    let Ok(device) = ExclusiveDevice::new(bus, select, Delay);

    let mut heartbeat = Heartbeat {
        watchdog: Rtc::new(pins.RTC_TIMER).rwdt,
        led: Output::new(pins.GPIO15, Level::Low, OutputConfig::default()),
    };
    let (flash, layout) = ModelFlash::new(pins.FLASH, pins.SPI0);
    let hardware = Hardware {
        board: "esp32-c6",
        camera: "ArduCAM Mega",
        clocks: [("processor clock in Hz", PROCESSOR_HZ), ("SPI clock in Hz, at most", SPI_HZ)],
        reset_cause: cause(reset_reason(Cpu::ProCpu)),
        source: ArducamMega::new(device, Delay, RESOLUTION),
        pin: Output::new(pins.GPIO22, Level::Low, OutputConfig::default()),
        memory: MEMORY.take(),
        flash,
        layout,
        frames: FRAMES.take().each_mut().map(|frame| &mut frame[..]),
        start_watchdog: move || {
            let time = Duration::from_secs(SETTINGS.watchdog_seconds.into());
            heartbeat.watchdog.set_timeout(RwdtStage::Stage0, time);
            // esp-hal has the first stage reset the whole chip.
            heartbeat.watchdog.enable();
            heartbeat
        },
    };
    camera_board::run(hardware, SETTINGS).await
}
