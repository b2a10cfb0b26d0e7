//! Validation of a graph, and from its ranges to numbers, in place.

use crate::{
    BLOB_ALIGNMENT, Shape,
    arithmetic::{requantized_bound, weight_sum},
    backend::transformed,
    error::{LoadError, SectionPart},
    graph::{
        Extension, Graph, INPUT_SIDES, KnownImage, MAX_CHANNELS, MAX_ELEMENTS, MAX_INPUT_CHANNELS, MAX_LABEL_LEN,
        MAX_LOGIT_FRACTION_BITS, MAX_OPERATIONS, limit,
    },
    ops::{Operation, OperationKind, OperationView, Output},
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
        return Err(LoadError::InputShape(found));
    }
    let channels = usize::from(found.channels);
    let labels = graph.labels.len();
    count("values of padding", input.padding.len(), channels)?;
    count("means", input.mean.len(), channels)?;
    count("scales", input.scale.len(), channels)?;
    count("known logits", graph.known_answer.logits.len(), labels)?;
    for label in graph.labels.iter() {
        limit("bytes of a label", label.len() as u32, 1, MAX_LABEL_LEN as u32)?;
    }
    let (bits, none_class) = (graph.logit_fraction_bits, graph.decision.none_class);
    limit("fraction bits of a logit", bits.into(), 0, MAX_LOGIT_FRACTION_BITS.into())?;
    let class = none_class.unwrap_or(0).into();
    limit("the class of pictures of none of the others", class, 0, labels as u32 - 1)
}

fn count(what: &'static str, found: usize, expected: usize) -> Result<(), LoadError> {
    if found == expected {
        return Ok(());
    }
    Err(LoadError::Count { what, found, expected })
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
    let last = graph.operations.len() - 1;
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
    let logits = steps.last().map_or(0, |step| usize::from(step.output.channels));
    count("labels", graph.labels.len(), logits)
}

/// Checks that the last operation, and no other, gives logits.
fn check_output(operation: usize, view: &OperationView, is_last: bool) -> Result<(), LoadError> {
    let output = view.operation.epilogue().map(|epilogue| epilogue.output);
    let is_dense = view.operation.kind() == OperationKind::Dense;
    let problem = match (output == Some(Output::Logits), is_last) {
        (true, false) => "gives logits, but is not the last one",
        (false, true) => "is the last one, but does not give logits",
        (true, true) if !is_dense => "gives logits, but is not dense",
        (true, true) | (false, false) => return Ok(()),
    };
    Err(LoadError::Logits { operation, problem })
}

/// The pixels of the known answer's image; `None` where it is the pattern.
pub(super) fn known_image<'a>(graph: &Graph, section: &'a [u8]) -> Result<Option<&'a [u8]>, LoadError> {
    let KnownImage::Pixels(range) = graph.known_answer.image else {
        return Ok(None);
    };
    let count = graph.input.shape.elements();
    array(section, SectionPart::KnownAnswerImage, range, count).map(Some)
}

