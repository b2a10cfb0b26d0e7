//! What is made of a camera's frame before anybody sees it: a part is cut out, and the picture is turned.

use super::{Frame, FrameFormat, FrameSource, Pattern, View};
use crate::fault::Fault;
use protocol::Finding;
use thiserror::Error;

/// A part of a camera's frame, in its pixels, before the picture is turned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// Pixels to the left of it.
    pub left: u16,
    /// Rows above it.
    pub top: u16,
    /// Its pixels in a row, from 1.
    pub width: u16,
    /// Its rows, from 1.
    pub height: u16,
}

/// How a picture is turned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Orientation {
    /// As the camera gives it.
    #[default]
    Upright,
    /// By 180°.
    Rotated,
    /// Left and right changed.
    Mirrored,
    /// Top and bottom changed.
    Flipped,
}

/// What is made of each frame, in place; [`Framing::DEFAULT`] is nothing, and takes no time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Framing {
    /// All that is kept of a frame, which is then a frame of this size for everybody behind: the network, the computer, the looks at light and
    /// motion. None keeps all.
    pub region: Option<Region>,
    /// How what is kept is turned.
    pub orientation: Orientation,
}

impl Framing {
    /// Frames as the camera gives them.
    pub const DEFAULT: Self = Self { region: None, orientation: Orientation::Upright };
}

/// A region without pixels, or that the camera's frame does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "the region of {}×{} pixels, {} from the left and {} from the top, is empty or not all in the camera's frame of {width}×{height}",
    region.width, region.height, region.left, region.top
)]
pub struct BadRegion {
    /// As it was asked for.
    pub region: Region,
    /// Of the camera's frame.
    pub width: u16,
    /// Of the camera's frame.
    pub height: u16,
}

/// A camera whose frames are cut and turned.
///
/// Buffers must hold a frame of the camera. Turning moves each pixel once, and two at a time where their number is even: a frame of 160×120
/// takes 72,000 instructions on a Cortex-M7 if it is rotated, 73,600 mirrored and 34,400 flipped (counted in QEMU). From RAM that is not
/// cached, as an STM32H743's frames are, 9,600 words that are read and written with some twenty cycles of waits make that about 0.5 ms of the 67 ms
/// between two frames.
#[derive(Debug)]
pub struct Framed<S> {
    source: S,
    framing: Framing,
}

impl<S: FrameSource> Framed<S> {
    /// `source`, with `framing` applied to each frame.
    ///
    /// # Errors
    ///
    /// If the region is empty or does not lie in the source's frame.
    pub fn new(source: S, framing: Framing) -> Result<Self, BadRegion> {
        let mut framed = Self { source, framing: Framing::DEFAULT };
        framed.set_framing(framing)?;
        Ok(framed)
    }

    /// Applies `framing` from the next frame on.
    ///
    /// # Errors
    ///
    /// If the region is empty or does not lie in the source's frame; then nothing has changed.
    pub fn set_framing(&mut self, framing: Framing) -> Result<(), BadRegion> {
        let format = self.source.format();
        if let Some(region) = framing.region
            && !region.is_within(&format)
        {
            return Err(BadRegion { region, width: format.width, height: format.height });
        }
        self.framing = framing;
        Ok(())
    }
}

impl Region {
    /// Whether it has pixels, all of which lie in a frame of that format.
    pub(crate) fn is_within(&self, format: &FrameFormat) -> bool {
        let fits = |start: u16, len: u16, all| len > 0 && start.checked_add(len).is_some_and(|end| end <= all);
        fits(self.left, self.width, format.width) && fits(self.top, self.height, format.height)
    }
}

impl<S: FrameSource> FrameSource for Framed<S> {
    const QUIET_MS: u32 = S::QUIET_MS;

    fn format(&self) -> FrameFormat {
        let format = self.source.format();
        self.framing.region.map_or(format, |Region { width, height, .. }| FrameFormat { width, height, ..format })
    }

    fn view(&self) -> Option<View> {
        self.source.view()
    }

    fn set_view(&mut self, view: View) {
        self.source.set_view(view);
    }

    async fn initialize(&mut self) -> Result<(), Fault> {
        self.source.initialize().await
    }

    async fn capture(&mut self, frame: &mut Frame<'_>) -> Result<(), Fault> {
        self.source.capture(frame).await?;
        let format = self.format();
        if let Some(region) = self.framing.region {
            cut(frame.bytes_mut(), self.source.format().width, region);
            frame.complete(format);
        }
        turn(frame.bytes_mut(), format.width, self.framing.orientation);
        Ok(())
    }

