//! The conformance suite for cameras: what every driver must do with its model. The next camera is a driver, a model with its
//! [`Failing`] and its maker in `support.rs`, and a line at the end.

use crate::support::{Camera, Expected, Failing, QUICK, Records, arducam_mega, ov2640, run};
use camera_models::{Sight, SimulatedDelay, ov2640 as sensor_model};
use embassy_futures::block_on;
use firmware::camera::View;
use firmware::camera::arducam_mega::Resolution;
use firmware::camera::{Frame, FrameSource, Policy, Supervisor};
use protocol::{Deed, Finding, Marks};
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
/// So many frames are taken of a scene.
const SCENE_FRAMES: usize = 500;
/// And for so long at most; as long scenes change.
const SCENE_NS: u64 = 60_000_000_000;
/// The watchdog's time on the boards.
const WATCHDOG_NS: u64 = 16_000_000_000;

/// Runs until some frames in a row are good after the fault's end.
///
/// Panics if that takes too many attempts, too much time, or if any frame is wrong.
fn assert_recovers(
    Camera { model, driver, time, .. }: Camera<impl Failing, impl FrameSource>,
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
    assert_eq!(records.feeds.len(), records.frames.len(), "{context}");
    let accounted = records.frames.len() + records.faults.len() + 1;
    assert_eq!(accounted, attempts, "{context}: attempts are not accounted for");
    records
}

