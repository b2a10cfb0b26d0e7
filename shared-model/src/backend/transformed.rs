//! Filters that were transformed ahead of time: extensions of a blob that spend flash for speed (see `FORMAT.md`).

use super::{
    inner_loops::{CHUNK_PAIRS, POSITIONS, transform_filter},
    winograd,
};
use crate::{graph::MAX_OPERATIONS, step::Step};

/// Kind of the extension for operation 0; that for operation `i` is `i` more.
const FIRST_KIND: u16 = 256;

/// The operation whose transformed filters an extension of this kind has.
pub(crate) fn operation(kind: u16) -> Option<usize> {
    kind.checked_sub(FIRST_KIND).map(usize::from).filter(|&operation| operation < MAX_OPERATIONS)
}

/// Words of the transformed filters of a step, `[out / 2][chunk][position][pair][2]`; none, if they are of no use to it.
pub(crate) fn len(step: &Step) -> Option<usize> {
    let outputs = step.biases.len();
    (winograd::fits(step) && outputs.is_multiple_of(2))
        .then(|| POSITIONS * usize::from(step.input.channels) * outputs / 2)
}

/// The transformed filters of a step that can use them: each word with its place.
fn for_each_word(step: &Step, mut visit: impl FnMut(usize, u32)) {
    let pairs = usize::from(step.input.channels) / 2;
    let weights: &[u32] = bytemuck::cast_slice(step.weights);
    for (output, filter) in weights.chunks_exact(9 * pairs / 2).enumerate() {
        for quad in 0..pairs / 2 {
            let mut words = [0; 2 * POSITIONS];
            transform_filter::<1, 2>(&filter[quad..], pairs / 2, &mut words, 2);
            for (index, word) in words.into_iter().enumerate() {
                let [position, pair] = [index / 2, 2 * quad + index % 2];
                let chunk = pair / CHUNK_PAIRS * CHUNK_PAIRS;
                let chunk_pairs = CHUNK_PAIRS.min(pairs - chunk);
                let within = position * chunk_pairs + pair - chunk;
                visit(2 * (POSITIONS * (output / 2 * pairs + chunk) + within) + output % 2, word);
            }
        }
    }
}

/// Whether `words`, as many as [`len`] says, are the transformed filters of a step.
pub(crate) fn agree(step: &Step, words: &[u32]) -> bool {
    let mut agree = true;
    for_each_word(step, |place, word| agree &= words[place] == word);
    agree
}

/// The extension with the transformed filters of a step: its kind and content. `None`, if they are of no use to it.
#[cfg(feature = "encode")]
pub fn transformed_filters(step: &Step) -> Option<(u16, alloc::vec::Vec<u8>)> {
    let mut words = alloc::vec![0; len(step)?];
    for_each_word(step, |place, word| words[place] = word);
    Some((FIRST_KIND + step.operation as u16, words.into_iter().flat_map(u32::to_le_bytes).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Backend, Interpreter, Model,
        encode::{Network, encode},
        testing::{any_network, oracle, with_transformed_filters},
    };
    use proptest::prelude::*;
    use std::{string::ToString, vec, vec::Vec};

    /// Places of the extensions with transformed filters.
    fn places(network: &Network) -> Vec<usize> {
        let kinds = network.extensions.iter().map(|(kind, _)| operation(*kind));
        kinds.enumerate().filter_map(|(place, operation)| operation.map(|_| place)).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn they_change_no_bit_and_need_no_more(seed in any::<u64>(), share in 0.0..=1.0) {
            let network = any_network(seed);
            let (without, with) = (encode(&network).unwrap(), encode(&with_transformed_filters(network)).unwrap());
            let (without, with) = (Model::load(&without).unwrap(), Model::load(&with).unwrap());
            let picture: Vec<u8> = with.known_pixels().collect();
            let expected = oracle(&without, &picture).logits;
            for backend in Backend::ALL {
                let [least, most] = [without.arena_len_on(backend), 1 << 20];
                prop_assert!(with.arena_len_on(backend) <= least);
                let arena_len = least + (share * (most - least) as f64) as usize;
                let [before, after] = [&without, &with].map(|model| model.plan_on(backend, arena_len).unwrap());
                prop_assert!(after.instructions() <= before.instructions(), "{backend:?}, {before}, {after}");
                let mut arena = vec![0; arena_len];
                let found = Interpreter::on(backend, &with, &mut arena).unwrap().classify(&picture).unwrap().logits;
                prop_assert_eq!(&found[..], &expected[..], "{:?}, {}", backend, after);
            }
        }

        #[test]
        fn those_of_other_weights_are_refused(seed in any::<u64>(), place in any::<prop::sample::Index>(), bit in 0..8) {
            let mut network = with_transformed_filters(any_network(seed));
            let places = places(&network);
            prop_assume!(!places.is_empty());
            let content = &mut network.extensions[*place.get(&places)].1;
            let byte = place.index(content.len());
            content[byte] ^= 1_u8 << bit;
            let error = encode(&network).unwrap_err();
            let expected = "transformed filters of operation";
            prop_assert!(error.to_string().contains(expected) && error.to_string().contains("not those of its weights"), "{}", error);
        }
    }

    #[test]
    fn those_of_no_operation_or_length_are_refused() {
        let network = (0..)
            .map(|seed| with_transformed_filters(any_network(seed)))
            .find(|network| !places(network).is_empty())
            .unwrap();
        let place = places(&network)[0];
        let refused = |kind: u16, len: usize| {
            let mut network = network.clone();
            let (its, content) = &mut network.extensions[place];
            *its = kind;
            content.truncate(len);
            encode(&network).unwrap_err().to_string()
        };
        // The last operation is dense, and no network has so many.
        for operation in [network.layers.len() - 1, MAX_OPERATIONS - 1] {
            let message = refused(FIRST_KIND + operation as u16, usize::MAX);
            let expected = std::format!("operation {operation}, which has none that could be");
            assert!(message.contains(&expected), "{message}");
        }
        assert!(refused(network.extensions[place].0, 16).contains("but their shape asks for"));
        // A kind behind them is none that a reader knows.
        let mut unknown = network.clone();
        unknown.extensions[place].0 = FIRST_KIND + MAX_OPERATIONS as u16;
        let blob = encode(&unknown).unwrap();
        assert!(Model::load(&blob).is_ok_and(|model| model.steps().iter().all(|step| step.transformed.is_empty())));
    }
}
