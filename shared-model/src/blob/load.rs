//! Validation of a graph, and from its ranges to numbers, in place.

use crate::{
    BLOB_ALIGNMENT, Shape,
    arithmetic::{requantized_bound, weight_sum},
    error::{LoadError, SectionPart},
    graph::{
        Graph, INPUT_SIDES, KnownImage, MAX_CHANNELS, MAX_ELEMENTS, MAX_INPUT_CHANNELS,
        MAX_LABEL_LEN, MAX_LOGIT_FRACTION_BITS, MAX_OPERATIONS,
    },
    ops::{Operation, OperationKind, OperationView, Output, ShapeError},
    section::Range,
    step::Step,
};
use bytemuck::AnyBitPattern;
use heapless::Vec;

/// Checks everything about a graph but its operations.
pub(super) fn validate(graph: &Graph) -> Result<(), LoadError> {
    let input = &graph.input;
    let found = input.shape;
    let sides = [found.height, found.width];
    if !sides.iter().all(|side| INPUT_SIDES.contains(side)) || !matches!(found.channels, 1 | 3) {
        return Err(LoadError::InputShape { found });
    }
    let channels = found.channels;
    let fields = [
        ("padding", input.padding.len()),
        ("mean", input.mean.len()),
        ("scale", input.scale.len()),
    ];
    for (field, found) in fields {
        if found != usize::from(channels) {
            return Err(LoadError::InputField {
                field,
                channels,
                found,
            });
        }
    }
    let labels = graph.labels.len();
    if labels < 2 {
        return Err(LoadError::TooFewLabels { found: labels });
    }
    for (index, label) in graph.labels.iter().enumerate() {
        if label.is_empty() || label.len() > MAX_LABEL_LEN {
            let found = label.len();
            return Err(LoadError::LabelLength { index, found });
        }
    }
    let found = graph.known_answer.logits.len();
    if found != labels {
        let expected = labels;
        return Err(LoadError::KnownAnswerLogits { expected, found });
    }
    let (found, limit) = (graph.logit_fraction_bits, MAX_LOGIT_FRACTION_BITS);
    if found > limit {
        return Err(LoadError::FractionBits { found, limit });
    }
    match graph.decision.none_class {
        Some(class) if usize::from(class) >= labels => Err(LoadError::NoneClass { class, labels }),
        _ => Ok(()),
    }
}

/// All operations with their numbers, from the first one up to the first that is wrong.
pub(super) fn views<'a>(
    graph: &Graph<'a>,
    section: &'a [u8],
) -> impl Iterator<Item = Result<OperationView<'a>, LoadError>> + use<'a> {
    let mut shape = graph.input.shape;
    let mut padding = [0; MAX_INPUT_CHANNELS];
    for (value, pixel) in padding.iter_mut().zip(graph.input.padding.iter()) {
        *value = pixel;
    }
    let operations = graph.operations.iter().enumerate();
    operations.map(move |(index, operation)| {
        let view = view(index, operation, shape, padding, section)?;
        shape = view.output;
        if let Some(Output::Int8 { zero_point, .. }) = operation.epilogue().map(|e| e.output) {
            padding = [zero_point; MAX_INPUT_CHANNELS];
        }
        Ok(view)
    })
}

/// Makes the steps of a valid graph, whose operations are checked on the way.
pub(super) fn read_steps<'a>(
    graph: &Graph<'a>,
    section: &'a [u8],
    steps: &mut Vec<Step<'a>, MAX_OPERATIONS>,
) -> Result<(), LoadError> {
    let last = graph.operations.len().checked_sub(1);
    let last = last.ok_or(LoadError::NoOperations)?;
    for (index, view) in views(graph, section).enumerate() {
        let view = view?;
        check_output(index, &view, index == last)?;
        let weight_sum = reject_overflow(index, &view)?;
        let fused = steps.last_mut().is_some_and(|step| step.fuse(&view));
        if !fused {
            // There are at most as many steps as operations.
            let _ = steps.push(Step::new(index, &view, weight_sum));
        }
    }
    let logits = steps
        .last()
        .map_or(0, |step| usize::from(step.output.channels));
    let labels = graph.labels.len();
    if labels != logits {
        return Err(LoadError::LabelCount { labels, logits });
    }
    Ok(())
}

/// Checks that the last operation, and no other, gives logits.
fn check_output(index: usize, view: &OperationView, is_last: bool) -> Result<(), LoadError> {
    let operation = index;
    let output = view.operation.epilogue().map(|epilogue| epilogue.output);
    let gives_logits = output == Some(Output::Logits);
    match (gives_logits, is_last) {
        (true, false) => Err(LoadError::EarlyLogits { operation }),
        (false, true) => Err(LoadError::NoLogits { operation }),
        (true, true) if view.operation.kind() != OperationKind::Dense => {
            Err(LoadError::LogitsNotDense { operation })
        }
        (true, true) | (false, false) => Ok(()),
    }
}

/// The pixels of the known answer's image; `None` where it is the pattern.
pub(super) fn known_image<'a>(
    graph: &Graph,
    section: &'a [u8],
) -> Result<Option<&'a [u8]>, LoadError> {
    let KnownImage::Pixels(range) = graph.known_answer.image else {
        return Ok(None);
    };
    let count = graph.input.shape.elements();
    array(section, SectionPart::KnownAnswerImage, range, count).map(Some)
}

