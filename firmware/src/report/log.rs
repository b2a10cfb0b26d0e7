//! Messages as lines of a defmt log.

use super::Report;
use crate::pipeline::Verdict;
use crate::protocol::{Banner, FrameReport, Message};

/// Logs every message but pictures.
pub struct Log<'m> {
    labels: &'m [&'m str],
}

impl<'m> Log<'m> {
    /// A log that knows the names of the classes (`Graph::labels`).
    pub const fn new(labels: &'m [&'m str]) -> Self {
        Self { labels }
    }

    fn banner(banner: &Banner<'_>) {
        defmt::info!(
            "{=str} with {=str}: model {=str}, CRC-32 {=u32:08x}, {=u32} bytes of flash, {=u32} bytes of RAM, plan {=str}, known answer reproduced",
            banner.board,
            banner.camera,
            banner.model,
            banner.crc32,
            banner.blob_len,
            banner.arena_len,
            banner.plan
        );
    }

    fn frame(&self, frame: &FrameReport) {
        let times = frame.times;
        match frame.verdict {
            Verdict::NotSure => defmt::info!("frame {=u32}: not sure", frame.counter),
            Verdict::Class { class, probability } => defmt::info!(
                "frame {=u32}: {=str} {=u32} %",
                frame.counter,
                self.label(class),
                u32::from(probability) * 100 / u32::from(u16::MAX)
            ),
        }
        defmt::debug!(
            "  capture {=u64}, preprocess {=u64}, classify {=u64}, report {=u64}",
            times.capture,
            times.preprocess,
            times.classify,
            times.report
        );
    }

    fn label(&self, class: u8) -> &str {
        self.labels
            .get(usize::from(class))
            .map_or("a class without a name", |label| *label)
    }
}

impl Report for Log<'_> {
    async fn report(&mut self, message: &Message<'_>) {
        match message {
            Message::Banner(banner) => Self::banner(banner),
            Message::Refusal(reason) => defmt::error!("not classifying: {=str}", reason),
            Message::Frame(frame) => self.frame(frame),
            Message::Fault(report) => defmt::warn!(
                "frame {=u32}: {}; {}; {=u32} faults so far",
                report.counter,
                defmt::Display2Format(&report.fault),
                report.remedy,
                report.faults.total()
            ),
            Message::Picture(_) => {}
        }
    }
}
