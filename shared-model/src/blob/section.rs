//! From ranges to numbers, in place.

use super::{LoadError, SectionPart};
use crate::{
    BLOB_ALIGNMENT, IMAGE_LEN, Image,
    arithmetic::{accumulator_bound, requantized_bound},
    graph::{Graph, Layer, MAX_LAYERS, Output, Range},
};
use bytemuck::AnyBitPattern;
use heapless::Vec;

/// A layer with its numbers, in place in the blob.
#[derive(Clone, Copy, Debug)]
pub struct LayerView<'a> {
    /// What the graph says about it.
    pub layer: Layer,
    /// `[h, w, c]` of its input, also where it is dense.
    pub input_shape: [u16; 3],
    /// `[out][ky][kx][in]` or `[out][in]`, -127 … 127.
    pub weights: &'a [i8],
    /// One an output channel.
    pub biases: &'a [i32],
    /// One an output channel.
    pub multipliers: &'a [i32],
    /// One an output channel.
    pub offsets: &'a [i64],
}

impl LayerView<'_> {
    /// The zero point of the layer's output, with which a convolution that follows is padded; empty for logits.
    pub(crate) fn zero_point(&self) -> &[i8] {
        match &self.layer.output {
            Output::Int8 { zero_point, .. } => core::slice::from_ref(zero_point),
            Output::Logits => &[],
        }
    }
}

/// All layers of a graph whose shapes are valid.
pub(super) fn layers<'a>(
    graph: &Graph,
    section: &'a [u8],
) -> Result<Vec<LayerView<'a>, MAX_LAYERS>, LoadError> {
    let mut shape = [graph.input.height, graph.input.width, graph.input.channels];
    let mut next_view = |(index, layer): (usize, &Layer)| {
        let input_shape = core::mem::replace(&mut shape, layer.kind.output_shape());
        view(index, layer, input_shape, section)
    };
    graph
        .layers
        .iter()
        .enumerate()
        .map(&mut next_view)
        .collect()
}

/// The image of the known answer.
pub(super) fn known_answer_image<'a>(
    graph: &Graph,
    section: &'a [u8],
) -> Result<&'a Image, LoadError> {
    let (part, range) = (SectionPart::KnownAnswerImage, graph.known_answer.image);
    let pixels: &[u8] = array(section, part, range, IMAGE_LEN as u64)?;
    pixels.try_into().map_err(|_| LoadError::RangeLength {
        part,
        expected: IMAGE_LEN as u64,
        found: range.len,
    })
}

/// Checks that no two ranges share bytes.
pub(super) fn reject_overlaps(graph: &Graph) -> Result<(), LoadError> {
    let ranges = || {
        let layers = graph.layers.iter().enumerate().flat_map(|(index, layer)| {
            [
                (SectionPart::Weights(index), layer.weights),
                (SectionPart::Biases(index), layer.biases),
                (SectionPart::Multipliers(index), layer.multipliers),
                (SectionPart::Offsets(index), layer.offsets),
            ]
        });
        layers.chain([(SectionPart::KnownAnswerImage, graph.known_answer.image)])
    };
    let end = |range: Range| u64::from(range.offset) + u64::from(range.len);
    for (index, (first, a)) in ranges().enumerate() {
        for (second, b) in ranges().skip(index + 1) {
            if u64::from(a.offset) < end(b) && u64::from(b.offset) < end(a) {
                return Err(LoadError::RangesOverlap { first, second });
            }
        }
    }
    Ok(())
}

fn view<'a>(
    index: usize,
    layer: &Layer,
    input_shape: [u16; 3],
    section: &'a [u8],
) -> Result<LayerView<'a>, LoadError> {
    let channels = layer.kind.output_channels() as u64;
    let weights = channels * layer.kind.weights_per_channel() as u64;
    let view = LayerView {
        layer: *layer,
        input_shape,
        weights: array(section, SectionPart::Weights(index), layer.weights, weights)?,
        biases: array(section, SectionPart::Biases(index), layer.biases, channels)?,
        multipliers: array(
            section,
            SectionPart::Multipliers(index),
            layer.multipliers,
            channels,
        )?,
        offsets: array(
            section,
            SectionPart::Offsets(index),
            layer.offsets,
            channels,
        )?,
    };
    reject_overflow(index, &view)?;
    Ok(view)
}

/// `count` elements at `range`.
fn array<T: AnyBitPattern>(
    section: &[u8],
    part: SectionPart,
    range: Range,
    count: u64,
) -> Result<&[T], LoadError> {
    let Range { offset, len } = range;
    let expected = count * size_of::<T>() as u64;
    if u64::from(len) != expected {
        return Err(LoadError::RangeLength {
            part,
            expected,
            found: len,
        });
    }
    let misaligned = LoadError::RangeMisaligned { part, offset };
    if !(offset as usize).is_multiple_of(BLOB_ALIGNMENT) {
        return Err(misaligned);
    }
    let tail = section
        .get(offset as usize..)
        .and_then(|tail| tail.get(..len as usize));
    let bytes = tail.ok_or_else(|| LoadError::RangeOutside {
        part,
        end: u64::from(offset) + u64::from(len),
        section_len: section.len(),
    })?;
    bytemuck::try_cast_slice(bytes).map_err(|_| misaligned)
}

/// Checks that no image whatever makes this layer overflow.
fn reject_overflow(layer: usize, view: &LayerView) -> Result<(), LoadError> {
    let filters = view
        .weights
        .chunks_exact(view.layer.kind.weights_per_channel());
    let rescaling = view.biases.iter().zip(view.multipliers).zip(view.offsets);
    for (channel, (filter, ((&bias, &multiplier), &offset))) in filters.zip(rescaling).enumerate() {
        if let Some(index) = filter.iter().position(|&weight| weight == i8::MIN) {
            return Err(LoadError::WeightOutOfRange {
                layer,
                channel,
                index,
            });
        }
        let bound = accumulator_bound(filter, bias);
        if bound > i32::MAX as u64 {
            return Err(LoadError::AccumulatorOverflow {
                layer,
                channel,
                bound,
            });
        }
        let bound = requantized_bound(bound, multiplier, offset);
        if bound > i64::MAX as u64 {
            return Err(LoadError::RequantizationOverflow {
                layer,
                channel,
                bound,
            });
        }
    }
    Ok(())
}