/// Every fault at every transaction of initialization and the first captures: true frames again soon after its end.
fn recovers_from_every_fault_at_every_transaction<M: Failing, D: FrameSource>(make: impl Fn() -> Camera<M, D>) {
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

/// Thousands of frames with random faults, a few transactions long or as long as an attempt: what comes out is true and accounted for.
fn survives_random_faults<M: Failing, D: FrameSource>(make: impl Fn() -> Camera<M, D>) {
    let undisturbed = make();
    let mut transactions = vec![];
    run(undisturbed.driver, undisturbed.time, |_| {
        transactions.push(u64::from(undisturbed.model.faults().transactions()));
        transactions.len() < 3
    });
    // Of one attempt, and a few more where it is a single one.
    let span = transactions[2] - transactions[1] + 4;
    let Camera { model, driver, time, .. } = make();
    let format = driver.format();
    let mut numbers = Numbers(5);
    let mut attempts = 0;
    let records = run(driver, time, |_| {
        attempts += 1;
        if numbers.below(3) == 0 {
            let fault = M::FAULTS[numbers.below(M::FAULTS.len() as u64) as usize];
            let first = model.faults().transactions() + numbers.below(span) as u32;
            model.inject(fault, first, 1 + numbers.below(span) as u32);
        }
        attempts < SOAK
    });
    Expected::new(format.width, format.height, SOAK).assert_true(&records, "soak");
    let Records { frames, faults, feeds, .. } = records;
    // The last attempt is not classified yet, or was a fault.
    let accounted = frames.len() + faults.len();
    assert!((SOAK - 1..=SOAK).contains(&accounted), "{accounted}");
    assert_eq!(feeds.len(), frames.len());
    assert!(frames.is_sorted_by(|earlier, later| earlier.report.counter < later.report.counter));
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

/// A fault that never ends: no attempt hangs.
fn ends_every_attempt_whatever_lasts<M: Failing, D: FrameSource>(make: impl Fn() -> Camera<M, D>) {
    for &fault in M::FAULTS {
        let Camera { model, driver, time, .. } = make();
        model.inject(fault, 0, u32::MAX);
        let (mut attempts, mut started) = (0, time.nanoseconds());
        let records = run(driver, time, |_| {
            let took = time.nanoseconds() - started;
            assert!(took < ATTEMPT_LIMIT_NS, "{fault:?}: attempt {attempts} took {took} ns");
            (attempts, started) = (attempts + 1, time.nanoseconds());
            attempts < LIMIT
        });
        assert!(records.frames.len() + records.faults.len() >= LIMIT - 1, "{fault:?}");
    }
}

/// The longest time without food since the start, in nanoseconds.
fn hunger(feeds: &[u64], end: u64) -> u64 {
    let times: Vec<u64> = [0].into_iter().chain(feeds.iter().copied()).chain([end]).collect();
    times.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or_default()
}

/// Any scene is a picture in the end, with the marks that it deserves, and so is the one behind the next change.
fn makes_pictures_of_every_scene<M: Failing, D: FrameSource>(make: impl Fn() -> Camera<M, D>) {
    for sight in Sight::ALL {
        let Camera { driver, stage, time, .. } = make();
        stage.sight.set(sight);
        let records = run(driver, time, |records| records.frames.len() < SCENE_FRAMES && time.nanoseconds() < SCENE_NS);
        let marks = match sight {
            Sight::MovingBlocks | Sight::Wall => Marks::NONE,
            Sight::StillLife => Marks::STILL,
            Sight::Dark | Sight::Capped | Sight::HotPixel | Sight::Sparks => Marks::DARK,
            Sight::BlownOut => Marks::BLOWN_OUT,
        };
        let settled =
            records.frames.iter().skip_while(|frame| frame.marks.contains(Marks::SETTLING) || frame.marks != marks);
        let settled: Vec<_> = settled.collect();
        assert!(settled.iter().all(|frame| frame.marks == marks), "{sight:?}");
        // From the first of them to the end, one for every attempt but the last.
        let first = settled.first().expect("there are frames that have settled").report.counter;
        let attempts = records.frames.last().map_or(0, |frame| frame.report.counter) - first + 1;
        assert!(settled.len() * 100 >= attempts as usize * 95, "{sight:?}: {} of {attempts}", settled.len());
        assert!(records.frames.len() > settled.len(), "{sight:?}: nothing was marked as settling");
        assert!(hunger(&records.feeds, time.nanoseconds()) < WATCHDOG_NS / 2, "{sight:?}");
    }
}

/// Whatever the scene does meanwhile, the watchdog is fed.
pub fn no_change_of_scene_starves_the_watchdog<M: Failing, D: FrameSource>(make: impl Fn() -> Camera<M, D>) {
    for seed in 0..10 {
        let Camera { driver, stage, time, .. } = make();
        let mut numbers = Numbers(seed);
        let mut left = 0;
        // A scene stays for as many attempts as it takes to give it up, or fewer, or more.
        let records = run(driver, time, |_| {
            if left == 0 {
                stage.sight.set(Sight::ALL[numbers.below(Sight::ALL.len() as u64) as usize]);
                left = 1 + numbers.below(8);
            }
            left -= 1;
            time.nanoseconds() < SCENE_NS
        });
        let hunger = hunger(&records.feeds, time.nanoseconds());
        assert!(hunger < WATCHDOG_NS, "seed {seed}: {hunger} ns");
    }
}

/// What a camera that is all right is found to be; and whatever fails for ever, an examination ends in time and without a frame that is not one.
fn is_examined_whatever_fails<M: Failing, D: FrameSource>(make: impl Fn() -> Camera<M, D>) {
    for fault in [None].into_iter().chain(M::FAULTS.iter().copied().map(Some)) {
        let Camera { model, driver, time, .. } = make();
        let mut buffer = vec![0; driver.format().len()];
        let mut frame = Frame::new(&mut buffer);
        let mut supervisor = Supervisor::new(driver, SimulatedDelay(time), Policy::DEFAULT);
        if let Some(fault) = fault {
            model.inject(fault, 0, u32::MAX);
        }
        let (mut is_known, mut differing, mut failed, mut captured, mut has_pattern) = (false, 0, 0, 0, true);
        let mut tell = async |finding: Finding<'_>| match finding {
            Finding::Product { is_known: is, .. } => is_known = is,
            Finding::Register { .. } => differing += 1,
            Finding::Done { problem: Some(_), .. } => failed += 1,
            Finding::Done { deed: Deed::Capture, problem: None, .. } => captured += 1,
            Finding::NoTestPattern => has_pattern = false,
            Finding::Done { problem: None, .. } | Finding::Value { .. } | Finding::Compared { .. } => {}
            Finding::KnownAnswer { .. } | Finding::End(_) => panic!("{finding:?}"),
        };
        let clock = || time.nanoseconds();
        block_on(supervisor.examine(&mut frame, &clock, &mut tell));
        let has_frame = frame.format().is_some();
        block_on(supervisor.examine_test_pattern(&mut frame, &clock, &mut tell));
        assert!(time.nanoseconds() < ATTEMPT_LIMIT_NS, "{fault:?} took {} ns", time.nanoseconds());
        let frames = usize::from(has_frame) + usize::from(frame.format().is_some());
        assert_eq!(frames, captured, "{fault:?}");
        if fault.is_none() {
            assert!(is_known);
            assert_eq!((differing, failed, captured), (0, 0, 1 + usize::from(has_pattern)));
        }
        // What was examined goes on.
        model.inject(M::FAULTS[0], 0, 0);
        let outcomes: Vec<_> = (0..3).map(|_| block_on(supervisor.attempt(&mut frame)).is_ok()).collect();
        assert!(outcomes.contains(&true), "{fault:?}");
    }
}

/// The suite: one line for each camera, which says how to make a new one with its model before a stage.
macro_rules! conformance {
    ($camera:ident, $make:expr) => {
        mod $camera {
            use super::*;

            #[test]
            fn recovers_from_every_fault_at_every_transaction() {
                super::recovers_from_every_fault_at_every_transaction(|| $make);
            }

            #[test]
            fn survives_random_faults() {
                super::survives_random_faults(|| $make);
            }

            #[test]
            fn is_examined_whatever_fails() {
                super::is_examined_whatever_fails(|| $make);
            }

            #[test]
            fn ends_every_attempt_whatever_lasts() {
                super::ends_every_attempt_whatever_lasts(|| $make);
            }

            #[test]
            fn makes_pictures_of_every_scene() {
                super::makes_pictures_of_every_scene(|| $make);
            }

            #[test]
            fn no_change_of_scene_starves_the_watchdog() {
                super::no_change_of_scene_starves_the_watchdog(|| $make);
            }
        }
    };
}

conformance!(ov2640_qqvga, ov2640(sensor_model::Habits::default(), View::Scene));
conformance!(arducam_mega_square, arducam_mega(0x85, Resolution::Square96, QUICK));
