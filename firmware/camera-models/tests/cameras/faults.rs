//! Every fault at every transaction of boot, initialization and the first captures, for both cameras.

use crate::support::{Expected, Records, SHORT_TIMING, run};
use camera_models::{Injection, MovingBlocks, SimulatedDelay, Time, arducam_mega, ov2640};
use firmware::camera::arducam_mega::{ArducamMega, Resolution};
use firmware::camera::ov2640::{Ov2640, View};
use firmware::camera::{FrameSource, Policy};

/// Attempts that may begin after a fault's end until one of them gives a frame.
const ATTEMPTS: usize = 3;
/// Attempts of a run: the longest fault and what comes after it.
const LIMIT: usize = 80;
/// No attempt may take longer, in simulated time.
const ATTEMPT_LIMIT_NS: u64 = 16_000_000_000;
/// Good frames at the end of each run.
const GOOD_FRAMES: usize = 3;
/// Transactions that a fault lasts: a glitch, a disturbance, a longer one.
const DURATIONS: [u32; 3] = [1, 3, 40];

/// Runs until some frames in a row are good after the fault's end, and says how many transactions there were.
///
/// Panics if that takes too many attempts, too much time, or if any frame is wrong.
fn assert_recovers(
    source: impl FrameSource,
    time: &Time,
    expected: &Expected,
    is_fault_over: impl Fn() -> bool,
    context: &str,
) -> Records {
    let mut was_over = is_fault_over();
    let mut started = time.nanoseconds();
    let (mut attempts, mut faults) = (0, 0);
    let (mut failures_after, mut good) = (0, 0);
    let records = run(source, time, Policy::default(), |records| {
        let took = time.nanoseconds() - started;
        assert!(
            took < ATTEMPT_LIMIT_NS,
            "{context}: attempt {attempts} took {took} ns"
        );
        let has_failed = records.faults.len() > faults;
        if has_failed && was_over {
            failures_after += 1;
            assert!(failures_after < ATTEMPTS, "{context}: {:?}", records.faults);
            assert_eq!(good, 0, "{context}: {:?}", records.faults);
        }
        good += usize::from(!has_failed && was_over);
        attempts += 1;
        assert!(attempts < LIMIT, "{context}: the fault does not end");
        (faults, was_over, started) = (records.faults.len(), is_fault_over(), time.nanoseconds());
        // The last frame is captured, but not classified yet.
        good <= GOOD_FRAMES
    });
    expected.assert_true(&records, context);
    assert_eq!(records.feeds, records.frames.len(), "{context}");
    assert_eq!(
        records.frames.len() + records.faults.len() + 1,
        attempts,
        "{context}: attempts are not accounted for"
    );
    records
}

fn ov2640_run(expected: &Expected, injection: Option<Injection<ov2640::Fault>>) -> (u32, Records) {
    let time = Time::new();
    let sensor = ov2640::Ov2640::new(&time, MovingBlocks::default());
    if let Some(injection) = injection {
        sensor.inject(injection);
    }
    let driver = Ov2640::new(
        sensor.sccb(),
        sensor.port(),
        SimulatedDelay(&time),
        View::Scene,
    );
    let context = format!("OV2640, {injection:?}");
    let records = assert_recovers(driver, &time, expected, || sensor.is_fault_over(), &context);
    (sensor.transactions(), records)
}

#[test]
fn ov2640_recovers_from_every_fault_at_every_transaction() {
    let expected = Expected::new(160, 120, LIMIT);
    let (transactions, undisturbed) = ov2640_run(&expected, None);
    assert_eq!(undisturbed.faults, []);
    for fault in ov2640::Fault::ALL {
        for count in DURATIONS {
            for first in 0..transactions {
                ov2640_run(
                    &expected,
                    Some(Injection {
                        fault,
                        first,
                        count,
                    }),
                );
            }
        }
    }
}

fn arducam_run(
    expected: &Expected,
    injection: Option<Injection<arducam_mega::Fault>>,
) -> (u32, Records) {
    let time = Time::new();
    let camera = arducam_mega::ArducamMega::new(&time, MovingBlocks::default(), 0x85, SHORT_TIMING);
    if let Some(injection) = injection {
        camera.inject(injection);
    }
    let driver = ArducamMega::new(camera.spi(), SimulatedDelay(&time), Resolution::Square96);
    let context = format!("ArduCAM Mega, {injection:?}");
    let records = assert_recovers(driver, &time, expected, || camera.is_fault_over(), &context);
    (camera.transactions(), records)
}

#[test]
fn arducam_mega_recovers_from_every_fault_at_every_transaction() {
    let expected = Expected::new(96, 96, LIMIT);
    let (transactions, undisturbed) = arducam_run(&expected, None);
    assert_eq!(undisturbed.faults, []);
    for fault in arducam_mega::Fault::ALL {
        for count in DURATIONS {
            for first in 0..transactions {
                arducam_run(
                    &expected,
                    Some(Injection {
                        fault,
                        first,
                        count,
                    }),
                );
            }
        }
    }
}
