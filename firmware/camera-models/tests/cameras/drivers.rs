//! The drivers against the models, and the models against wrong drivers.

use crate::support::{SHORT_TIMING, run};
use camera_models::{Injection, MovingBlocks, Scene, SimulatedDelay, Time, arducam_mega, ov2640};
use embassy_futures::block_on;
use embedded_hal_async::i2c::{ErrorKind, I2c};
use embedded_hal_async::spi::SpiDevice;
use firmware::camera::arducam_mega::{ArducamMega, Resolution};
use firmware::camera::ov2640::{Bank, CONFIGURATION, Ov2640, View};
use firmware::camera::{ByteOrder, Frame, FrameSource, Policy};
use firmware::fault::{Fault, Wait};

const NACK: u16 = code(Fault::Nack);
const BUS: u16 = code(Fault::Bus);
const TRANSACTION_TIMEOUT: u16 = code(Fault::Timeout(Wait::Transaction));
const IDLE_TIMEOUT: u16 = code(Fault::Timeout(Wait::Idle));
const FRAME_TIMEOUT: u16 = code(Fault::Timeout(Wait::Frame));
const STUCK_FIFO: u16 = code(Fault::StuckFifo);
const WRONG_PRODUCT: u16 = 20;
const REGISTER_LOST: u16 = 30;
const WRONG_LENGTH: u16 = 40;
const OVERRUN: u16 = code(Fault::Overrun);
const BLANK: u16 = code(Fault::Blank);
const FROZEN: u16 = code(Fault::Frozen);

const fn code(fault: Fault) -> u16 {
    let (_, code) = fault.class_and_code();
    code
}

/// The pixels of one frame of an initialized camera.
fn picture(source: &mut impl FrameSource) -> Result<Vec<u16>, Fault> {
    let format = source.format();
    let mut buffer = vec![0; format.len()];
    let mut frame = Frame::new(&mut buffer);
    block_on(source.initialize())?;
    block_on(source.capture(&mut frame))?;
    assert_eq!(frame.format(), Some(format));
    assert_eq!(format.order, ByteOrder::BigEndian);
    let pixels = frame.bytes().chunks(2);
    Ok(pixels
        .map(|pixel| u16::from_be_bytes([pixel[0], pixel[1]]))
        .collect())
}

fn scene(width: u16, height: u16) -> Vec<u16> {
    let mut scene = MovingBlocks::default();
    scene.expose();
    (0..height)
        .flat_map(|y| (0..width).map(move |x| (x, y)))
        .map(|(x, y)| scene.rgb565(x, y, width, height))
        .collect()
}

#[test]
fn ov2640_gives_the_whole_scene_in_qqvga() {
    let time = Time::new();
    let sensor = ov2640::Ov2640::new(&time, MovingBlocks::default());
    let mut driver = Ov2640::new(
        sensor.sccb(),
        sensor.port(),
        SimulatedDelay(&time),
        View::Scene,
    );
    assert_eq!(picture(&mut driver), Ok(scene(160, 120)));
}

#[test]
fn ov2640_gives_its_color_bars() {
    let time = Time::new();
    let sensor = ov2640::Ov2640::new(&time, MovingBlocks::default());
    let delay = SimulatedDelay(&time);
    let mut driver = Ov2640::new(sensor.sccb(), sensor.port(), delay, View::ColorBars);
    let bars = [
        0xFFFF, 0xFFE0, 0x07FF, 0x07E0, 0xF81F, 0xF800, 0x001F, 0x0000,
    ];
    let expected: Vec<u16> = (0..120 * 160).map(|pixel| bars[pixel % 160 / 20]).collect();
    assert_eq!(picture(&mut driver), Ok(expected));
}

#[test]
fn ov2640_holds_every_documented_value_after_initialization() {
    let time = Time::new();
    let sensor = ov2640::Ov2640::new(&time, MovingBlocks::default());
    let mut driver = Ov2640::new(
        sensor.sccb(),
        sensor.port(),
        SimulatedDelay(&time),
        View::Scene,
    );
    assert_eq!(block_on(driver.initialize()), Ok(()));
    let mut compared = 0;
    for setting in CONFIGURATION.iter().flat_map(|table| *table) {
        if setting.register.is_readable {
            let bank = match setting.register.bank {
                Bank::Dsp => 0,
                Bank::Sensor => 1,
            };
            let held = sensor.register(bank, setting.register.address);
            assert_eq!(held, setting.value, "{setting:?}");
            compared += 1;
        }
    }
    assert_eq!(compared, 35);
}

#[test]
fn ov2640_model_refuses_what_sccb_does_not_have() {
    let time = Time::new();
    let sensor = ov2640::Ov2640::new(&time, MovingBlocks::default());
    let mut sccb = sensor.sccb();
    let absent = block_on(sccb.write(0x21, &[0x0A]));
    assert!(matches!(absent, Err(ErrorKind::NoAcknowledge(_))));
    let mut value = [0];
    let repeated_start = block_on(sccb.write_read(0x30, &[0x0A], &mut value));
    assert_eq!(repeated_start, Err(ErrorKind::Other));
    // The product cannot be overwritten.
    for bytes in [&[0xFF, 1][..], &[0x0A, 7], &[0x0A]] {
        assert_eq!(block_on(sccb.write(0x30, bytes)), Ok(()));
    }
    assert_eq!(block_on(sccb.read(0x30, &mut value)), Ok(()));
    assert_eq!(value, [0x26]);
}

