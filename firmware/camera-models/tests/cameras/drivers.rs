//! The drivers against the models, and the models against wrong drivers.

use crate::support::{
    Camera, Failing, Mega, QUICK, Sensor, arducam_mega as any_arducam_mega, ov2640 as any_ov2640, pixels, run,
};
use camera_models::{Sight, Stage, arducam_mega as mega_model, ov2640 as sensor_model};
use embassy_futures::block_on;
use embedded_hal_async::i2c::{ErrorKind, I2c};
use embedded_hal_async::spi::SpiDevice;
use firmware::camera::View;
use firmware::camera::arducam_mega::Resolution;
use firmware::camera::ov2640::{Bank, CONFIGURATION};
use firmware::camera::{ByteOrder, Frame, FrameSource};
use firmware::fault::{Fault, Wait};
use protocol::Finding;

const NACK: u16 = code(Fault::Nack);
const BUS: u16 = code(Fault::Bus);
const TRANSACTION_TIMEOUT: u16 = code(Fault::Timeout(Wait::Transaction));
const IDLE_TIMEOUT: u16 = code(Fault::Timeout(Wait::Idle));
const NO_VSYNC: u16 = code(Fault::NoVsync);
const NO_PIXELS: u16 = code(Fault::NoPixels);
const STUCK_FIFO: u16 = code(Fault::StuckFifo);
const WRONG_PRODUCT: u16 = 20;
const WRONG_LENGTH: u16 = 40;
const OVERRUN: u16 = 41;
const TOO_LONG: u16 = 42;
const BLANK: u16 = code(Fault::Blank);
const FROZEN: u16 = code(Fault::Frozen);

const fn code(fault: Fault) -> u16 {
    let (_, code) = fault.class_and_code();
    code
}

/// An OV2640 without habits that is set so.
fn ov2640(view: View) -> Camera<Sensor, impl FrameSource> {
    any_ov2640(sensor_model::Habits::default(), view)
}

fn arducam_mega(id: u8, resolution: Resolution) -> Camera<Mega, impl FrameSource> {
    any_arducam_mega(id, resolution, QUICK)
}

/// The pixels of the next frame.
fn capture(source: &mut impl FrameSource) -> Result<Vec<u16>, Fault> {
    let format = source.format();
    let mut buffer = vec![0; format.len()];
    let mut frame = Frame::new(&mut buffer);
    block_on(source.capture(&mut frame))?;
    assert_eq!(frame.format(), Some(format));
    assert_eq!(format.order, ByteOrder::BigEndian);
    let pixels = frame.bytes().as_chunks().0.iter();
    Ok(pixels.map(|pixel| u16::from_be_bytes(*pixel)).collect())
}

/// The pixels of the first frame.
fn picture(source: &mut impl FrameSource) -> Result<Vec<u16>, Fault> {
    block_on(source.initialize())?;
    capture(source)
}

/// The registers that an examination finds changed, with their banks and what they are, and how many it compared.
fn examined(source: &mut impl FrameSource) -> (Vec<(u8, u8, u8)>, u16) {
    let (mut changed, mut compared) = (Vec::new(), 0);
    let mut tell = async |finding: Finding<'_>| match finding {
        Finding::Product { is_known, .. } => assert!(is_known),
        Finding::Register { bank, address, found, .. } => changed.push((bank, address, found)),
        Finding::Compared { registers } => compared = registers,
        other => panic!("{other:?}"),
    };
    assert_eq!(block_on(source.examine(&mut tell)), Ok(()));
    (changed, compared)
}

fn scene(width: u16, height: u16) -> Vec<u16> {
    pixels(&Stage::new(Sight::MovingBlocks), width, height).collect()
}

#[test]
fn ov2640_gives_the_whole_scene_in_qqvga_or_its_color_bars() {
    let mut driver = ov2640(View::Scene).driver;
    assert_eq!((driver.view(), picture(&mut driver)), (Some(View::Scene), Ok(scene(160, 120))));
    let bars = [0xFFFF, 0xFFE0, 0x07FF, 0x07E0, 0xF81F, 0xF800, 0x001F, 0x0000];
    let bars: Vec<u16> = (0..120 * 160).map(|pixel| bars[pixel % 160 / 20]).collect();
    driver.set_view(View::ColorBars);
    assert_eq!((driver.view(), picture(&mut driver)), (Some(View::ColorBars), Ok(bars)));
}

