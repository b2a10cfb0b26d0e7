//! Who is told what the pipeline finds, and what comes of it: messages for a computer ([`Serial`]), lines for people ([`Lines`]), a log in a
//! debugger, a pin ([`ClassPin`]) or one's own code ([`Callback`]). Pairs of them, and pairs of pairs, are told one after the other.

mod callback;
mod lines;
#[cfg(feature = "defmt")]
mod log;
mod output_pin;
mod port;
mod serial;

use protocol::{Message, PictureMode, Received, Request, Subject};
use shared_model::graph::List;

pub use callback::Callback;
pub use lines::Lines;
#[cfg(feature = "defmt")]
pub use log::Log;
pub use output_pin::ClassPin;
use port::Port;
pub use serial::Serial;

/// A reader of the pipeline's messages.
#[expect(async_fn_in_trait, reason = "a board's executor has one thread, so that futures need not be Send")]
pub trait Report {
    /// Passes a message on. One that cannot be delivered in bounded time is dropped: nobody may be there to read it.
    async fn report(&mut self, message: &Message<'_>);

    /// The next thing that the reader wants, if there is one; never waits.
    fn command(&mut self) -> Option<Command> {
        None
    }
}

impl<R: Report> Report for &mut R {
    async fn report(&mut self, message: &Message<'_>) {
        R::report(self, message).await;
    }

    fn command(&mut self) -> Option<Command> {
        R::command(self)
    }
}

/// Two readers; the commands of both are heard.
impl<A: Report, B: Report> Report for (A, B) {
    async fn report(&mut self, message: &Message<'_>) {
        self.0.report(message).await;
        self.1.report(message).await;
    }

    fn command(&mut self) -> Option<Command> {
        self.0.command().or_else(|| self.1.command())
    }
}

/// A reader that is there or not, as settings have it.
impl<R: Report> Report for Option<R> {
    async fn report(&mut self, message: &Message<'_>) {
        if let Some(reader) = self {
            reader.report(message).await;
        }
    }

    fn command(&mut self) -> Option<Command> {
        self.as_mut()?.command()
    }
}

/// What the pipeline shall do about a frame that came from the computer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Send the device information and the labels.
    DeviceInfo,
    /// Send pictures, or none.
    Pictures(PictureMode),
    /// Send full frames, or none.
    FullFrames(PictureMode),
    /// Examine this, and send what is found.
    Examine(Subject),
    /// Say that this request is not supported.
    Unsupported {
        /// The number of its kind.
        request: u32,
    },
}

impl From<Received<Request<'_>>> for Command {
    fn from(received: Received<Request<'_>>) -> Self {
        match received {
            Received::Message(Request::DeviceInfo) => Self::DeviceInfo,
            Received::Message(Request::Pictures(mode)) => Self::Pictures(mode),
            Received::Message(Request::FullFrames(mode)) => Self::FullFrames(mode),
            Received::Message(Request::Examine(subject)) => Self::Examine(subject),
            Received::Message(
                request @ (Request::Chunk(_) | Request::Acknowledgement(_) | Request::Models(_) | Request::Settings(_)),
            ) => Self::Unsupported { request: request.kind() },
            Received::UnknownKind(request) => Self::Unsupported { request },
            // Any frame tells the computer which version this board speaks.
            Received::OtherVersion(_) => Self::DeviceInfo,
        }
    }
}

/// Names of the classes (`Graph::labels`).
type Labels<'m> = List<'m, &'m str>;

/// The name of a class, for people.
fn label<'m>(labels: Labels<'m>, class: u8) -> &'m str {
    labels.get(class.into()).unwrap_or("a class without a name")
}