    async fn examine(&mut self, tell: &mut impl AsyncFnMut(Finding<'_>)) -> Result<(), Fault> {
        self.source.examine(tell).await
    }

    /// As the camera gives it: what is examined is everything before.
    async fn capture_test_pattern(&mut self, frame: &mut Frame<'_>) -> Result<Pattern, Fault> {
        self.source.capture_test_pattern(frame).await
    }
}

/// Moves the region's rows to the front of a frame with rows of `width` pixels.
fn cut(bytes: &mut [u8], width: u16, region: Region) {
    let [width, left, top, kept] = [width, region.left, region.top, region.width].map(usize::from);
    for row in 0..usize::from(region.height) {
        let start = 2 * ((top + row) * width + left);
        bytes.copy_within(start..start + 2 * kept, 2 * row * kept);
    }
}

/// Turns a frame with rows of `width` pixels.
fn turn(bytes: &mut [u8], width: u16, orientation: Orientation) {
    let row_len = 2 * usize::from(width);
    match orientation {
        Orientation::Upright => {}
        Orientation::Rotated => reverse(bytes),
        Orientation::Mirrored => bytes.chunks_exact_mut(row_len.max(1)).for_each(reverse),
        Orientation::Flipped => {
            let mut rows = bytes.chunks_exact_mut(row_len.max(1));
            while let (Some(upper), Some(lower)) = (rows.next(), rows.next_back()) {
                upper.swap_with_slice(lower);
            }
        }
    }
}

/// Reverses the order of pixels, and no pixel's bytes.
fn reverse(bytes: &mut [u8]) {
    if !bytes.len().is_multiple_of(4) {
        return bytes.as_chunks_mut::<2>().0.reverse();
    }
    let swap_pixels = |pair: [u8; 4]| u32::from_ne_bytes(pair).rotate_left(16).to_ne_bytes();
    let mut pairs = bytes.as_chunks_mut::<4>().0.iter_mut();
    while let Some(first) = pairs.next() {
        match pairs.next_back() {
            Some(last) => (*first, *last) = (swap_pixels(*last), swap_pixels(*first)),
            None => *first = swap_pixels(*first),
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use crate::camera::ByteOrder;
    use embassy_futures::block_on;
    use proptest::prelude::*;
    use std::format;
    use std::vec::Vec;

    /// Whose pixels are all different, the number of a pixel in the order of bytes.
    struct Numbers(FrameFormat);

    impl FrameSource for Numbers {
        const QUIET_MS: u32 = 7;

        fn format(&self) -> FrameFormat {
            self.0
        }

        async fn initialize(&mut self) -> Result<(), Fault> {
            Ok(())
        }

        async fn capture(&mut self, frame: &mut Frame<'_>) -> Result<(), Fault> {
            let order = self.0.order;
            for (pixel, number) in frame.begin(self.0)?.as_chunks_mut().0.iter_mut().zip(0..) {
                *pixel = bytes(order, number);
            }
            frame.complete(self.0);
            Ok(())
        }
    }

    fn bytes(order: ByteOrder, pixel: u16) -> [u8; 2] {
        match order {
            ByteOrder::BigEndian => pixel.to_be_bytes(),
            ByteOrder::LittleEndian => pixel.to_le_bytes(),
        }
    }

    /// A frame's format, and a region of it or none.
    fn sizes() -> impl Strategy<Value = (FrameFormat, Option<Region>)> {
        let orders = prop_oneof![Just(ByteOrder::BigEndian), Just(ByteOrder::LittleEndian)];
        (1..24_u16, 1..24_u16, orders).prop_flat_map(|(width, height, order)| {
            let region = (0..width, 0..height).prop_flat_map(move |(left, top)| {
                (1..=width - left, 1..=height - top).prop_map(move |(width, height)| Region {
                    left,
                    top,
                    width,
                    height,
                })
            });
            (Just(FrameFormat { width, height, order }), proptest::option::of(region))
        })
    }

    proptest! {
        #[test]
        fn frames_are_what_a_look_at_each_pixel_gives((format, region) in sizes(), turned in 0..4_usize) {
            let orientation =
                [Orientation::Upright, Orientation::Rotated, Orientation::Mirrored, Orientation::Flipped][turned];
            let mut framed = Framed::new(Numbers(format), Framing { region, orientation }).expect("it is a part");
            prop_assert_eq!(Framed::<Numbers>::QUIET_MS, 7);
            let mut buffer = std::vec![0; format.len()];
            let mut frame = Frame::new(&mut buffer);
            prop_assert_eq!(block_on(framed.capture(&mut frame)), Ok(()));

            let FrameFormat { width, height, order } = format;
            let Region { left, top, width: w, height: h } = region.unwrap_or(Region { left: 0, top: 0, width, height });
            prop_assert_eq!(frame.format(), Some(framed.format()));
            prop_assert_eq!(framed.format(), FrameFormat { width: w, height: h, order });
            let (is_mirrored, is_flipped) = match orientation {
                Orientation::Upright => (false, false),
                Orientation::Rotated => (true, true),
                Orientation::Mirrored => (true, false),
                Orientation::Flipped => (false, true),
            };
            let expected: Vec<u8> = (0..h)
                .flat_map(|y| (0..w).map(move |x| (x, y)))
                .flat_map(|(x, y)| {
                    let x = left + if is_mirrored { w - 1 - x } else { x };
                    let y = top + if is_flipped { h - 1 - y } else { y };
                    bytes(order, y * width + x)
                })
                .collect();
            prop_assert_eq!(frame.bytes(), expected.as_slice());
        }
    }

    /// That keeps what it was asked.
    #[derive(Default)]
    struct Asked {
        view: View,
        calls: Vec<&'static str>,
    }

    impl FrameSource for Asked {
        const QUIET_MS: u32 = 9;

        fn format(&self) -> FrameFormat {
            FrameFormat { width: 2, height: 1, order: ByteOrder::BigEndian }
        }

        fn view(&self) -> Option<View> {
            Some(self.view)
        }

        fn set_view(&mut self, view: View) {
            self.view = view;
        }

        async fn initialize(&mut self) -> Result<(), Fault> {
            self.calls.push("initialize");
            Err(Fault::NoVsync)
        }

        async fn capture(&mut self, _frame: &mut Frame<'_>) -> Result<(), Fault> {
            self.calls.push("capture");
            Err(Fault::NoPixels)
        }

        async fn examine(&mut self, tell: &mut impl AsyncFnMut(Finding<'_>)) -> Result<(), Fault> {
            tell(Finding::Compared { registers: 5 }).await;
            Ok(())
        }

        async fn capture_test_pattern(&mut self, _frame: &mut Frame<'_>) -> Result<Pattern, Fault> {
            self.calls.push("test pattern");
            Ok(Pattern::Taken)
        }
    }

    /// [`Framed`], and a reference, as boards have it.
    #[test]
    fn everything_else_is_passed_on() {
        let mut source = Asked::default();
        let mut framed = Framed::new(&mut source, Framing::DEFAULT).expect("it is the whole frame");
        assert_eq!(Framed::<&mut Asked>::QUIET_MS, 9);
        assert_eq!(framed.view(), Some(View::Scene));
        framed.set_view(View::ColorBars);
        assert_eq!(framed.view(), Some(View::ColorBars));
        assert_eq!(block_on(framed.initialize()), Err(Fault::NoVsync));
        let mut buffer = [0; 4];
        let mut frame = Frame::new(&mut buffer);
        assert_eq!(block_on(framed.capture(&mut frame)), Err(Fault::NoPixels));
        let mut found = Vec::new();
        let mut tell = async |finding: Finding<'_>| found.push(format!("{finding:?}"));
        assert_eq!(block_on(framed.examine(&mut tell)), Ok(()));
        assert_eq!(found, ["Compared { registers: 5 }"]);
        assert_eq!(block_on(framed.capture_test_pattern(&mut frame)), Ok(Pattern::Taken));
        assert_eq!(source.calls, ["initialize", "capture", "test pattern"]);
        assert_eq!(source.view, View::ColorBars);
    }

    #[test]
    fn a_region_that_is_empty_or_not_in_the_frame_is_refused() {
        let format = FrameFormat { width: 160, height: 120, order: ByteOrder::BigEndian };
        let framed = |left, top, width, height| {
            let region = Region { left, top, width, height };
            Framed::new(Numbers(format), Framing { region: Some(region), ..Framing::DEFAULT }).map(|_| ())
        };
        for (left, top, width, height) in [(0, 0, 160, 120), (159, 119, 1, 1), (40, 20, 80, 80)] {
            assert_eq!(framed(left, top, width, height), Ok(()));
        }
        for (left, top, width, height) in [
            (0, 0, 0, 120),
            (0, 0, 160, 0),
            (1, 0, 160, 120),
            (0, 1, 160, 120),
            (65_535, 0, 1, 1),
            (0, 65_535, 1, 65_535),
        ] {
            framed(left, top, width, height).expect_err("it is no part");
        }
        let error = framed(100, 0, 80, 120).expect_err("it is no part");
        let expected = "the region of 80×120 pixels, 100 from the left and 0 from the top, is empty or not all in the \
                        camera's frame of 160×120";
        assert_eq!(format!("{error}"), expected);
    }

    #[test]
    fn no_frame_stays_none() {
        let format = FrameFormat { width: 3, height: 1, order: ByteOrder::BigEndian };
        let mut framed = Framed::new(Numbers(format), Framing::DEFAULT).expect("all of it is a part");
        let mut buffer = [0; 4];
        let mut frame = Frame::new(&mut buffer);
        block_on(framed.capture(&mut frame)).expect_err("the buffer is too short");
        assert_eq!(frame.format(), None);
    }
}