#[test]
fn ov2640_holds_every_documented_value_after_initialization() {
    let Camera { model, mut driver, .. } = ov2640(View::Scene);
    assert_eq!(block_on(driver.initialize()), Ok(()));
    let settings = CONFIGURATION.iter().flat_map(|table| *table);
    let compared = settings.filter(|(register, _)| register.compared != 0);
    for (register, value) in compared.clone() {
        let bank = match register.bank {
            Bank::Dsp => 0,
            Bank::Sensor => 1,
        };
        assert_eq!(model.register(bank, register.address), *value, "{register:?}");
    }
    assert_eq!(compared.count(), 37);
    // And the one that chooses the view.
    assert_eq!(examined(&mut driver), (Vec::new(), 38));
}

/// No test can tell what reserved registers do: that none of the values taken from the reference settings changes unnoticed.
#[test]
fn ov2640_has_the_reference_settings() {
    let settings: Vec<u8> = CONFIGURATION
        .iter()
        .flat_map(|table| *table)
        .flat_map(|(register, value)| [register.bank as u8, register.address, *value])
        .collect();
    let sum = settings.iter().fold(0_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add((*byte).into()));
    assert_eq!((settings.len() / 3, sum), (161, 2_700_061_313));
}

#[test]
fn ov2640_model_refuses_what_sccb_does_not_have() {
    let mut sccb = ov2640(View::Scene).model;
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

/// Every size, format and enabling register counts in the model: one that is wrong after initialization spoils the frame, and an
/// examination names it.
#[test]
fn ov2640_model_shows_wrong_values() {
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
        let Camera { model: mut sccb, mut driver, .. } = ov2640(View::Scene);
        assert_eq!(block_on(driver.initialize()), Ok(()));
        for bytes in [[0xFF, bank], [address, value]] {
            assert_eq!(block_on(sccb.write(0x30, &bytes)), Ok(()));
        }
        // What resets the port is not compared.
        let expected = if address == 0xE0 { Vec::new() } else { vec![(bank, address, value)] };
        assert_eq!(examined(&mut driver), (expected, 38), "{meaning}");
        let found = capture(&mut driver);
        assert_ne!(found, Ok(scene(160, 120)), "{meaning}");
        if meaning.ends_with("no frame") {
            assert_eq!(found, Err(Fault::NoVsync), "{meaning}");
        }
    }
}

#[test]
fn arducam_mega_of_every_kind_gives_the_scene_in_both_sizes() {
    for id in 0x81..=0x87 {
        for (resolution, side) in [(Resolution::Square96, 96), (Resolution::Square128, 128)] {
            let found = picture(&mut arducam_mega(id, resolution).driver);
            assert_eq!(found, Ok(scene(side, side)), "{id:#04x}");
        }
    }
}

#[test]
fn arducam_mega_that_is_none_is_named() {
    for id in [0x00, 0x80, 0x88, 0xFF] {
        let expected = Fault::WrongProduct { expected: 0x81, found: id.into() };
        let found = picture(&mut arducam_mega(id, Resolution::Square96).driver);
        assert_eq!(found, Err(expected));
    }
}

/// A driver that reads a register without the byte that means nothing, or the FIFO without it, reads wrong bytes.
#[test]
fn arducam_mega_model_has_a_dummy_byte() {
    let mut spi = arducam_mega(0x85, Resolution::Square96).model;
    let mut bytes = [0x40, 0, 0];
    assert_eq!(block_on(spi.transfer_in_place(&mut bytes)), Ok(()));
    assert_eq!(bytes, [0, 0, 0x85]);
}

/// The codes of the faults that are reported when a camera has `fault` for some transactions from `first` on.
fn codes<M: Failing>(
    Camera { model, driver, time, .. }: Camera<M, impl FrameSource>,
    fault: M::Fault,
    first: u32,
    count: u32,
) -> Vec<u16> {
    model.inject(fault, first, count);
    let mut good = 0;
    let records = run(driver, time, |_| {
        good += u32::from(model.faults().is_over());
        good < 6
    });
    let mut codes: Vec<_> = records.faults.iter().map(|fault| fault.code).collect();
    codes.dedup();
    let last = records.frames.last().expect("frames come again");
    assert_eq!(last.report.faults.total() as usize, records.faults.len());
    codes
}

