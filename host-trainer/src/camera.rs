//! What cameras do to a picture: modelled for training, and for a test that goes the firmware's way.
//!
//! Both draw the same faults of exposure, white balance, contrast and focus. In training they are applied to the reduced
//! picture, where noise is what is left of it after the average over many pixels; [`Camera::photograph`] applies them to
//! a frame of the camera's size, with the noise of its pixels and its 16 bits a pixel, and reduces that as the firmware
//! does. Nobody has measured these cameras here: the ranges are ours, chosen wider than what is reported of them.

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use shared_model::Shape;
use shared_model::resize::{Rgb565BigEndian, resize};

use crate::dataset::Image;

/// A camera of one of the boards, or what all of them do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Camera {
    /// OV2640, frames of 160×120: the centre is cropped.
    Ov2640,
    /// ArduCAM Mega, frames of 128×128 that squeeze a field of view of 4:3; its white balance is off more often.
    ArducamMega,
    /// Either, and the squeeze by chance.
    Any,
}

/// Faults of one photograph.
#[derive(Clone, Copy, Debug)]
struct Faults {
    /// Factor of each channel: exposure times white balance.
    gain: [f32; 3],
    /// Exponent of the tone curve.
    gamma: f32,
    /// Standard deviation of a frame pixel's noise, of 255, at full brightness.
    noise: f32,
    /// Part of a pixel that comes from its eight neighbours.
    blur: f32,
    /// Width of what the picture shows, relative to its height, that is squeezed into one square.
    squeeze: f32,
}

impl Camera {
    /// Name for people.
    pub fn name(self) -> &'static str {
        match self {
            Camera::Ov2640 => "an OV2640",
            Camera::ArducamMega => "an ArduCAM Mega",
            Camera::Any => "any camera",
        }
    }

    /// Width and height of a frame.
    fn frame(self) -> [u16; 2] {
        match self {
            Camera::Ov2640 | Camera::Any => [160, 120],
            Camera::ArducamMega => [128, 128],
        }
    }

    fn faults(self, random: &mut impl Rng) -> Faults {
        let mut within = |reach: f32| random.random_range(-reach..=reach);
        let exposure = within(0.6).exp2();
        let (red, blue) = match self {
            Camera::Ov2640 => (within(0.12), within(0.12)),
            Camera::ArducamMega | Camera::Any => (within(0.2), within(0.25)),
        };
        let gamma = within(0.2).exp();
        let [noise, blur, chance] = [0.0; 3].map(|_: f32| random.random::<f32>());
        let squeeze = match self {
            Camera::Ov2640 => 1.0,
            Camera::ArducamMega => 4.0 / 3.0,
            Camera::Any => 1.0 + chance / 3.0,
        };
        let gain = [exposure * (1.0 + red), exposure, exposure * (1.0 + blue)];
        Faults { gain, gamma, noise: 4.0 + 16.0 * noise, blur: 0.6 * blur, squeeze }
    }

    /// A reduced picture, `[h, w, c]`, as it may come from this camera.
    pub fn augment(self, image: &mut [u8], shape: Shape, random: &mut impl Rng) {
        let faults = self.faults(random);
        let [height, width, channels] = shape.dimensions();
        if faults.squeeze > 1.0 {
            let squeezed = sampled(image, shape, [1.0, faults.squeeze]);
            image.copy_from_slice(&squeezed);
        }
        let [frame_width, frame_height] = self.frame();
        let side = f32::from(frame_width.min(frame_height));
        // The focus of a frame is far finer than a reduced picture's pixels.
        let blur = faults.blur * (height.min(width) as f32 / side);
        blurred(image, shape, blur);
        let averaged = (side * side / (height * width) as f32).max(1.0);
        developed(image, channels, faults, faults.noise / averaged.sqrt(), random);
    }

    /// The picture `[h, w, c]` as the firmware gets it from this camera: enlarged to a frame, which is photographed, stored
    /// with 16 bits a pixel and reduced again.
    pub fn photograph(self, image: &[u8], shape: Shape, random: &mut impl Rng) -> Image {
        let faults = self.faults(random);
        let [width, height] = self.frame();
        let frame_shape = Shape::new(height, width, 3);
        let mut frame = enlarged(image, shape, frame_shape, faults.squeeze);
        blurred(&mut frame, frame_shape, faults.blur);
        developed(&mut frame, 3, faults, faults.noise, random);
        let packed: Vec<u8> = frame.chunks_exact(3).flat_map(|pixel| rgb565(pixel).to_be_bytes()).collect();
        let mut result = vec![0; shape.elements()];
        resize::<Rgb565BigEndian>(&packed, width, height, shape, &mut result).expect("the frame has its length");
        result.into()
    }

    /// Photographs all of the pictures, [`Camera::Any`] with one camera or the other in turn, each with faults of its own.
    pub fn photograph_all(self, images: &mut [Image], shape: Shape, seed: u64) {
        images.par_iter_mut().enumerate().for_each(|(index, image)| {
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            random.set_stream(index as u64);
            let camera = match self {
                Camera::Any if index % 2 == 0 => Camera::Ov2640,
                Camera::Any => Camera::ArducamMega,
                Camera::Ov2640 | Camera::ArducamMega => self,
            };
            *image = camera.photograph(image, shape, &mut random);
        });
    }
}

