//! A link, what is known from it, and what is recorded and taken of it.

use std::ffi::c_int;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use board_client::line::{Asked, Event};
use board_client::state::State;
use board_client::text::thousands;
use protocol::{Message, PictureMode, Request};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use crate::capture::Keys;
use crate::link::{Link, now};
use crate::recording::{Recording, RecordingError};
use crate::{MonitorError, Watch};

/// Where pictures go when a person presses the key for recording and named no folder: in the repository that the program was
/// built from, as everything that no path is given for.
fn default_recording() -> PathBuf {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
    repository.expect("the crate lies in host-trainer, and that in the repository").join("runs/recording")
}

/// Lets a signal set `interrupted`; a second one ends the program at once.
///
/// # Errors
/// If this system has no such signal.
pub fn end_on(signal: c_int, interrupted: &Arc<AtomicBool>) -> io::Result<()> {
    flag::register_conditional_default(signal, interrupted.clone())?;
    flag::register(signal, interrupted.clone())?;
    Ok(())
}

/// Watching a board.
pub struct Session<'a> {
    link: Link,
    arguments: &'a Watch,
    /// What is known.
    pub state: State,
    /// While there is one.
    pub recording: Option<Recording>,
    /// Where training pictures are taken.
    pub keys: Option<Keys>,
    asked: Asked,
    /// A signal asked to end.
    interrupted: Arc<AtomicBool>,
    /// When the last frame came, or the beginning.
    alive_at: Duration,
}

impl<'a> Session<'a> {
    /// Opens the port, and the folders that pictures go to from the beginning.
    ///
    /// # Errors
    /// [`MonitorError`] if that fails; with a timeout, a port that is not there yet is waited for.
    pub fn start(arguments: &'a Watch) -> Result<Self, MonitorError> {
        let now = now();
        let folder = arguments.record.as_deref();
        let capture = arguments.capture.as_deref();
        let mut session = Self {
            link: Link::new(arguments.port.clone(), arguments.baud_rate),
            arguments,
            state: State::new(now),
            recording: folder.map(Recording::start).transpose()?,
            keys: capture.map(|folder| Keys::start(folder, arguments.when)).transpose()?,
            asked: Asked::default(),
            interrupted: Arc::default(),
            alive_at: now,
        };
        session.end_on(SIGINT)?;
        session.end_on(SIGTERM)?;
        if arguments.timeout.is_none() {
            session.link.connect()?;
        }
        Ok(session)
    }

    /// Lets a signal end watching in order; a second one ends the program at once.
    ///
    /// # Errors
    /// If this system has no such signal.
    pub fn end_on(&self, signal: c_int) -> io::Result<()> {
        end_on(signal, &self.interrupted)
    }

    /// The port as the person named it.
    pub fn port(&self) -> String {
        self.arguments.port.to_string()
    }

    /// Whether a signal asked to end: Ctrl-C where there is no screen, the system's wish, or a terminal that was closed.
    pub fn is_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }

    /// Whether all frames have come that were asked for.
    pub fn is_complete(&self) -> bool {
        let frames = self.arguments.frames;
        frames.is_some_and(|frames| self.state.pictured >= frames)
    }

    /// Takes what comes within some hundredths of a second: all of it changes the state, then `see` gets it, and pictures are recorded.
    ///
    /// # Errors
    /// [`MonitorError`] if no frame has come for too long or `see` fails; [`Self::recording`] ends with one of its own.
    pub fn advance(&mut self, mut see: impl FnMut(&Event<'_>, &State) -> io::Result<()>) -> Result<(), MonitorError> {
        self.ask();
        let mut outcome = Ok(());
        let limit = self.arguments.frames.unwrap_or(u64::MAX);
        self.link.poll(|event| {
            let pictured = self.state.pictured;
            if pictured >= limit && matches!(event, Event::Message(_)) {
                return;
            }
            let now = now();
            self.state.apply(&event, now);
            if matches!(event, Event::Connected) {
                self.asked = Asked::default();
            }
            if matches!(event, Event::Message(Message::Frame(_))) {
                self.alive_at = now;
            }
            if let Some(Keys { capture, .. }) = &mut self.keys {
                capture.apply(&event, &self.state, now);
            }
            if outcome.is_ok() {
                outcome = see(&event, &self.state).map_err(MonitorError::from);
            }
            if outcome.is_ok()
                && self.state.pictured > pictured
                && let Some(recording) = &mut self.recording
            {
                outcome = recording.record(&self.state).map_err(MonitorError::from);
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
                let folder = self.arguments.record.clone().unwrap_or_else(default_recording);
                Some(Recording::start(&folder)?)
            }
        };
        Ok(())
    }

    /// Leaves the board as it was: it sends no pictures that nobody reads.
    pub fn end(&mut self) {
        if self.keys.is_some() && !self.state.lacks_full_frames {
            self.link.send(Request::FullFrames(PictureMode::Off));
        }
        self.link.send(Request::Pictures(PictureMode::Off));
    }

    /// What was seen, as a line.
    pub fn summary(&self) -> String {
        let mut text =
            format!("{} frames with pictures; messages: {}", thousands(self.state.pictured), self.state.statistics());
        if let Some(recording) = &self.recording {
            text += &format!("; {} pictures recorded in {}", thousands(recording.recorded), recording.folder.display());
        }
        if let Some(keys) = &self.keys {
            text += &format!("; {}", keys.summary());
        }
        text
    }

    fn ask(&mut self) {
        self.link.ask(&mut self.asked, self.state.requests());
        let request = self.keys.as_mut().and_then(|keys| keys.capture.request(&self.state, now()));
        if let Some(request) = request {
            self.link.send(request);
        }
    }

    fn check_timeout(&self) -> Result<(), MonitorError> {
        let now = now();
        match self.arguments.timeout {
            Some(seconds) if now - self.alive_at >= Duration::from_secs(seconds) => Err(MonitorError::Timeout {
                port: self.arguments.port.clone(),
                seconds,
                hint: self.state.hint(now).map_or(String::new(), |hint| format!("; {hint}")),
            }),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recording_without_a_name_lies_in_the_repository() {
        let folder = default_recording();
        assert!(folder.ends_with("runs/recording"), "{}", folder.display());
        let repository = folder.ancestors().nth(2).unwrap();
        assert!(repository.is_absolute() && repository.join("ARCHITECTURE.md").is_file(), "{}", folder.display());
    }
}
