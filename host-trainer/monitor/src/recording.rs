//! Pictures and what the board said about them, as files that can become training data.
//!
//! A picture is `FOLDER/CLASS/COUNTER-PERCENT.png`, RGB or grey, exactly what the network saw; its class is the most probable one of that
//! frame alone, before smoothing. `FOLDER/recording.jsonl` has a line of JSON for each picture, and is only ever appended to.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use board_client::state::{Device, Guess, State};
use board_client::text::fraction;
use protocol::StageTimes;
use serde::Serialize;

/// The list of pictures.
pub const LIST: &str = "recording.jsonl";

/// A picture could not be written.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot record to {}: {source}; make room there, or name another folder with --record",
    path.display()
)]
pub struct RecordingError {
    /// The file or folder.
    pub path: PathBuf,
    /// What the system says.
    pub source: io::Error,
}

impl RecordingError {
    /// Makes an error about `path`, for `map_err`.
    fn at(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self { path: path.to_path_buf(), source }
    }
}

/// A line of the list.
#[derive(Serialize)]
struct Line<'a> {
    /// The picture, below the folder.
    file: String,
    /// When it came here, in seconds since 1970.
    time: f64,
    counter: u32,
    class: u8,
    label: &'a str,
    /// The most probable classes of this frame.
    top: Vec<Guess>,
    logits: &'a [i32],
    times: StageTimes,
    /// Who classified.
    #[serde(flatten)]
    device: Option<&'a Device>,
}

/// A folder that pictures are added to.
#[derive(Debug)]
pub struct Recording {
    /// Where the pictures go.
    pub folder: PathBuf,
    /// Pictures so far.
    pub recorded: u64,
    list: File,
}

impl Recording {
    /// Makes the folder, if need be; what is there already stays.
    ///
    /// # Errors
    /// [`RecordingError`] if the folder or the list cannot be made.
    pub fn start(folder: &Path) -> Result<Self, RecordingError> {
        fs::create_dir_all(folder).map_err(RecordingError::at(folder))?;
        let path = folder.join(LIST);
        Ok(Self {
            list: open_list(&path).map_err(RecordingError::at(&path))?,
            folder: folder.to_path_buf(),
            recorded: 0,
        })
    }

    /// Writes the newest frame's picture and its line, if that picture has come.
    ///
    /// # Errors
    /// [`RecordingError`] if a file cannot be written.
    pub fn record(&mut self, state: &State) -> Result<(), RecordingError> {
        let Some((frame, picture)) = state.pictured_frame() else {
            return Ok(());
        };
        let (class, probability) = frame.top.first().map_or((0, 0), |winner| (winner.class, winner.probability));
        let label = state.label(class);
        let class_folder = file_name(&label);
        let directory = self.folder.join(&class_folder);
        fs::create_dir_all(&directory).map_err(RecordingError::at(&directory))?;
        let percent = 100.0 * fraction(probability);
        let stem = format!("{:06}-{percent:.0}", frame.counter);
        let png = picture.to_png(&[]).map_err(RecordingError::at(&directory))?;
        let name = write_picture(&directory, &stem, &png)?;
        let line = Line {
            file: format!("{class_folder}/{name}"),
            time: since_1970().as_secs_f64(),
            counter: frame.counter,
            class,
            label: &label,
            top: state.guesses(frame),
            logits: &frame.logits,
            times: frame.times,
            device: state.device.as_ref(),
        };
        let json = serde_json::to_string(&line).expect("names are text and numbers are finite");
        let written = self.list.write_all((json + "\n").as_bytes());
        written.map_err(RecordingError::at(&self.folder.join(LIST)))?;
        self.recorded += 1;
        Ok(())
    }
}

/// Opens the list to append to it, on a new line even where a crash has cut off the last one.
fn open_list(path: &Path) -> io::Result<File> {
    let mut list = OpenOptions::new().read(true).append(true).create(true).open(path)?;
    let mut last = [b'\n'];
    if list.metadata()?.len() > 0 {
        list.seek(SeekFrom::End(-1))?;
        list.read_exact(&mut last)?;
    }
    if last != [b'\n'] {
        list.write_all(b"\n")?;
    }
    Ok(list)
}

/// The date and time of this computer; 0 if its clock stands before 1970.
pub fn since_1970() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

/// A label as the name of a folder, whatever a board calls it.
fn file_name(label: &str) -> String {
    if label.is_empty() {
        return String::from("_");
    }
    label.replace(|letter: char| letter != '-' && !letter.is_alphanumeric(), "_")
}

/// Writes a file that was not there before; where that fails, there is none afterwards.
pub fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create_new(path)?;
    file.write_all(bytes).inspect_err(|_| {
        // A part of a picture is of no use. It was made here a moment ago.
        let _ = fs::remove_file(path);
    })
}

/// Writes a picture under a name that was not taken, and gives that: a board's counter starts anew at each boot, so that the plain name
/// may be.
fn write_picture(folder: &Path, stem: &str, bytes: &[u8]) -> Result<String, RecordingError> {
    let mut name = format!("{stem}.png");
    let mut copy = 1;
    loop {
        let path = folder.join(&name);
        match write_new(&path, bytes) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                copy += 1;
                name = format!("{stem}-{copy}.png");
            }
            written => return written.map(|()| name).map_err(RecordingError::at(&path)),
        }
    }
}

#[cfg(test)]
mod tests;