/// Checks that extensions lie in the section, and that no two ranges share bytes.
pub(super) fn check_ranges(graph: &Graph, section: &[u8]) -> Result<(), LoadError> {
    for (index, extension) in graph.extensions.iter().enumerate() {
        let part = SectionPart::Extension(index);
        array::<u8>(section, part, extension.range, extension.range.len as usize)?;
    }
    for (index, later) in ranges(graph).enumerate() {
        for (position, &(second, b)) in later.iter().enumerate() {
            let earlier = ranges(graph).take(index).flatten();
            for (first, a) in earlier.chain(later[..position].iter().copied()) {
                if u64::from(a.offset.max(b.offset)) < a.end().min(b.end()) {
                    return Err(LoadError::RangesOverlap { first, second });
                }
            }
        }
    }
    Ok(())
}

/// All ranges, in groups of those that are decoded together.
fn ranges(graph: &Graph) -> impl Iterator<Item = [(SectionPart, Range); 4]> {
    let operations = graph
        .operations
        .iter()
        .enumerate()
        .map(|(index, operation)| {
            let parameters = operation.parameters();
            [
                (SectionPart::Weights(index), parameters.weights),
                (SectionPart::Biases(index), parameters.biases),
                (SectionPart::Multipliers(index), parameters.multipliers),
                (SectionPart::Offsets(index), parameters.offsets),
            ]
        });
    let image = match graph.known_answer.image {
        KnownImage::Pixels(range) => range,
        KnownImage::Pattern => Range::EMPTY,
    };
    let others = graph.extensions.iter().enumerate();
    let others = others.map(|(index, extension)| (SectionPart::Extension(index), extension.range));
    let others = core::iter::once((SectionPart::KnownAnswerImage, image)).chain(others);
    let nothing = (SectionPart::KnownAnswerImage, Range::EMPTY);
    operations.chain(others.map(move |other| [other, nothing, nothing, nothing]))
}

fn view<'a>(
    index: usize,
    operation: Operation,
    input: Shape,
    padding: [i8; MAX_INPUT_CHANNELS],
    section: &'a [u8],
) -> Result<OperationView<'a>, LoadError> {
    let output = output_shape(index, &operation, input)?;
    let (counts, parameters) = (operation.counts(input), operation.parameters());
    let weights = counts.biases * counts.weights_per_channel;
    Ok(OperationView {
        operation,
        input,
        output,
        padding,
        weights: array(
            section,
            SectionPart::Weights(index),
            parameters.weights,
            weights,
        )?,
        biases: array(
            section,
            SectionPart::Biases(index),
            parameters.biases,
            counts.biases,
        )?,
        multipliers: array(
            section,
            SectionPart::Multipliers(index),
            parameters.multipliers,
            counts.multipliers,
        )?,
        offsets: array(
            section,
            SectionPart::Offsets(index),
            parameters.offsets,
            counts.multipliers,
        )?,
    })
}

/// Shape of the output, within the limits of a tensor: then no size below overflows 32 bits.
fn output_shape(index: usize, operation: &Operation, input: Shape) -> Result<Shape, LoadError> {
    let output = operation.rules().output_shape(input);
    let shape = output.map_err(|error| match error {
        ShapeError::NotSupported(what) => LoadError::NotSupported {
            operation: index,
            what,
        },
        ShapeError::NoOutput => LoadError::NoOutput {
            operation: index,
            input,
        },
    })?;
    if shape.channels > MAX_CHANNELS || shape.elements() > MAX_ELEMENTS {
        return Err(LoadError::TensorTooLarge {
            operation: index,
            shape,
        });
    }
    Ok(shape)
}

/// `count` elements at `range`; at most 2^30 bytes of weights, and less of anything else.
fn array<T: AnyBitPattern>(
    section: &[u8],
    part: SectionPart,
    range: Range,
    count: usize,
) -> Result<&[T], LoadError> {
    let Range { offset, len } = range;
    let expected = (count * size_of::<T>()) as u32;
    if len != expected {
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
        end: range.end(),
        section_len: section.len(),
    })?;
    bytemuck::try_cast_slice(bytes).map_err(|_| misaligned)
}

/// Checks that no picture whatever makes this operation overflow; gives the largest sum of a channel's magnitudes of weights.
fn reject_overflow(operation: usize, view: &OperationView) -> Result<u32, LoadError> {
    let weights_per_channel = view.operation.counts(view.input).weights_per_channel;
    let mut largest_sum = 0;
    for (channel, (&multiplier, &offset)) in view.multipliers.iter().zip(view.offsets).enumerate() {
        let weights = &view.weights[channel * weights_per_channel..][..weights_per_channel];
        let bias = view.biases.get(channel).copied().unwrap_or(0);
        // A channel's smallest weight is found faster than a place, and only a wrong one has a place.
        if weights.iter().min() == Some(&i8::MIN) {
            let index = weights.iter().position(|&weight| weight == i8::MIN);
            return Err(LoadError::WeightOutOfRange {
                operation,
                channel,
                index: index.unwrap_or(0),
            });
        }
        let weight_sum = weight_sum(weights);
        let rules = view.operation.rules();
        let bound = rules.accumulator_bound(view.input, weight_sum, bias);
        if bound > i32::MAX as u64 {
            return Err(LoadError::AccumulatorOverflow {
                operation,
                channel,
                bound,
            });
        }
        let requantized = requantized_bound(bound, multiplier, offset);
        if requantized > i64::MAX as u64 {
            return Err(LoadError::RequantizationOverflow {
                operation,
                channel,
                bound: requantized,
            });
        }
        largest_sum = largest_sum.max(weight_sum);
    }
    Ok(largest_sum)
}