/// Gain, tone curve and noise of each pixel.
fn developed(image: &mut [u8], channels: usize, faults: Faults, noise: f32, random: &mut impl Rng) {
    let curves: Vec<[f32; 256]> = (0..channels)
        .map(|channel| {
            let gain = if channels == 1 { faults.gain[1] } else { faults.gain[channel] };
            std::array::from_fn(|value| (value as f32 / 255.0 * gain).min(1.0).powf(faults.gamma) * 255.0)
        })
        .collect();
    for pixel in image.chunks_exact_mut(channels) {
        for (value, curve) in pixel.iter_mut().zip(&curves) {
            let clean = curve[usize::from(*value)];
            // Nearly normal: the sum of three uniform numbers, of standard deviation 1/2. Light's own noise grows with its root.
            let unit: f32 = (0..3).map(|_| random.random::<f32>()).sum::<f32>() - 1.5;
            let deviation = noise * (0.3 + 0.7 * (clean / 255.0).sqrt());
            *value = (clean + 2.0 * unit * deviation).round().clamp(0.0, 255.0) as u8;
        }
    }
}

/// Mixes each pixel with the mean of its neighbours, `part` of it.
fn blurred(image: &mut [u8], shape: Shape, part: f32) {
    let [height, width, channels] = shape.dimensions();
    let source = image.to_vec();
    for y in 0..height {
        let rows = [y.saturating_sub(1), y, (y + 1).min(height - 1)];
        for x in 0..width {
            let columns = [x.saturating_sub(1), x, (x + 1).min(width - 1)];
            for channel in 0..channels {
                let at = |y: usize, x: usize| f32::from(source[(y * width + x) * channels + channel]);
                let all: f32 =
                    rows.iter().flat_map(|&y| columns.iter().map(move |&x| (y, x))).map(|(y, x)| at(y, x)).sum();
                let own = at(y, x);
                let neighbours = (all - own) / 8.0;
                image[(y * width + x) * channels + channel] = (own + part * (neighbours - own)).round() as u8;
            }
        }
    }
}

/// The picture around its centre, magnified by 1 / `scale` in height and width, mirrored where it ends.
pub fn sampled(image: &[u8], shape: Shape, [scale_y, scale_x]: [f32; 2]) -> Vec<u8> {
    let centred = |position: usize, side: u16| position as f32 + 0.5 - f32::from(side) / 2.0;
    resampled(image, shape, shape, |y, x| [centred(y, shape.height) * scale_y, centred(x, shape.width) * scale_x])
}

/// A frame `[h, w, 3]` with the picture where the firmware will cut it out: the largest rectangle of the picture's ratio in
/// the middle. A camera that squeezes shows more beside it.
fn enlarged(image: &[u8], shape: Shape, frame: Shape, squeeze: f32) -> Vec<u8> {
    let [height, width, rows, columns] = [shape.height, shape.width, frame.height, frame.width].map(f32::from);
    let scale = height / rows.min(columns * (height / width));
    let centred = |position: usize, side: f32| position as f32 + 0.5 - side / 2.0;
    resampled(image, shape, frame, |y, x| [centred(y, rows) * scale, centred(x, columns) * scale * squeeze])
}

