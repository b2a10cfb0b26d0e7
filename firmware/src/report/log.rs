//! A defmt log of what the board does, for people.

use super::{Labels, Report, label, percent};
use protocol::{
    DeviceInfo, FaultReport, FrameMarks, FrameReport, Message, Recovery, Setting, SettingAnswer, Start, Verdict,
};

/// Logs device information, frames and faults.
pub struct Log<'m> {
    labels: Labels<'m>,
}

impl<'m> Log<'m> {
    /// A log that knows the names of the classes (`Graph::labels`).
    pub const fn new(labels: Labels<'m>) -> Self {
        Self { labels }
    }

    fn start(start: &Start<'_>) {
        defmt::info!("started by: {=str}", start.cause.name());
        if !start.crash.is_empty() {
            defmt::error!("the run before ended with a crash: {=str}", start.crash);
        }
    }

    fn device(device: &DeviceInfo<'_>) {
        defmt::info!(
            "{=str} with {=str}: model {=str}, CRC-32 {=u32:08x}, {=u32} bytes of flash, {=u32} bytes of RAM, plan {=str}, known answer reproduced",
            device.board,
            device.camera,
            device.model,
            device.crc32,
            device.blob_len,
            device.arena_len,
            device.plan
        );
    }

    fn fault(fault: &FaultReport) {
        let recovery = match fault.recovery {
            Recovery::Retry => "another try follows",
            Recovery::Initialize { .. } => "the camera is initialized anew",
        };
        defmt::warn!(
            "frame {=u32}: {=str}; {=str}; {=u32} faults so far",
            fault.counter,
            fault.text,
            recovery,
            fault.faults.total()
        );
    }

    fn frame(&self, frame: &FrameReport) {
        let times = frame.times;
        match frame.verdict {
            Verdict::NotSure => defmt::info!("frame {=u32}: not sure", frame.counter),
            Verdict::Class { class, probability } => defmt::info!(
                "frame {=u32}: {=str} {=u32} %",
                frame.counter,
                label(self.labels, class),
                percent(probability)
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
}

impl Report for Log<'_> {
    async fn report(&mut self, message: &Message<'_>) {
        match message {
            Message::Start(start) => Self::start(start),
            Message::DeviceInfo(device) => Self::device(device),
            Message::BootFailure(failure) => defmt::error!("not classifying: {=str}", failure.text),
            Message::Frame(frame) => self.frame(frame),
            Message::Fault(fault) => Self::fault(fault),
            Message::Models(models) if !models.note.is_empty() => defmt::warn!("models: {=str}", models.note),
            Message::Setting(SettingAnswer::Changed(Setting { key, value, .. })) => {
                defmt::info!("{=str} is {=str}", *key, *value);
            }
            Message::Unsupported { request } => defmt::warn!("unknown request {=u32}", *request),
            Message::FrameMarks(FrameMarks { counter, marks }) => {
                marks.names().for_each(|mark| defmt::info!("frame {=u32}: {=str}", *counter, mark));
            }
            Message::Label(_)
            | Message::Chunk(_)
            | Message::Acknowledgement(_)
            | Message::FullFrame(_)
            | Message::Finding(_)
            | Message::Models(_)
            | Message::Setting(_) => {}
        }
    }
}