/// A probability in units of 1/65,535, for people.
fn percent(probability: u16) -> u32 {
    u32::from(probability) * 100 / u32::from(u16::MAX)
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use crate::fault::Fault;
    use crate::settings::Output;
    use crate::testing::{NoWait, network};
    use core::cell::{Cell, RefCell};
    use core::convert::Infallible;
    use embassy_futures::block_on;
    use embedded_hal::digital::{ErrorKind, ErrorType, OutputPin};
    use protocol::{
        Acknowledgement, Candidate, Chunk, ChunkKind, FaultCounters, FrameMarks, FrameReport, Marks, Recovery,
        SettingRequest, StageTimes, TransferState, Verdict,
    };
    use shared_model::Model;
    use shared_model::encode::encode;
    use std::format;
    use std::string::String;
    use std::vec::Vec;

    /// What happens: a class is seen, none, one on a marked frame, or there is no frame.
    #[derive(Clone, Copy)]
    enum Happens {
        Class(u8),
        NotSure,
        Marked(u8),
        Fault,
    }
    use Happens::{Class, Fault as NoFrame, Marked, NotSure};

    fn tell(report: &mut impl Report, happens: Happens) {
        let verdict = match happens {
            Class(class) | Marked(class) => Verdict::Class { class, probability: 0xE000 },
            NotSure | NoFrame => Verdict::NotSure,
        };
        if matches!(happens, Marked(_)) {
            let marks = FrameMarks { counter: 0, marks: Marks::SETTLING };
            block_on(report.report(&Message::FrameMarks(marks)));
        }
        block_on(report.report(&match happens {
            NoFrame => Message::Fault(Fault::Blank.report(0, Recovery::Retry, FaultCounters::new())),
            Class(_) | Marked(_) | NotSure => Message::Frame(FrameReport {
                counter: 0,
                verdict,
                top: Candidate::top(&[]),
                logits: [].into_iter().collect(),
                times: StageTimes { capture: 0, preprocess: 0, classify: 0, report: 0 },
                faults: FaultCounters::new(),
            }),
        }));
    }

    /// A pin behind a bus that fails every now and then.
    struct Pin<'t> {
        is_high: &'t Cell<bool>,
        is_broken: &'t Cell<bool>,
    }

    impl ErrorType for Pin<'_> {
        type Error = ErrorKind;
    }

    impl OutputPin for Pin<'_> {
        fn set_low(&mut self) -> Result<(), ErrorKind> {
            self.set_state(false.into())
        }

        fn set_high(&mut self) -> Result<(), ErrorKind> {
            self.set_state(true.into())
        }

        fn set_state(&mut self, state: embedded_hal::digital::PinState) -> Result<(), ErrorKind> {
            if self.is_broken.get() {
                return Err(ErrorKind::Other);
            }
            self.is_high.set(state.into());
            Ok(())
        }
    }

    #[test]
    fn a_pin_follows_its_class_after_so_many_frames_in_a_row() {
        let blob = encode(&network(&[0, 0])).expect("the network is valid");
        let model = Model::load(&blob).expect("the blob is good");
        let labels = model.graph().labels;
        let (is_high, is_broken) = (Cell::new(false), Cell::new(false));
        let pin = || Pin { is_high: &is_high, is_broken: &is_broken };
        let output = |class: &str, rise, fall| Output { class: class.try_into().expect("it is short"), rise, fall };
        let mut class_pin = ClassPin::new(pin());
        tell(&mut class_pin, Class(1));
        assert!(!is_high.get());
        assert!(class_pin.follow(Some(&output("class 1", 3, 2)), labels));
        let course = [
            (Class(1), false),
            (Class(1), false),
            (Class(0), false),
            (Class(1), false),
            (Class(1), false),
            (Class(1), true),
            (NotSure, true),
            (Class(1), true),
            (NoFrame, true),
            (Class(0), false),
            (Class(1), false),
            (Class(1), false),
            (Marked(1), false),
            (Class(1), false),
            (Class(1), false),
            (Class(1), true),
        ];
        for (index, (happens, expected)) in course.into_iter().enumerate() {
            tell(&mut class_pin, happens);
            assert_eq!(is_high.get(), expected, "{index}");
        }
        // It is tried again with each frame.
        is_broken.set(true);
        for _ in 0..300 {
            tell(&mut class_pin, NotSure);
        }
        is_broken.set(false);
        assert!(is_high.get());
        tell(&mut class_pin, NotSure);
        assert!(!is_high.get());

        // Another class begins with a low pin, as soon as that can be set; so do none, and one that there is not.
        let mut class_pin = ClassPin::new(pin());
        for (next, follows) in
            [(Some(output("class 0", 1, 9)), true), (None, true), (Some(output("class 2", 1, 1)), false)]
        {
            assert!(class_pin.follow(Some(&output("class 1", 1, 9)), labels));
            tell(&mut class_pin, Class(1));
            assert!(is_high.get());
            assert_eq!(class_pin.follow(next.as_ref(), labels), follows);
            assert!(!is_high.get());
            tell(&mut class_pin, Class(1));
            assert!(!is_high.get());
        }
        assert!(class_pin.follow(Some(&output("class 1", 1, 9)), labels));
        tell(&mut class_pin, Class(1));
        is_broken.set(true);
        assert!(class_pin.follow(None, labels));
        is_broken.set(false);
        assert!(is_high.get());
        tell(&mut class_pin, Class(1));
        assert!(!is_high.get());
    }

    /// Keeps what is written.
    struct Written<'t>(&'t RefCell<Vec<u8>>);

    impl embedded_io_async::ErrorType for Written<'_> {
        type Error = Infallible;
    }

    impl embedded_io_async::Write for Written<'_> {
        async fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
            self.0.borrow_mut().extend(bytes);
            Ok(bytes.len())
        }

        async fn flush(&mut self) -> Result<(), Infallible> {
            Ok(())
        }
    }

    #[test]
    fn lines_tell_each_change_of_the_label_once() {
        let blob = encode(&network(&[0, 0])).expect("the network is valid");
        let model = Model::load(&blob).expect("the blob is good");
        let written = RefCell::new(Vec::new());
        let mut lines = Lines::new(Written(&written), NoWait, 100, model.graph().labels);
        block_on(lines.report(&Message::Start(protocol::Start { cause: protocol::ResetCause::Pin, crash: "x" })));
        for happens in [Class(1), Class(1), Marked(0), NotSure, NotSure, NoFrame, NotSure, Class(9)] {
            tell(&mut lines, happens);
        }
        for note in ["", "it has gone back"] {
            let models = [protocol::ModelInfo { state: protocol::ModelState::Failed, crc32: 1, len: 2 }; 2];
            let models = protocol::Models {
                active: 0,
                models,
                room: 3,
                format_version: 4,
                memory: 5,
                needs_signature: false,
                note,
            };
            block_on(lines.report(&Message::Models(models)));
        }
        let long = "ö".repeat(400);
        block_on(lines.report(&Message::BootFailure(protocol::BootFailure { code: 1, text: &long })));
        let text = String::from_utf8(written.take()).expect("whole characters");
        let (head, last) = text.trim_end_matches("\r\n").rsplit_once("\r\n").expect("several lines");
        let fault = Fault::Blank;
        assert_eq!(
            head.split("\r\n").collect::<Vec<_>>(),
            [
                "started by: reset pin",
                "the run before crashed: x",
                "class 1 87 %",
                "class 0 87 %",
                "not sure",
                &format!("fault: {fault}"),
                "not sure",
                "a class without a name 87 %",
                "models: it has gone back",
            ]
        );
        assert!(last.starts_with("not classifying: ööö") && last.len() > 500 && last.len() <= 510, "{}", last.len());
    }

    #[test]
    fn ones_own_code_hears_of_every_frame() {
        let mut heard = Vec::new();
        let mut callback = Callback(|verdict| heard.push(verdict));
        for happens in [Class(1), NoFrame, NotSure] {
            tell(&mut callback, happens);
        }
        assert_eq!(heard, [Verdict::Class { class: 1, probability: 0xE000 }, Verdict::NotSure]);
    }

    #[test]
    fn whatever_comes_gets_an_answer() {
        let chunk = Chunk { id: 0, kind: ChunkKind::Model, total: 1, offset: 0, bytes: &[1] };
        let acknowledgement = Acknowledgement { id: 0, received: 0, state: TransferState::Incomplete };
        let unsupported = |request| Command::Unsupported { request };
        let once = PictureMode::Once;
        for (received, command) in [
            (Received::Message(Request::DeviceInfo), Command::DeviceInfo),
            (Received::Message(Request::Pictures(once)), Command::Pictures(once)),
            (Received::Message(Request::FullFrames(once)), Command::FullFrames(once)),
            (Received::Message(Request::Examine(Subject::Camera)), Command::Examine(Subject::Camera)),
            (Received::Message(Request::Chunk(chunk)), unsupported(2)),
            (Received::Message(Request::Acknowledgement(acknowledgement)), unsupported(3)),
            (Received::Message(Request::Settings(SettingRequest::List)), unsupported(7)),
            (Received::UnknownKind(77), unsupported(77)),
            (Received::OtherVersion(1), Command::DeviceInfo),
        ] {
            assert_eq!(Command::from(received), command);
        }
    }
}
