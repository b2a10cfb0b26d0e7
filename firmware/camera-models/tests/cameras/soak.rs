//! Thousands of frames with random faults, for both cameras.

use crate::support::{Expected, Records, SHORT_TIMING, run};
use camera_models::{Injection, MovingBlocks, SimulatedDelay, Time, arducam_mega, ov2640};
use firmware::camera::arducam_mega::{ArducamMega, Resolution};
use firmware::camera::ov2640::{Ov2640, View};
use firmware::camera::{FrameSource, Policy};
use std::collections::BTreeSet;

const ATTEMPTS: usize = 3_000;

/// Numbers without a distribution to speak of: splitmix64.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ mixed >> 31) as usize % limit
    }
}

/// Calls `inject` before every third attempt or so, and checks what comes out in the end.
fn soak(source: impl FrameSource, time: &Time, mut inject: impl FnMut(&mut Numbers)) {
    let format = source.format();
    let mut numbers = Numbers(5);
    let mut attempts = 0;
    let records: Records = run(source, time, Policy::default(), |_| {
        attempts += 1;
        if numbers.below(3) == 0 {
            inject(&mut numbers);
        }
        attempts < ATTEMPTS
    });
    Expected::new(format.width, format.height, ATTEMPTS).assert_true(&records, "soak");
    // The last attempt is not classified yet, or was a fault.
    let accounted = records.frames.len() + records.faults.len();
    assert!(
        (ATTEMPTS - 1..=ATTEMPTS).contains(&accounted),
        "{accounted}"
    );
    assert_eq!(records.feeds, records.frames.len());
    let counters: Vec<u32> = records
        .frames
        .iter()
        .map(|(frame, _)| frame.counter)
        .collect();
    assert!(counters.is_sorted_by(|earlier, later| earlier < later));
    // A run in which nothing fails, or nothing works, tests nothing.
    assert!(
        records.faults.len() > ATTEMPTS / 20,
        "{}",
        records.faults.len()
    );
    assert!(
        records.frames.len() > ATTEMPTS / 3,
        "{}",
        records.frames.len()
    );
    let last = records.faults.last().expect("there are faults");
    let codes: BTreeSet<u16> = records.faults.iter().map(|fault| fault.code).collect();
    assert!(codes.len() >= 7, "{codes:?}");
    for (class, count) in last.faults.iter() {
        let reported = records.faults.iter().filter(|fault| fault.class == class);
        assert_eq!(count as usize, reported.count(), "{class:?}");
    }
}

#[test]
fn ov2640_soak() {
    let time = Time::new();
    let sensor = ov2640::Ov2640::new(&time, MovingBlocks::default());
    let driver = Ov2640::new(
        sensor.sccb(),
        sensor.port(),
        SimulatedDelay(&time),
        View::Scene,
    );
    soak(driver, &time, |numbers| {
        sensor.inject(Injection {
            fault: ov2640::Fault::ALL[numbers.below(ov2640::Fault::ALL.len())],
            first: sensor.transactions() + numbers.below(6) as u32,
            count: 1 + numbers.below(6) as u32,
        });
    });
}

#[test]
fn arducam_mega_soak() {
    let time = Time::new();
    let camera = arducam_mega::ArducamMega::new(&time, MovingBlocks::default(), 0x81, SHORT_TIMING);
    let driver = ArducamMega::new(camera.spi(), SimulatedDelay(&time), Resolution::Square96);
    soak(driver, &time, |numbers| {
        camera.inject(Injection {
            fault: arducam_mega::Fault::ALL[numbers.below(arducam_mega::Fault::ALL.len())],
            first: camera.transactions() + numbers.below(20) as u32,
            count: 1 + numbers.below(30) as u32,
        });
    });
}
