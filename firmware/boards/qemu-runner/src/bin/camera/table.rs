//! What a person reads.

use firmware::pipeline::Verdict;
use firmware::protocol::{FrameReport, StageTimes};
use qemu_runner::camera::Session;

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
pub fn print(session: &Session) {
    let median = |stage: fn(&StageTimes) -> u64| {
        let mut times: Vec<u64> = session
            .frames
            .iter()
            .map(|frame| stage(&frame.times))
            .collect();
        times.sort_unstable();
        times.get(times.len() / 2).copied().unwrap_or_default()
    };
    println!("\nkernels: {}", session.plan);
    println!(
        "\nstage        instructions, median of {} frames",
        session.frames.len()
    );
    type Stage = (&'static str, fn(&StageTimes) -> u64);
    let stages: [Stage; 4] = [
        ("capture", |times| times.capture),
        ("preprocess", |times| times.preprocess),
        ("classify", |times| times.classify),
        ("report", |times| times.report),
    ];
    for (name, stage) in stages {
        println!("{name:10} {:14}", median(stage));
    }
    println!(
        "\n{} frames, {} faults",
        session.totals.completed, session.totals.faults
    );
    if let Some(stack) = session.stack.last() {
        println!(
            "{} of {} bytes of stack used after boot",
            stack.used, stack.size
        );
    }
}
