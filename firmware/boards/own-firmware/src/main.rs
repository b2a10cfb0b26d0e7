//! The smallest firmware of one's own, on a Raspberry Pi Pico 2: a camera that this repository does not know, a model that is built in,
//! and what comes of a label. The camera is a module that sends one RGB565 frame after the other through a serial port.
#![no_std]
#![no_main]

use cortex_m_rt as _;
use crash as _;
use defmt_rtt as _;
use embassy_executor::Spawner;
use embassy_rp::gpio::{Level, Output};
use embassy_rp::peripherals::{DMA_CH0, UART0};
use embassy_rp::uart::{Async, Config, InterruptHandler, UartRx};
use embassy_rp::{bind_interrupts, dma};
use embassy_time::{Delay, Instant};
use firmware::boot::{Identity, boot};
use firmware::camera::{ByteOrder, Frame, FrameFormat, FrameSource, Policy, Supervisor, timeout};
use firmware::fault::{Fault, Wait};
use firmware::pipeline::{Method, Pipeline};
use firmware::report::Callback;
use protocol::{Start, TimeUnit, Verdict};
use shared_model::{Aligned, Model};
use static_cell::ConstStaticCell;

bind_interrupts!(struct Interrupts {
    UART0_IRQ => InterruptHandler<UART0>;
    DMA_IRQ_0 => dma::InterruptHandler<DMA_CH0>;
});

static BLOB: Aligned<[u8; include_bytes!("../../../../data/models/vgg3-full.blob").len()]> =
    Aligned(*include_bytes!("../../../../data/models/vgg3-full.blob"));
const FORMAT: FrameFormat = FrameFormat { width: 96, height: 96, order: ByteOrder::BigEndian };
/// Of the model that is built in: index of its class `cat`.
const CAT: u8 = 3;

struct SerialCamera(UartRx<'static, Async>);

impl FrameSource for SerialCamera {
    const QUIET_MS: u32 = 0;

    fn format(&self) -> FrameFormat {
        FORMAT
    }

    async fn initialize(&mut self) -> Result<(), Fault> {
        Ok(())
    }

    async fn capture(&mut self, frame: &mut Frame<'_>) -> Result<(), Fault> {
        let bytes = frame.begin(FORMAT)?;
        let reading = async { self.0.read(bytes).await.map_err(|_| Fault::Bus) };
        timeout(&mut Delay, 2_000, Wait::Frame, reading).await?;
        frame.complete(FORMAT);
        Ok(())
    }
}

#[embassy_executor::main]
async fn main(_spawner: Spawner) {
    static MODEL: ConstStaticCell<Option<Model<'static>>> = ConstStaticCell::new(None);
    static MEMORY: ConstStaticCell<[u8; 64 * 1024]> = ConstStaticCell::new([0; 64 * 1024]);
    static FRAMES: ConstStaticCell<[[u8; FORMAT.len()]; 2]> = ConstStaticCell::new([[0; FORMAT.len()]; 2]);

    let pins = embassy_rp::init(embassy_rp::config::Config::default());
    let mut config = Config::default();
    config.baudrate = 921_600;
    let camera = SerialCamera(UartRx::new(pins.UART0, pins.PIN_1, Interrupts, pins.DMA_CH0, config));
    let mut led = Output::new(pins.PIN_25, Level::Low);

    let mut pipeline = Pipeline::new(
        Identity {
            board: "own",
            camera: "serial",
            clocks: &[],
            time_unit: TimeUnit::Microseconds,
            start: Start::POWER_ON,
        },
        boot(&BLOB.0, MODEL.take(), MEMORY.take()).expect("the model is good and there is memory for it"),
        Supervisor::new(camera, Delay, Policy::DEFAULT),
        Method::Exponential { weight: 96 },
        Callback(|verdict| led.set_level(matches!(verdict, Verdict::Class { class: CAT, .. }).into())),
        || Instant::now().as_micros(),
    );
    let [one, other] = FRAMES.take();
    pipeline.run(one, other, &mut ()).await
}
