//! What a board does beside its hardware; change it where the board's `main` names it. The README of this crate has all of it in a table, and says what
//! of it a computer can change while the board runs.

use embassy_time::Duration;
use firmware::camera::{FrameSource, Framing, Policy, View};
use firmware::pipeline::Method;
use firmware::settings::{self, Output, Scope};
use protocol::{END, cut_off};

/// All of it; [`Settings::DEFAULT`] is a board that a computer looks at.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// After so many seconds without a completed frame the watchdog resets the board; at most 16, on an RP2040 8.
    pub watchdog_seconds: u32,
    /// A frame is begun so often at most; none takes them as fast as they come. The processor sleeps between frames. Several times shorter
    /// than the watchdog's time.
    pub frame_interval: Option<Duration>,
    /// Which part of a frame is looked at, and how it is turned.
    pub framing: Framing,
    /// What is done about a camera's faults.
    pub supervisor: Policy,
    /// How frames are combined into one verdict.
    pub smoothing: Method,
    /// What the serial port over USB speaks.
    pub port: Port,
    /// Which class sets the board's pin; none leaves it low.
    pub pin: Option<PinRule>,
}

/// What a serial port speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    /// The protocol, for the monitor and other programs.
    Messages,
    /// A line of text whenever the label changes, for a terminal or another board.
    Lines,
}

impl Port {
    /// The byte that ends a message, and stands nowhere else in one.
    pub(crate) const fn end(self) -> u8 {
        match self {
            Self::Messages => END,
            Self::Lines => b'\n',
        }
    }
}

/// When the pin is high.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PinRule {
    /// Name of the class, as the model has it.
    pub class: &'static str,
    /// Frames in a row that must name it before the pin rises.
    pub rise: u8,
    /// Frames in a row that must not name it before the pin falls.
    pub fall: u8,
}

impl Settings {
    /// So many of the longest interval between frames that a computer can set are the watchdog's time: what becomes a picture after two new starts,
    /// a dark room for example, takes five of them.
    const INTERVALS: u32 = 8;

    /// What a computer can change of a board with that camera. A class's name of more bytes than the protocol has is none that a model has, and
    /// is cut off.
    pub(crate) fn scope(&self, source: &impl FrameSource) -> Scope {
        let longest = self.watchdog_seconds * 1000 / Self::INTERVALS;
        let interval = self.frame_interval.map_or(0, |interval| interval.as_millis().max(1));
        Scope {
            defaults: settings::Settings {
                threshold: None,
                smoothing: self.smoothing,
                interval_ms: interval.min(u16::MAX.into()) as u16,
                framing: self.framing,
                expect_motion: self.supervisor.expect_motion,
                view: source.view().unwrap_or(View::Scene),
                output: self.pin.map(|PinRule { class, rise, fall }| Output { class: cut_off(class), rise, fall }),
                sends_pictures: false,
            },
            format: source.format(),
            has_views: source.view().is_some(),
            longest_interval_ms: longest.min(u16::MAX.into()) as u16,
            has_output: true,
        }
    }

    /// Messages and no pin. Sixteen seconds are several of the camera's longest back-offs and initializations, and just below the
    /// longest that the watchdog of an RP2350 can count (16.7 s) and that of an STM32H743 with a prescaler of 128 (16.4 s). The
    /// newest frame weighs 96 / 256: the verdict follows a change of scene within about three frames.
    pub const DEFAULT: Self = Self {
        watchdog_seconds: 16,
        frame_interval: None,
        framing: Framing::DEFAULT,
        supervisor: Policy::DEFAULT,
        smoothing: Method::Exponential { weight: 96 },
        port: Port::Messages,
        pin: None,
    };
}