/// Every size, format and enabling register counts in the model: one that is wrong after initialization spoils the frame.
#[test]
fn ov2640_model_shows_wrong_values() {
    let good = scene(160, 120);
    // Bank, address, wrong value; what a frame is then.
    let cases = [
        (1, 0x12, 0x00, "a contradiction: no frame"),
        (1, 0x12, 0x20, "a contradiction: no frame"),
        (0, 0xE0, 0x04, "a port in reset: no frame"),
        (0, 0xC0, 0x65, "a contradiction: no frame"),
        (0, 0x05, 0x01, "bypassed"),
        (0, 0xDA, 0x00, "YUV"),
        (0, 0xDA, 0x09, "the low byte first"),
        (0, 0xDA, 0x04, "raw"),
        (0, 0x50, 0x9B, "halved too often: no frame"),
        (0, 0x5A, 0x29, "wider"),
        (0, 0x5B, 0x1D, "lower"),
        (0, 0x5C, 0x01, "wider than the window: no frame"),
        (0, 0x86, 0x1D, "not scaled"),
        (0, 0x53, 0x08, "a window over the edge: no frame"),
        (1, 0x04, 0xA8, "mirrored"),
        (1, 0x04, 0x68, "flipped"),
    ];
    for (bank, address, value, meaning) in cases {
        let time = Time::new();
        let sensor = ov2640::Ov2640::new(&time, MovingBlocks::default());
        let mut driver = Ov2640::new(
            sensor.sccb(),
            sensor.port(),
            SimulatedDelay(&time),
            View::Scene,
        );
        assert_eq!(block_on(driver.initialize()), Ok(()));
        let mut sccb = sensor.sccb();
        // The driver knows which bank is selected: put that back.
        let mut selected = [0];
        assert_eq!(block_on(sccb.write(0x30, &[0xFF])), Ok(()));
        assert_eq!(block_on(sccb.read(0x30, &mut selected)), Ok(()));
        for bytes in [[0xFF, bank], [address, value], [0xFF, selected[0]]] {
            assert_eq!(block_on(sccb.write(0x30, &bytes)), Ok(()));
        }
        let mut buffer = vec![0; 160 * 120 * 2];
        let mut frame = Frame::new(&mut buffer);
        let outcome = block_on(driver.capture(&mut frame));
        let pixels: Vec<u16> = frame
            .bytes()
            .chunks(2)
            .map(|pixel| u16::from_be_bytes([pixel[0], pixel[1]]))
            .collect();
        assert_ne!(pixels, good, "{meaning}");
        if meaning.ends_with("no frame") {
            assert_eq!(outcome, Err(Fault::Timeout(Wait::Frame)), "{meaning}");
        }
    }
}

#[test]
fn arducam_mega_of_every_kind_gives_the_scene_in_both_sizes() {
    for sensor_id in 0x81..=0x87 {
        for (resolution, side) in [(Resolution::Square96, 96), (Resolution::Square128, 128)] {
            let time = Time::new();
            let timing = arducam_mega::Timing::default();
            let camera =
                arducam_mega::ArducamMega::new(&time, MovingBlocks::default(), sensor_id, timing);
            let mut driver = ArducamMega::new(camera.spi(), SimulatedDelay(&time), resolution);
            assert_eq!(
                picture(&mut driver),
                Ok(scene(side, side)),
                "{sensor_id:#04x}"
            );
        }
    }
}

#[test]
fn arducam_mega_that_is_none_is_named() {
    let time = Time::new();
    let timing = arducam_mega::Timing::default();
    for found in [0x00, 0x80, 0x88, 0xFF] {
        let camera =
            arducam_mega::ArducamMega::new(&time, MovingBlocks::default(), found as u8, timing);
        let mut driver =
            ArducamMega::new(camera.spi(), SimulatedDelay(&time), Resolution::Square96);
        let expected = Fault::WrongProduct {
            expected: 0x81,
            found,
        };
        assert_eq!(picture(&mut driver), Err(expected));
    }
}

/// A driver that reads a register without the byte that means nothing, or the FIFO without it, reads wrong bytes.
#[test]
fn arducam_mega_model_has_a_dummy_byte() {
    let time = Time::new();
    let timing = arducam_mega::Timing::default();
    let camera = arducam_mega::ArducamMega::new(&time, MovingBlocks::default(), 0x85, timing);
    let mut spi = camera.spi();
    let mut bytes = [0x40, 0, 0];
    assert_eq!(block_on(spi.transfer_in_place(&mut bytes)), Ok(()));
    assert_eq!(bytes, [0, 0, 0x85]);
}