/// A picture of the shape `output`, each pixel of which is taken where `source` says, in pixels from the centre of `image`.
fn resampled(image: &[u8], shape: Shape, output: Shape, source: impl Fn(usize, usize) -> [f32; 2]) -> Vec<u8> {
    let [rows, columns, channels] = output.dimensions();
    let last = usize::from(shape.channels) - 1;
    let mut result = Vec::with_capacity(output.elements());
    for y in 0..rows {
        for x in 0..columns {
            let [y, x] = source(y, x);
            let place = [y + f32::from(shape.height) / 2.0 - 0.5, x + f32::from(shape.width) / 2.0 - 0.5];
            result.extend((0..channels).map(|channel| bilinear(image, shape, place, channel.min(last))));
        }
    }
    result
}

fn bilinear(image: &[u8], shape: Shape, [y, x]: [f32; 2], channel: usize) -> u8 {
    let [height, width, channels] = shape.dimensions();
    let [(y0, y1, part_y), (x0, x1, part_x)] = [(y, height), (x, width)].map(|(position, length)| {
        let low = position.floor();
        (mirrored(low as i32, length), mirrored(low as i32 + 1, length), position - low)
    });
    let at = |y: usize, x: usize| f32::from(image[(y * width + x) * channels + channel]);
    let row = |y: usize| at(y, x0) + part_x * (at(y, x1) - at(y, x0));
    (row(y0) + part_y * (row(y1) - row(y0))).round() as u8
}

/// The coordinate inside a side of `length` that stands for one up to a side beyond it.
fn mirrored(coordinate: i32, length: usize) -> usize {
    let last = length as i32 - 1;
    let folded = if coordinate < 0 { -1 - coordinate } else { coordinate };
    let folded = if folded > last { 2 * last + 1 - folded } else { folded };
    folded.clamp(0, last) as usize
}

fn rgb565(pixel: &[u8]) -> u16 {
    let [red, green, blue] = [pixel[0], pixel[1], pixel[2]].map(u16::from);
    (red >> 3) << 11 | (green >> 2) << 5 | blue >> 3
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A disc brighter than what is around it, in one or three channels.
    fn disc(shape: Shape) -> Vec<u8> {
        let [height, width, channels] = shape.dimensions();
        let inside = |y: usize, x: usize| {
            let [y, x] = [(y, height), (x, width)].map(|(at, side)| (at as f32 + 0.5) / side as f32 - 0.5);
            y * y + x * x < 0.08
        };
        let pixels = (0..height * width).map(|index| if inside(index / width, index % width) { 180 } else { 60 });
        pixels.flat_map(|value| vec![value; channels]).collect()
    }

    /// Mean difference of two pictures.
    fn difference(a: &[u8], b: &[u8]) -> f32 {
        a.iter().zip(b).map(|(&a, &b)| f32::from(a.abs_diff(b))).sum::<f32>() / a.len() as f32
    }

    #[test]
    fn a_photograph_shows_what_was_there_and_training_is_told_the_same_of_it() {
        for (camera, shape) in [
            (Camera::Ov2640, Shape::new(32, 32, 3)),
            (Camera::Ov2640, Shape::new(48, 32, 1)),
            (Camera::ArducamMega, Shape::new(32, 32, 3)),
        ] {
            let picture = disc(shape);
            let mut random = ChaCha8Rng::seed_from_u64(1);
            let (mut photographed, mut augmented) = (0.0, 0.0);
            for _ in 0..100 {
                photographed += difference(&camera.photograph(&picture, shape, &mut random), &picture) / 100.0;
                let mut copy = picture.clone();
                camera.augment(&mut copy, shape, &mut random);
                augmented += difference(&copy, &picture) / 100.0;
            }
            assert!((8.0..60.0).contains(&photographed), "{camera:?} {shape:?}: {photographed}");
            assert!((photographed - augmented).abs() < 8.0, "{camera:?} {shape:?}: {photographed} {augmented}");
        }
    }

    #[test]
    fn without_faults_nothing_changes_but_the_last_bits() {
        let shape = Shape::new(32, 32, 3);
        let picture = disc(shape);
        let [width, height] = Camera::Ov2640.frame();
        let frame = enlarged(&picture, shape, Shape::new(height, width, 3), 1.0);
        let packed: Vec<u8> = frame.chunks_exact(3).flat_map(|pixel| rgb565(pixel).to_be_bytes()).collect();
        let mut reduced = vec![0; shape.elements()];
        resize::<Rgb565BigEndian>(&packed, width, height, shape, &mut reduced).unwrap();
        assert!(difference(&reduced, &picture) < 6.0);
        assert_eq!(sampled(&picture, shape, [1.0; 2]), picture);
    }
}
