//! For both cameras: every fault at every transaction of boot, initialization and the first captures, and thousands of frames
//! with random faults.

use crate::support::{Camera, Expected, Failing, Records, arducam_mega, ov2640, run};
use firmware::camera::FrameSource;
use firmware::camera::arducam_mega::Resolution;
use firmware::camera::ov2640::View;
use shared_model::testing::Numbers;
use std::collections::BTreeSet;

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
/// Attempts of a soak.
const SOAK: usize = 3_000;

/// Runs until some frames in a row are good after the fault's end.
///
/// Panics if that takes too many attempts, too much time, or if any frame is wrong.
fn assert_recovers(
    Camera { model, driver, time }: Camera<impl Failing, impl FrameSource>,
    expected: &Expected,
    context: &str,
) -> Records {
    let is_fault_over = || model.faults().is_over();
    let mut was_over = is_fault_over();
    let mut started = time.nanoseconds();
    let (mut attempts, mut faults) = (0, 0);
    let (mut failures_after, mut good) = (0, 0);
    let records = run(driver, time, |records| {
        let took = time.nanoseconds() - started;
        assert!(took < ATTEMPT_LIMIT_NS, "{context}: attempt {attempts} took {took} ns");
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
    let accounted = records.frames.len() + records.faults.len() + 1;
    assert_eq!(accounted, attempts, "{context}: attempts are not accounted for");
    records
}

fn assert_recovers_from_every_fault<M: Failing, D: FrameSource>(make: impl Fn() -> Camera<M, D>) {
    let undisturbed = make();
    let (format, model) = (undisturbed.driver.format(), undisturbed.model);
    let expected = Expected::new(format.width, format.height, LIMIT);
    assert_eq!(assert_recovers(undisturbed, &expected, "undisturbed").faults, []);
    for &fault in M::FAULTS {
        for count in DURATIONS {
            for first in 0..model.faults().transactions() {
                let camera = make();
                camera.model.inject(fault, first, count);
                let context = format!("{fault:?} for {count} transactions from {first} on");
                assert_recovers(camera, &expected, &context);
            }
        }
    }
}

#[test]
fn ov2640_recovers_from_every_fault_at_every_transaction() {
    assert_recovers_from_every_fault(|| ov2640(View::Scene));
}

#[test]
fn arducam_mega_recovers_from_every_fault_at_every_transaction() {
    assert_recovers_from_every_fault(|| arducam_mega(0x85, Resolution::Square96));
}

/// Injects a fault of up to `longest` transactions before every third attempt or so, somewhere in the next `span`, and checks what
/// comes out in the end.
fn soak<M: Failing>(camera: Camera<M, impl FrameSource>, span: u64, longest: u64) {
    let Camera { model, driver, time } = camera;
    let format = driver.format();
    let mut numbers = Numbers(5);
    let mut attempts = 0;
    let records = run(driver, time, |_| {
        attempts += 1;
        if numbers.below(3) == 0 {
            let fault = M::FAULTS[numbers.below(M::FAULTS.len() as u64) as usize];
            let first = model.faults().transactions() + numbers.below(span) as u32;
            model.inject(fault, first, 1 + numbers.below(longest) as u32);
        }
        attempts < SOAK
    });
    Expected::new(format.width, format.height, SOAK).assert_true(&records, "soak");
    let Records { frames, faults, feeds } = records;
    // The last attempt is not classified yet, or was a fault.
    let accounted = frames.len() + faults.len();
    assert!((SOAK - 1..=SOAK).contains(&accounted), "{accounted}");
    assert_eq!(feeds, frames.len());
    assert!(frames.is_sorted_by(|(earlier, _), (later, _)| earlier.counter < later.counter));
    // A run in which nothing fails, or nothing works, tests nothing.
    assert!(faults.len() > SOAK / 20, "{}", faults.len());
    assert!(frames.len() > SOAK / 3, "{}", frames.len());
    let codes: BTreeSet<u16> = faults.iter().map(|fault| fault.code).collect();
    assert!(codes.len() >= 7, "{codes:?}");
    for (class, count) in faults.last().expect("there are faults").faults.iter() {
        let reported = faults.iter().filter(|fault| fault.class == class).count();
        assert_eq!(count as usize, reported, "{class:?}");
    }
}

#[test]
fn ov2640_soak() {
    soak(ov2640(View::Scene), 6, 6);
}

#[test]
fn arducam_mega_soak() {
    soak(arducam_mega(0x81, Resolution::Square96), 20, 30);
}
