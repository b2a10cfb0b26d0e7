//! What is before a camera.

use core::cell::Cell;

/// Light for a sensor.
pub trait Scene {
    /// A frame begins: what [`Self::rgb565`] shows stays until the next one begins.
    fn expose(&mut self);

    /// The colour in the middle of the pixel at column `x`, row `y` of a frame of `width × height` pixels, red in the top five
    /// bits.
    fn rgb565(&self, x: u16, y: u16, width: u16, height: u16) -> u16;
}

/// What there is to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// Coloured blocks, other ones in each frame.
    MovingBlocks,
    /// The same blocks in all frames, without noise.
    StillLife,
    /// A grey wall, with noise.
    Wall,
    /// Night: noise near black.
    Dark,
    /// A covered lens without any noise: black.
    Capped,
    /// The sun: white.
    BlownOut,
    /// A covered lens and one pixel that is always white.
    HotPixel,
    /// A covered lens, and a pixel that is not black in one frame of eight: noise that the sensor hardly lets through.
    Sparks,
}

impl Sight {
    /// Every sight.
    pub const ALL: [Self; 8] = [
        Self::MovingBlocks,
        Self::StillLife,
        Self::Wall,
        Self::Dark,
        Self::Capped,
        Self::BlownOut,
        Self::HotPixel,
        Self::Sparks,
    ];
}

/// A scene whose sight may be changed while cameras look at it; a reference to it is the scene.
#[derive(Debug)]
pub struct Stage {
    /// What the next frame shows.
    pub sight: Cell<Sight>,
    exposures: Cell<u32>,
}

impl Stage {
    /// A scene of which no frame was taken.
    pub const fn new(sight: Sight) -> Self {
        Self { sight: Cell::new(sight), exposures: Cell::new(0) }
    }
}

impl Scene for &Stage {
    fn expose(&mut self) {
        self.exposures.set(self.exposures.get().wrapping_add(1));
    }

    fn rgb565(&self, x: u16, y: u16, width: u16, height: u16) -> u16 {
        let exposures = self.exposures.get();
        match self.sight.get() {
            Sight::MovingBlocks => block(exposures, x, y, width, height),
            Sight::StillLife => block(1, x, y, width, height),
            // The lowest bits of each colour are noise.
            Sight::Wall => 0x8410 | noise(exposures, x, y) & 0x79EF,
            Sight::Dark => noise(exposures, x, y) & 0x0821,
            Sight::Capped => 0,
            Sight::BlownOut => 0xFFFF,
            Sight::HotPixel if (x, y) == (width / 3, height / 3) => 0xFFFF,
            Sight::Sparks if (x, y) == (0, 0) && hash(exposures).is_multiple_of(8) => hash(exposures) as u16 | 1,
            Sight::HotPixel | Sight::Sparks => 0,
        }
    }
}

/// Blocks in each direction.
const BLOCKS: u32 = 16;

/// The colour of the block that a pixel is in.
fn block(exposures: u32, x: u16, y: u16, width: u16, height: u16) -> u16 {
    let column = u32::from(x) * BLOCKS / u32::from(width.max(1));
    let row = u32::from(y) * BLOCKS / u32::from(height.max(1));
    hash(exposures << 8 ^ row << 4 ^ column) as u16
}

/// Another one in each pixel and frame.
fn noise(exposures: u32, x: u16, y: u16) -> u16 {
    hash(exposures << 16 ^ u32::from(y) << 8 ^ u32::from(x)) as u16
}

/// The finalizer of MurmurHash3, so that neighbours and successors differ in all bits.
pub(crate) fn hash(value: u32) -> u32 {
    let value = (value ^ value >> 16).wrapping_mul(0x85EB_CA6B);
    let value = (value ^ value >> 13).wrapping_mul(0xC2B2_AE35);
    value ^ value >> 16
}

/// A scene of which frames are taken, through automatic exposure and white balance.
pub(crate) struct Exposure<S> {
    scene: S,
    has_begun: bool,
    /// Frames since the sensor was started.
    frames: u32,
}

/// In 256ths of the light that there is: what a sensor makes of it before its loops have done anything. Blue against red as the
/// channel means 91 and 53 of an ArduCAM Mega without white balance (github.com/kazunori279/fpga-open-vocab).
const DARK_START: u32 = 64;
const BLUE_START: u32 = 53 * 256 / 91;

impl<S: Scene> Exposure<S> {
    pub const fn new(scene: S) -> Self {
        Self { scene, has_begun: false, frames: 0 }
    }

    /// The sensor is started: its loops begin anew.
    pub const fn restart(&mut self) {
        self.frames = 0;
    }

    /// Begins a frame, or shows the last one again.
    pub fn begin(&mut self, is_frozen: bool) {
        self.frames = self.frames.saturating_add(1);
        if !is_frozen || !self.has_begun {
            self.scene.expose();
            self.has_begun = true;
        }
    }

    /// A pixel of the frame, where each loop that is on takes `settling_frames` frames.
    pub fn rgb565(&self, place: [u16; 4], settling_frames: u32, is_exposed: bool, is_balanced: bool) -> u16 {
        let [x, y, width, height] = place;
        let color = self.scene.rgb565(x, y, width, height);
        let gain = |start: u32, is_on: bool| match (is_on, self.frames.checked_sub(1)) {
            (false, _) => start,
            (true, Some(frame)) if frame < settling_frames => start + (256 - start) * frame / settling_frames,
            (true, _) => 256,
        };
        let light = gain(DARK_START, is_exposed);
        let blue = (light * gain(BLUE_START, is_balanced)) >> 8;
        let [red, green, blue] = [(color >> 11, light), (color >> 5 & 0x3F, light), (color & 0x1F, blue)]
            .map(|(level, gain)| (u32::from(level) * gain) >> 8);
        (red << 11 | green << 5 | blue) as u16
    }
}