/// The transaction with which the second frame of an undisturbed run begins.
fn second_frame(Camera { model, mut driver, .. }: Camera<impl Failing, impl FrameSource>) -> u32 {
    assert!(picture(&mut driver).is_ok());
    model.faults().transactions()
}

#[test]
fn every_fault_of_an_ov2640_has_its_name() {
    use sensor_model::Fault as Injected;
    let frame = second_frame(ov2640(View::Scene));
    let cases = [
        // From the first transaction on, so that initialization meets it.
        (Injected::Nack, 0, 12, NACK),
        (Injected::Bus, 0, 12, BUS),
        (Injected::Hang, 0, 12, TRANSACTION_TIMEOUT),
        (Injected::FlippedRead, 0, 12, WRONG_PRODUCT),
        (Injected::WrongProduct, 0, 12, WRONG_PRODUCT),
        (Injected::Hang, frame, 1, NO_VSYNC),
        (Injected::NoVsync, frame, 1, NO_VSYNC),
        (Injected::NoPixels, frame, 1, NO_PIXELS),
        (Injected::BrownOut, frame, 1, TOO_LONG),
        (Injected::Overrun, frame, 1, OVERRUN),
        (Injected::ShortFrame, frame, 1, WRONG_LENGTH),
        (Injected::LongFrame, frame, 1, TOO_LONG),
        (Injected::Blank, frame, 1, BLANK),
        (Injected::Frozen, frame, 1, FROZEN),
    ];
    for (fault, first, count, code) in cases {
        let found = codes(ov2640(View::Scene), fault, first, count);
        assert_eq!(found, [code], "{fault:?} from {first} on");
    }
}

#[test]
fn a_write_that_is_lost_costs_no_frame() {
    // Of COM7 and of CLKRC.
    for first in [7, 9] {
        assert_eq!(codes(ov2640(View::Scene), sensor_model::Fault::LostWrite, first, 1), [0_u16; 0]);
    }
}

/// "One row short" was "no frame comes", and "one row long" was "pixels were lost".
#[test]
fn a_fault_of_the_parallel_port_says_how_much_came() {
    use sensor_model::Fault as Injected;
    let expected = 2 * 160 * 120;
    let row = 2 * 160;
    for (fault, name) in [
        (Injected::ShortFrame, Fault::WrongLength { expected, found: expected - row }),
        (Injected::LongFrame, Fault::TooLong { expected }),
        (Injected::Overrun, Fault::Overrun { found: expected / 2, expected }),
        (Injected::NoVsync, Fault::NoVsync),
        (Injected::NoPixels, Fault::NoPixels),
    ] {
        let mut camera = ov2640(View::Scene);
        assert!(picture(&mut camera.driver).is_ok());
        camera.model.inject(fault, camera.model.faults().transactions(), 1);
        assert_eq!(capture(&mut camera.driver), Err(name), "{fault:?}");
    }
}

#[test]
fn every_fault_of_an_arducam_mega_has_its_name() {
    use mega_model::Fault as Injected;
    let camera = || arducam_mega(0x85, Resolution::Square96);
    // It begins by clearing the FIFO.
    let second = second_frame(camera());
    let cases = [
        (Injected::WrongProduct, 0, 20, WRONG_PRODUCT),
        (Injected::Frozen, second + 1, 1, FROZEN),
        (Injected::StuckFifo, second + 1, 1, STUCK_FIFO),
        (Injected::BrownOut, second + 3, 1, STUCK_FIFO),
        (Injected::WrongLength, second, 11, WRONG_LENGTH),
        (Injected::Blank, second, 11, BLANK),
    ];
    for (fault, first, count, code) in cases {
        assert_eq!(codes(camera(), fault, first, count), [code], "{fault:?}");
    }
    // A capture that is given up is still under way when the next one is triggered, which then is blank.
    assert_eq!(codes(camera(), Injected::Bus, second + 3, 1), [BUS, BLANK]);
    let always = [
        (Injected::Bus, BUS),
        (Injected::Hang, TRANSACTION_TIMEOUT),
        (Injected::StuckLow, IDLE_TIMEOUT),
        (Injected::StuckHigh, IDLE_TIMEOUT),
        (Injected::Busy, IDLE_TIMEOUT),
    ];
    for (fault, code) in always {
        assert_eq!(codes(camera(), fault, 0, 5_000)[0], code, "{fault:?}");
    }
}
