//! Filters that are transformed ahead of time: flash spent for speed.

use shared_model::{Backend, Model, transformed_filters};

use super::Quantization;
use crate::family::FAST_ARENA;

/// Bytes that an extension takes besides its content, at most: its entry in the graph, and zeros before it.
const OVERHEAD: usize = 32;

/// Why a network gets no transformed filters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoRoom {
    /// It is too large for any.
    #[error(
        "the blob has {len} bytes without transformed filters, and with the smallest of them {least}: --transformed-filters {most} leaves no room for any"
    )]
    TooLarge {
        /// Of the blob, in bytes.
        len: usize,
        /// With the smallest of them.
        least: usize,
        /// That it may have.
        most: usize,
    },
    /// No operation could use them.
    #[error("no convolution of this network can use transformed filters: leave --transformed-filters out")]
    NoUse,
}

/// Transformed filters of an operation.
struct Candidate {
    /// How often an inference on a Cortex-M4 transforms each of them without.
    transforms: usize,
    extension: (u16, Vec<u8>),
}

impl Quantization {
    /// Takes transformed filters into its blobs, as long as these have no more than `most` bytes: first those that a Cortex-M4 transforms
    /// most often. `model` is this network without them, `len` the length of its blob.
    ///
    /// # Errors
    ///
    /// If there is no room for any, or no use.
    pub fn transform_filters(&mut self, model: &Model, len: usize, most: usize) -> Result<(), NoRoom> {
        let mut candidates = candidates(model);
        let bytes = |candidate: &Candidate| candidate.extension.1.len() + OVERHEAD;
        let least = len + candidates.iter().map(bytes).min().ok_or(NoRoom::NoUse)?;
        if least > most {
            return Err(NoRoom::TooLarge { len, least, most });
        }
        candidates.sort_by_key(|candidate| core::cmp::Reverse(candidate.transforms));
        let mut room = most - len;
        for candidate in candidates {
            if let Some(left) = room.checked_sub(bytes(&candidate)) {
                room = left;
                self.extensions.push(candidate.extension);
            }
        }
        Ok(())
    }
}

fn candidates(model: &Model) -> Vec<Candidate> {
    let plan = model.plan_on(Backend::ARM_DSP, FAST_ARENA);
    let plans: Vec<_> = plan.iter().flat_map(|plan| plan.steps()).collect();
    let steps = model.steps().iter().enumerate();
    let candidates = steps.filter_map(|(index, step)| {
        let transforms = plans.get(index).map_or(1, |plan| plan.weight_fetches(step));
        Some(Candidate { transforms, extension: transformed_filters(step)? })
    });
    candidates.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Description;
    use crate::quantize::NOT_MEASURED;
    use crate::recipe::Recipe;
    use shared_model::AlignedBytes;
    use shared_model::graph::Decision;

    fn blob(quantization: &Quantization) -> AlignedBytes {
        quantization.blob("untrained", 0, Decision::default(), NOT_MEASURED).expect("it is well-formed")
    }

    /// Kinds of the extensions, and the length, of the untrained network with transformed filters in so many bytes more.
    fn within(more: usize) -> Result<(Vec<u16>, usize), NoRoom> {
        let recipe = Recipe::preset("vgg3-best").expect("it is a preset");
        let mut quantization = Quantization::untrained(&recipe, &Description::cifar10());
        let plain = blob(&quantization);
        let most = plain.len() + more;
        quantization.transform_filters(&Model::load(&plain).expect("it is well-formed"), plain.len(), most)?;
        let with = blob(&quantization);
        assert!(with.len() <= most, "{} of {most} bytes", with.len());
        let model = Model::load(&with).expect("it is well-formed");
        Ok((model.graph().extensions.iter().map(|extension| extension.kind).collect(), with.len() - plain.len()))
    }

    #[test]
    fn what_is_transformed_most_often_comes_first() {
        // 32 to 32, 64 to 64, 32 to 64 channels: 8, 4 and 2 times; 72 bytes a filter.
        let (kinds, more) = within(600_000).unwrap();
        assert_eq!(kinds, [257, 260, 259]);
        assert!((516_096..516_200).contains(&more), "{more}");
        assert_eq!(within(100_000).unwrap().0, [257]);
        assert_eq!(within(4 << 20).unwrap().0.len(), 5);
    }

    #[test]
    fn too_little_room_is_told_with_the_least() {
        let error = within(70_000).unwrap_err();
        let NoRoom::TooLarge { len, least, most } = error else { panic!("{error}") };
        assert_eq!((least - len, most - len), (73_728 + OVERHEAD, 70_000));
    }
}
