//! A link, what is known from it, and what is recorded of it.

use std::path::Path;
use std::time::{Duration, Instant};

use protocol::{Message, PictureMode, Request};

use crate::link::{Event, Link};
use crate::recording::{Recording, RecordingError};
use crate::state::State;
use crate::{DEFAULT_RECORDING, MonitorError, Options};

/// How often a board is asked again for what it does not send.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// Watching a board.
pub struct Session {
    link: Link,
    options: Options,
    /// What is known.
    pub state: State,
    /// While there is one.
    pub recording: Option<Recording>,
    asked_at: Option<Instant>,
    /// When the last frame came, or the beginning.
    alive_at: Instant,
}

impl Session {
    /// Opens the port, and the folder if pictures are to be recorded from the beginning.
    ///
    /// # Errors
    /// [`MonitorError`] if either fails; with a timeout, a port that is not there yet is waited for.
    pub fn start(options: &Options) -> Result<Self, MonitorError> {
        let now = Instant::now();
        let recording = options
            .record
            .as_deref()
            .map(Recording::start)
            .transpose()?;
        let mut session = Self {
            link: Link::new(options.port.clone(), options.baud_rate),
            options: options.clone(),
            state: State::new(now),
            recording,
            asked_at: None,
            alive_at: now,
        };
        if options.timeout.is_none() {
            session.link.connect()?;
        }
        Ok(session)
    }

    /// The port as the person named it.
    pub fn port(&self) -> String {
        self.link.port().to_string()
    }

    /// Whether all frames have come that were asked for.
    pub fn is_complete(&self) -> bool {
        self.options
            .frames
            .is_some_and(|frames| self.state.pictured >= frames)
    }

    /// Takes what comes within some hundredths of a second: all of it changes the state, then `see` gets it, and pictures are recorded.
    ///
    /// # Errors
    /// [`MonitorError`] if no frame has come for too long or `see` fails; [`Self::recording`] ends with one of its own.
    pub fn advance(
        &mut self,
        mut see: impl FnMut(&Event<'_>, &State) -> std::io::Result<()>,
    ) -> Result<(), MonitorError> {
        self.ask();
        let mut outcome = Ok(());
        let limit = self.options.frames.unwrap_or(u64::MAX);
        self.link.poll(|event| {
            let is_late = self.state.pictured >= limit && matches!(event, Event::Message(_));
            if is_late {
                return;
            }
            let now = Instant::now();
            let pictured = self.state.pictured;
            self.state.apply(&event, now);
            let has_picture = self.state.pictured > pictured;
            if matches!(event, Event::Connected) {
                self.asked_at = None;
            }
            if matches!(event, Event::Message(Message::Frame(_))) {
                self.alive_at = now;
            }
            if outcome.is_ok() {
                outcome = see(&event, &self.state).map_err(MonitorError::from);
            }
            if outcome.is_ok() && has_picture {
                outcome = record(&self.state, &mut self.recording).map_err(MonitorError::from);
            }
        });
        outcome.and_then(|()| self.check_timeout())
    }

    /// Starts to record, or stops.
    ///
    /// # Errors
    /// [`RecordingError`] if the folder cannot be made.
    pub fn toggle_recording(&mut self) -> Result<(), RecordingError> {
        self.recording = match self.recording.take() {
            Some(_) => None,
            None => {
                let folder = self.options.record.as_deref();
                Some(Recording::start(
                    folder.unwrap_or(Path::new(DEFAULT_RECORDING)),
                )?)
            }
        };
        Ok(())
    }

    /// Leaves the board as it was: it sends no pictures that nobody reads.
    pub fn end(&mut self) {
        self.link.send(Request::Pictures(PictureMode::Off));
    }

    fn ask(&mut self) {
        let now = Instant::now();
        let is_due = self
            .asked_at
            .is_none_or(|asked| now.duration_since(asked) >= ASK_EVERY);
        if is_due {
            for request in self.state.requests() {
                self.link.send(request);
                self.asked_at = Some(now);
            }
        }
    }

    fn check_timeout(&self) -> Result<(), MonitorError> {
        let now = Instant::now();
        match self.options.timeout {
            Some(timeout) if now.duration_since(self.alive_at) >= timeout => {
                Err(MonitorError::Timeout {
                    port: self.link.port().clone(),
                    waited: timeout,
                    hint: self.state.hint(now),
                })
            }
            _ => Ok(()),
        }
    }
}

fn record(state: &State, recording: &mut Option<Recording>) -> Result<(), RecordingError> {
    if let (Some(recording), Some(pictured)) = (recording, state.pictured_frame()) {
        recording.record(pictured, state)?;
    }
    Ok(())
}
