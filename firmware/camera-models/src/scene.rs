//! What is before a camera.

/// Light for a sensor.
pub trait Scene {
    /// A frame begins: what [`Self::rgb565`] shows stays until the next one begins.
    fn expose(&mut self);

    /// The colour in the middle of the pixel at column `x`, row `y` of a frame of `width × height` pixels, red in the top five
    /// bits.
    fn rgb565(&self, x: u16, y: u16, width: u16, height: u16) -> u16;
}

/// Coloured blocks, other ones in each frame.
#[derive(Clone, Copy, Debug, Default)]
pub struct MovingBlocks {
    /// Frames so far; the first frame is number 1.
    pub exposures: u32,
}

/// Blocks in each direction.
const BLOCKS: u32 = 16;

impl Scene for MovingBlocks {
    fn expose(&mut self) {
        self.exposures = self.exposures.wrapping_add(1);
    }

    fn rgb565(&self, x: u16, y: u16, width: u16, height: u16) -> u16 {
        let column = u32::from(x) * BLOCKS / u32::from(width.max(1));
        let row = u32::from(y) * BLOCKS / u32::from(height.max(1));
        // The finalizer of MurmurHash3, so that neighbours and successors differ in all bits.
        let mut hash = self.exposures << 8 ^ row << 4 ^ column;
        hash = (hash ^ hash >> 16).wrapping_mul(0x85EB_CA6B);
        hash = (hash ^ hash >> 13).wrapping_mul(0xC2B2_AE35);
        (hash ^ hash >> 16) as u16
    }
}

/// A scene of which frames are taken.
pub(crate) struct Exposure<S> {
    pub scene: S,
    has_begun: bool,
}

impl<S: Scene> Exposure<S> {
    pub const fn new(scene: S) -> Self {
        Self { scene, has_begun: false }
    }

    /// Begins a frame, or shows the last one again.
    pub fn begin(&mut self, is_frozen: bool) {
        if !is_frozen || !self.has_begun {
            self.scene.expose();
            self.has_begun = true;
        }
    }
}
