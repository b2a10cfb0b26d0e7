//! What cameras do that no datasheet tells, each with its source in the models: what a user sees of it.

use crate::conformance::no_change_of_scene_starves_the_watchdog;
use crate::support::{Camera, Failing, Mega, Records, Sensor, Taken, arducam_mega, ov2640, run};
use camera_models::{Sight, arducam_mega as mega_model, ov2640 as sensor_model};
use firmware::camera::FrameSource;
use firmware::camera::View;
use firmware::camera::arducam_mega::Resolution;
use protocol::{Marks, Recovery};

const MILLISECOND: u64 = 1_000_000;

fn mega(habits: mega_model::Habits) -> Camera<Mega, impl FrameSource> {
    arducam_mega(0x82, Resolution::Square128, habits)
}

fn sensor(habits: sensor_model::Habits) -> Camera<Sensor, impl FrameSource> {
    ov2640(habits, View::Scene)
}

/// What comes in so many simulated milliseconds.
fn run_for(milliseconds: u64, camera: Camera<impl Sized, impl FrameSource>) -> Records {
    let Camera { driver, time, .. } = camera;
    run(driver, time, |_| time.nanoseconds() < milliseconds * MILLISECOND)
}

/// The mean of each channel of a frame that the network saw.
fn means(frame: &Taken) -> [u32; 3] {
    let pixels = frame.picture.as_chunks::<3>().0;
    [0, 1, 2].map(|channel| pixels.iter().map(|pixel| u32::from(pixel[channel])).sum::<u32>() / pixels.len() as u32)
}

/// Before: no frame at all, and 46 resets a minute, where the quiet had to be more than nothing.
#[test]
fn an_arducam_mega_is_left_alone_until_it_can_see() {
    for quiet_ms in [0, 50, 100, 200, 400] {
        let records = run_for(10_000, mega(mega_model::Habits { quiet_ms, ..Default::default() }));
        assert_eq!(records.faults, [], "{quiet_ms} ms");
        assert!(records.feeds[0] < 1_000 * MILLISECOND, "{quiet_ms} ms");
    }
    // Each blank start doubles it.
    for (quiet_ms, starts) in [(501, 2), (1_000, 2), (1_001, 3), (1_900, 3)] {
        let records = run_for(10_000, mega(mega_model::Habits { quiet_ms, ..Default::default() }));
        let restarts = records.faults.iter().filter(|fault| matches!(fault.recovery, Recovery::Initialize { .. }));
        assert_eq!(restarts.count() + 1, starts, "{quiet_ms} ms");
        assert!(records.frames.len() > 50 && records.frames.iter().all(|frame| means(frame)[1] > 50), "{quiet_ms} ms");
    }
}

/// Before: the picture was dark and had a quarter of the blue.
#[test]
fn an_arducam_mega_whose_loops_are_off_after_a_reset_is_bright_and_in_colour() {
    let picture = |are_loops_off| {
        let records = run_for(3_000, mega(mega_model::Habits { are_loops_off, ..Default::default() }));
        records.frames[5].picture.clone()
    };
    assert!(picture(true) == picture(false));
}

/// Before: every frame was taken for a good one.
#[test]
fn frames_are_marked_until_exposure_and_white_balance_are_stable_and_after_each_new_start() {
    fn assert_marked(records: &Records, settling_frames: usize, context: &str) {
        let stable = means(&records.frames[79]);
        for (index, frame) in records.frames.iter().take(80).enumerate() {
            let is_marked = frame.marks.contains(Marks::SETTLING);
            let off = means(frame).iter().zip(stable).map(|(mean, stable)| mean.abs_diff(stable)).max();
            assert!(is_marked || off <= Some(8), "{context}: frame {index} is {off:?} off and not marked");
            assert!(!is_marked || index < settling_frames + 6, "{context}: frame {index} is marked");
        }
        assert!(records.frames[0].marks.contains(Marks::SETTLING), "{context}");
    }
    // Noise, so that nothing repeats; the picture of a lit wall.
    for settling_frames in [0, 6, 20, 41, 60] {
        let context = format!("{settling_frames} frames");
        let camera = mega(mega_model::Habits { settling_frames, are_loops_off: true, ..Default::default() });
        camera.stage.sight.set(Sight::Wall);
        assert_marked(&run_for(12_000, camera), settling_frames as usize, &context);
        let camera = sensor(sensor_model::Habits { settling_frames, ..Default::default() });
        camera.stage.sight.set(Sight::Wall);
        assert_marked(&run_for(12_000, camera), settling_frames as usize, &context);
    }
    // A start in the middle.
    let camera = sensor(sensor_model::Habits { settling_frames: 10, ..Default::default() });
    camera.stage.sight.set(Sight::Wall);
    let Camera { model, driver, time, .. } = camera;
    let mut is_disturbed = false;
    let records = run(driver, time, |records| {
        if records.frames.len() == 40 && !is_disturbed {
            is_disturbed = true;
            model.inject(sensor_model::Fault::BrownOut, model.faults().transactions(), 1);
        }
        records.frames.len() < 80
    });
    let marked: Vec<bool> = records.frames.iter().map(|frame| frame.marks.contains(Marks::SETTLING)).collect();
    assert!(!marked[39] && marked[42] && !marked[79], "{marked:?}");
}