/// Checks that extensions lie in the section, and that no two ranges share bytes.
pub(super) fn check_ranges(graph: &Graph, section: &[u8]) -> Result<(), LoadError> {
    for (index, extension) in (0..).zip(graph.extensions.iter()) {
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

/// Gives steps their transformed filters, which must be those of their weights.
#[inline(never)]
pub(super) fn attach_filters<'a>(
    graph: &Graph<'a>,
    section: &'a [u8],
    steps: &mut [Step<'a>],
) -> Result<(), LoadError> {
    for (extension, Extension { kind, range }) in (0..).zip(graph.extensions.iter()) {
        let Some(operation) = transformed::operation(kind) else { continue };
        let wrong = |problem| LoadError::TransformedFilters { extension, operation, problem };
        let step = steps.iter_mut().find(|step| step.operation == operation);
        let step_and_len = step.and_then(|step| transformed::len(step).map(|len| (step, len)));
        let (step, len) = step_and_len.ok_or(wrong("which has none that could be"))?;
        let words = array(section, SectionPart::Extension(extension), range, len)?;
        if !transformed::agree(step, words) {
            return Err(wrong("but they are not those of its weights"));
        }
        step.transformed = words;
    }
    Ok(())
}

/// All ranges, in groups of those that are decoded together.
fn ranges(graph: &Graph) -> impl Iterator<Item = [(SectionPart, Range); 4]> {
    let operations = (0..).zip(graph.operations.iter());
    let operations = operations.map(|(index, operation)| {
        let [weights, biases, multipliers, offsets] = operation.ranges();
        [
            (SectionPart::Weights(index), weights),
            (SectionPart::Biases(index), biases),
            (SectionPart::Multipliers(index), multipliers),
            (SectionPart::Offsets(index), offsets),
        ]
    });
    let image = match graph.known_answer.image {
        KnownImage::Pixels(range) => range,
        KnownImage::Pattern => Range::EMPTY,
    };
    let others = (0..).zip(graph.extensions.iter());
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
    let counts = operation.counts(input);
    let [weights, biases, multipliers, offsets] = operation.ranges();
    let part = |part: fn(u8) -> SectionPart| part(index as u8);
    let weight_count = counts.biases * counts.weights_per_channel;
    Ok(OperationView {
        operation,
        input,
        output,
        padding,
        weights: array(section, part(SectionPart::Weights), weights, weight_count)?,
        biases: array(section, part(SectionPart::Biases), biases, counts.biases)?,
        multipliers: array(section, part(SectionPart::Multipliers), multipliers, counts.multipliers)?,
        offsets: array(section, part(SectionPart::Offsets), offsets, counts.multipliers)?,
    })
}

/// Shape of the output, within the limits of a tensor: then no size below overflows 32 bits.
fn output_shape(index: usize, operation: &Operation, input: Shape) -> Result<Shape, LoadError> {
    let shape = operation.rules().output_shape(input);
    let shape = shape.map_err(|what| LoadError::NotSupported { operation: index, what })?;
    let sizes = 1..=MAX_ELEMENTS;
    if shape.channels > MAX_CHANNELS || !sizes.contains(&shape.elements()) {
        return Err(LoadError::TensorSize { operation: index, shape });
    }
    Ok(shape)
}

/// `count` elements at `range`; at most 2^30 bytes of weights, and less of anything else.
fn array<T: AnyBitPattern>(section: &[u8], part: SectionPart, range: Range, count: usize) -> Result<&[T], LoadError> {
    let Range { offset, len } = range;
    let expected = (count * size_of::<T>()) as u32;
    if len != expected {
        return Err(LoadError::RangeLength { part, expected, found: len });
    }
    let misaligned = LoadError::RangeMisaligned { part, offset };
    if !(offset as usize).is_multiple_of(BLOB_ALIGNMENT) {
        return Err(misaligned);
    }
    let tail = section.get(offset as usize..).and_then(|tail| tail.get(..len as usize));
    let bytes = tail.ok_or_else(|| LoadError::RangeOutside { part, end: range.end(), section_len: section.len() })?;
    bytemuck::try_cast_slice(bytes).map_err(|_| misaligned)
}

/// Checks that no picture whatever makes this operation overflow; gives the largest sum of a channel's magnitudes of weights.
fn reject_overflow(operation: usize, view: &OperationView) -> Result<u32, LoadError> {
    let weights_per_channel = view.operation.counts(view.input).weights_per_channel;
    let mut largest_sum = 0;
    for (channel, (&multiplier, &offset)) in view.multipliers.iter().zip(view.offsets).enumerate() {
        let weights = &view.weights[channel * weights_per_channel..][..weights_per_channel];
        let bias = view.biases.get(channel).copied().unwrap_or(0);
        // Words are searched faster than bytes, and only a wrong weight has a place.
        if weights.contains(&i8::MIN) {
            let index = weights.iter().position(|&weight| weight == i8::MIN);
            return Err(LoadError::WeightOutOfRange { operation, channel, index: index.unwrap_or(0) });
        }
        let weight_sum = weight_sum(weights);
        let rules = view.operation.rules();
        let accumulator = rules.accumulator_bound(view.input, weight_sum, bias);
        let requantized = requantized_bound(accumulator, multiplier, offset);
        let overflow = |what, bound| LoadError::Overflow { operation, channel, what, bound };
        if accumulator > i32::MAX as u64 {
            return Err(overflow("an accumulator of 32 bits", accumulator));
        }
        if requantized > i64::MAX as u64 {
            return Err(overflow("a requantization of 64 bits", requantized));
        }
        largest_sum = largest_sum.max(weight_sum);
    }
    Ok(largest_sum)
}
