//! What a person reads.

use protocol::{FrameReport, StageTimes, Verdict};
use qemu_runner::camera::CameraReport;

/// A line about a frame; class `i` is called `labels[i]`.
pub fn frame(frame: &FrameReport, labels: &[String]) -> String {
    let percent = |probability: u16| u32::from(probability) * 100 / u32::from(u16::MAX);
    let candidates: Vec<String> = frame
        .top
        .iter()
        .map(|candidate| {
            let label = labels.get(usize::from(candidate.class));
            let label = label.map_or("?", String::as_str);
            format!("{label} {} %", percent(candidate.probability))
        })
        .collect();
    let doubt = match frame.verdict {
        Verdict::NotSure => "not sure: ",
        Verdict::Class { .. } => "",
    };
    format!("frame {}: {doubt}{}", frame.counter, candidates.join(", "))
}

/// What the stages of a frame took, and what was counted.
pub fn print(report: &CameraReport) {
    let median = |time: fn(&StageTimes) -> u64| {
        let mut times: Vec<u64> = report
            .frames
            .iter()
            .map(|frame| time(&frame.times))
            .collect();
        times.sort_unstable();
        times.get(times.len() / 2).copied().unwrap_or_default()
    };
    println!("\nkernels: {}", report.device.plan);
    println!(
        "\nstage        instructions, median of {} frames",
        report.frames.len()
    );
    let medians = [
        ("capture", median(|times| times.capture)),
        ("preprocess", median(|times| times.preprocess)),
        ("classify", median(|times| times.classify)),
        ("report", median(|times| times.report)),
    ];
    for (name, median) in medians {
        println!("{name:10} {median:14}");
    }
    println!(
        "\n{} frames, {} faults",
        report.totals.completed, report.totals.faults
    );
    if let Some(stack) = report.stack.last() {
        println!(
            "{} of {} bytes of stack used after boot",
            stack.used, stack.size
        );
    }
}