/// Before: one reserved bit that read back otherwise was a camera that could not be used.
#[test]
fn an_ov2640_may_do_with_reserved_bits_what_it_likes() {
    let records = run_for(5_000, sensor(sensor_model::Habits { are_reserved_bits_odd: true, ..Default::default() }));
    assert_eq!(records.faults, []);
    assert!(records.frames.len() > 60);
}

/// Before: one such bit was a camera that could not be used.
#[test]
fn an_ov2640_with_an_odd_documented_bit_is_reported_once_a_start_and_used() {
    // The largest gain.
    let odd_register = Some((0x14, 0x20));
    let records = run_for(5_000, sensor(sensor_model::Habits { odd_register, ..Default::default() }));
    let [fault] = records.faults.as_slice() else {
        panic!("{:?}", records.faults);
    };
    assert_eq!(fault.text, "register 0x14 holds 0x68 in place of 0x48; does the supply break down?");
    assert_eq!(fault.recovery, Recovery::Retry);
    assert!(records.frames.len() > 50);
}

/// Before: 26 s to the first frame, which is longer than the watchdog waits.
#[test]
fn an_ov2640_that_ignores_one_access_in_50_gives_its_first_frame_within_two_seconds() {
    for nack_in in [50, 40, 60] {
        let records = run_for(10_000, sensor(sensor_model::Habits { nack_in, ..Default::default() }));
        assert!(records.feeds[0] < 2_000 * MILLISECOND, "1 in {nack_in}: {} ns", records.feeds[0]);
        assert_eq!(records.faults, [], "1 in {nack_in}");
    }
}

/// Before: bands at 50 Hz.
#[test]
fn an_ov2640_shows_no_bands_at_either_frequency_of_the_mains() {
    for mains_hz in [50, 60] {
        let records = run_for(2_000, sensor(sensor_model::Habits { mains_hz: Some(mains_hz), ..Default::default() }));
        let steady = run_for(2_000, sensor(sensor_model::Habits::default()));
        assert!(records.frames[5].picture == steady.frames[5].picture, "{mains_hz} Hz");
    }
}

/// Before: the first row was garbage.
#[test]
fn an_ov2640_shows_no_garbage_in_its_first_row() {
    let records = run_for(2_000, sensor(sensor_model::Habits { has_garbage: true, ..Default::default() }));
    let clean = run_for(2_000, sensor(sensor_model::Habits::default()));
    assert!(records.frames[5].picture == clean.frames[5].picture);
}

/// Before: they could not be set.
#[test]
fn an_ov2640_shows_color_bars_as_it_is_set() {
    let records = run_for(2_000, ov2640(sensor_model::Habits::default(), View::ColorBars));
    let bars = &records.frames[0].picture;
    // The square in the middle, which white and black at the edges have no part in.
    assert_eq!((&bars[..3], &bars[3 * 31..3 * 32]), (&[255, 255, 0][..], &[0, 0, 255][..]));
}

/// Before: no frame at all, a reset of the board every 16 s. Behind a lens cap an ArduCAM Mega needs the longest quiet.
#[test]
fn a_capped_lens_gives_dark_frames_for_a_minute() {
    fn assert_dark(camera: Camera<impl Sized, impl FrameSource>, context: &str) {
        camera.stage.sight.set(Sight::Capped);
        let time = camera.time;
        let records = run_for(60_000, camera);
        let first = records.frames.iter().position(|frame| !frame.marks.contains(Marks::SETTLING)).expect("it settles");
        let settled = &records.frames[first..];
        assert!(settled.iter().all(|frame| frame.marks == Marks::DARK), "{context}");
        let attempts = settled.last().map_or(0, |frame| frame.report.counter) - settled[0].report.counter + 1;
        assert!(settled.len() * 100 >= attempts as usize * 95, "{context}: {} of {attempts}", settled.len());
        let fed = records
            .feeds
            .iter()
            .chain([&time.nanoseconds()])
            .is_sorted_by(|one, next| *next - *one < 1_000 * MILLISECOND);
        assert!(fed && records.feeds[0] < 8_000 * MILLISECOND, "{context}: first fed after {} ns", records.feeds[0]);
        println!(
            "{context}: {} of {attempts} frames, the first after {} ms",
            settled.len(),
            records.feeds[0] / MILLISECOND
        );
    }
    assert_dark(mega(mega_model::Habits { quiet_ms: 400, settling_frames: 41, ..Default::default() }), "ArduCAM Mega");
    assert_dark(sensor(sensor_model::Habits { settling_frames: 41, ..Default::default() }), "OV2640");
}

/// All habits together, at their worst: what the boards' watchdog must leave time for.
#[test]
fn no_change_of_scene_starves_the_watchdog_with_the_slowest_cameras() {
    no_change_of_scene_starves_the_watchdog(|| {
        mega(mega_model::Habits {
            reset_ms: 1_000,
            setting_ms: 30,
            capture_ms: 200,
            quiet_ms: 400,
            are_loops_off: true,
            settling_frames: 41,
        })
    });
    no_change_of_scene_starves_the_watchdog(|| {
        sensor(sensor_model::Habits {
            nack_in: 50,
            are_reserved_bits_odd: true,
            odd_register: Some((0x14, 0x20)),
            settling_frames: 72,
            mains_hz: Some(50),
            has_garbage: true,
            ..Default::default()
        })
    });
}
