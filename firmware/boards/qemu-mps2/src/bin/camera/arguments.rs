//! What QEMU passes to the firmware.

use core::str::Utf8Error;

use firmware::camera::arducam_mega::Resolution;

/// The modelled camera and its picture's size.
#[derive(Clone, Copy)]
pub enum Camera {
    ArducamMega(Resolution),
    Ov2640,
}

impl Camera {
    /// Bytes of a frame as its driver sets it up.
    pub const fn frame_len(self) -> usize {
        2 * match self {
            Self::ArducamMega(Resolution::Square96) => 96 * 96,
            Self::ArducamMega(Resolution::Square128) => 128 * 128,
            Self::Ov2640 => 160 * 120,
        }
    }
}

/// The words of the command line.
pub struct Arguments<'n> {
    /// What the firmware is to take its frames from.
    pub camera: Camera,
    /// Name of the file of frames that the camera sees.
    pub file: &'n str,
    /// Frames, taken or missed, after which the firmware ends; 0 is never.
    pub attempts: u32,
    /// The seed of random faults, if there shall be any.
    pub seed: Option<u64>,
}

impl<'n> Arguments<'n> {
    /// `None` if the words make no sense.
    pub fn parse(words: impl Iterator<Item = Result<&'n str, Utf8Error>>) -> Option<Self> {
        let mut words = words.map_while(Result::ok);
        let camera = match words.next()? {
            "arducam-96" => Camera::ArducamMega(Resolution::Square96),
            "arducam-128" => Camera::ArducamMega(Resolution::Square128),
            "ov2640" => Camera::Ov2640,
            _ => return None,
        };
        Some(Self {
            camera,
            file: words.next()?,
            attempts: words.next()?.parse().ok()?,
            seed: match words.next() {
                Some(seed) => Some(seed.parse().ok()?),
                None => None,
            },
        })
    }
}