/// The codes of the faults that are reported when a model has `fault` for some transactions from `first` on.
fn ov2640_codes(fault: ov2640::Fault, first: u32, count: u32) -> Vec<u16> {
    let time = Time::new();
    let sensor = ov2640::Ov2640::new(&time, MovingBlocks::default());
    sensor.inject(Injection {
        fault,
        first,
        count,
    });
    let driver = Ov2640::new(
        sensor.sccb(),
        sensor.port(),
        SimulatedDelay(&time),
        View::Scene,
    );
    codes(driver, &time, || sensor.is_fault_over())
}

fn arducam_codes(fault: arducam_mega::Fault, first: u32, count: u32) -> Vec<u16> {
    let time = Time::new();
    let camera = arducam_mega::ArducamMega::new(&time, MovingBlocks::default(), 0x85, SHORT_TIMING);
    camera.inject(Injection {
        fault,
        first,
        count,
    });
    let driver = ArducamMega::new(camera.spi(), SimulatedDelay(&time), Resolution::Square96);
    codes(driver, &time, || camera.is_fault_over())
}

fn codes(source: impl FrameSource, time: &Time, is_over: impl Fn() -> bool) -> Vec<u16> {
    let mut good = 0;
    let records = run(source, time, Policy::default(), |_| {
        good += u32::from(is_over());
        good < 6
    });
    let mut codes: Vec<_> = records.faults.iter().map(|fault| fault.code).collect();
    codes.dedup();
    let last = records.frames.last().expect("frames come again");
    assert_eq!(last.0.faults.total() as usize, records.faults.len());
    codes
}

#[test]
fn every_fault_of_an_ov2640_has_its_name() {
    use ov2640::Fault as Injected;
    // From the first transaction on, so that initialization meets it.
    let at_initialization = [
        (Injected::Nack, NACK),
        (Injected::Bus, BUS),
        (Injected::Hang, TRANSACTION_TIMEOUT),
        (Injected::FlippedRead, WRONG_PRODUCT),
        (Injected::WrongProduct, WRONG_PRODUCT),
    ];
    for (fault, code) in at_initialization {
        assert_eq!(ov2640_codes(fault, 0, 12), [code], "{fault:?}");
    }
    // A single write of COM7 or CLKRC has no effect.
    for first in [7, 8] {
        assert_eq!(ov2640_codes(Injected::LostWrite, first, 1), [REGISTER_LOST]);
    }
    let frame = frame_transaction();
    let at_frame = [
        (Injected::Hang, FRAME_TIMEOUT),
        (Injected::BrownOut, WRONG_LENGTH),
        (Injected::Overrun, OVERRUN),
        (Injected::ShortFrame, WRONG_LENGTH),
        (Injected::LongFrame, WRONG_LENGTH),
        (Injected::Blank, BLANK),
        (Injected::Frozen, FROZEN),
    ];
    for (fault, code) in at_frame {
        assert_eq!(ov2640_codes(fault, frame, 1), [code], "{fault:?}");
    }
}

/// The transaction that is the second frame of an undisturbed run.
fn frame_transaction() -> u32 {
    let time = Time::new();
    let sensor = ov2640::Ov2640::new(&time, MovingBlocks::default());
    let mut driver = Ov2640::new(
        sensor.sccb(),
        sensor.port(),
        SimulatedDelay(&time),
        View::Scene,
    );
    assert!(picture(&mut driver).is_ok());
    sensor.transactions()
}

#[test]
fn every_fault_of_an_arducam_mega_has_its_name() {
    use arducam_mega::Fault as Injected;
    let always = [
        (Injected::Bus, BUS),
        (Injected::Hang, TRANSACTION_TIMEOUT),
        (Injected::StuckLow, IDLE_TIMEOUT),
        (Injected::StuckHigh, IDLE_TIMEOUT),
        (Injected::Busy, IDLE_TIMEOUT),
    ];
    for (fault, code) in always {
        assert_eq!(arducam_codes(fault, 0, 5_000)[0], code, "{fault:?}");
    }
    assert_eq!(
        arducam_codes(Injected::WrongProduct, 0, 20),
        [WRONG_PRODUCT]
    );
    let second = second_capture();
    assert_eq!(arducam_codes(Injected::Frozen, second + 1, 1), [FROZEN]);
    assert_eq!(
        arducam_codes(Injected::StuckFifo, second + 1, 1),
        [STUCK_FIFO]
    );
    assert_eq!(
        arducam_codes(Injected::BrownOut, second + 3, 1),
        [STUCK_FIFO]
    );
    assert_eq!(
        arducam_codes(Injected::WrongLength, second, 11),
        [WRONG_LENGTH]
    );
    assert_eq!(arducam_codes(Injected::Blank, second, 11), [BLANK]);
}

/// The transaction that clears the FIFO before the second frame of an undisturbed run.
fn second_capture() -> u32 {
    let time = Time::new();
    let camera = arducam_mega::ArducamMega::new(&time, MovingBlocks::default(), 0x85, SHORT_TIMING);
    let mut driver = ArducamMega::new(camera.spi(), SimulatedDelay(&time), Resolution::Square96);
    assert!(picture(&mut driver).is_ok());
    camera.transactions()
}
