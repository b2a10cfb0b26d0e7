//! Which pictures of a class train, validate and test.
//!
//! Pictures that belong together stay on one side: else the test would ask for what was learnt by heart. Two belong together if they are of one
//! burst, or near-duplicates: their 64-bit difference hashes (dHash: is a cell of a grey 9×8 picture brighter than its left neighbour?) differ
//! in at most six bits, and their grey pictures correlate by at least 0.97. Of CIFAR-10 recompressed, brightened or scaled by half, 90 % and
//! more are found so, and of its different test pictures none to six in a class of a thousand are taken for the same. Without the correlation,
//! whole classes of simple pictures, as handwritten digits are, would be one cluster.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use sha2::{Digest, Sha256};
use shared_model::Shape;

use super::Picture;
use super::cache::Reduced;
use crate::pictures;

/// Bits of two difference hashes.
const LARGEST_DISTANCE: u32 = 6;
/// Of two grey pictures.
const LEAST_CORRELATION: f32 = 0.97;
/// Sides of the grey pictures that are compared.
const GREY_SIDE: u16 = 32;
/// Share of a class that validates, and that tests.
const SHARE: f64 = 0.15;
/// A cluster with a larger share of its class is divided after all.
const LARGEST_CLUSTER: f64 = 0.3;

/// What pictures are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    Train,
    Validation,
    Test,
}

impl Part {
    /// By the name of a folder.
    pub fn named(folder: &str) -> Option<Self> {
        match folder.to_lowercase().as_str() {
            "train" | "training" => Some(Part::Train),
            "validation" | "valid" | "val" => Some(Part::Validation),
            "test" => Some(Part::Test),
            _ => None,
        }
    }

    /// Name of its folder.
    pub fn name(self) -> &'static str {
        match self {
            Part::Train => "train",
            Part::Validation => "validation",
            Part::Test => "test",
        }
    }
}

/// A class, split.
pub(super) struct Split {
    /// What each picture is for.
    pub parts: Vec<Part>,
    /// Pictures that belong together with others.
    pub alike: usize,
    /// Pictures that belong together with others which another part was given.
    pub across: usize,
    /// Pictures that belong together and were divided after all, as they are too many.
    pub divided: usize,
}

/// Splits the pictures of a class; `given` are the parts that have folders of their own.
pub(super) fn split(pictures: &[&Picture], given: &BTreeSet<Part>, seed: u64) -> Split {
    let clusters = clusters(pictures);
    let alike = clusters.iter().map(Vec::len).filter(|&size| size > 1).sum();
    let mut parts: Vec<Part> = pictures.iter().map(|picture| picture.file.part.unwrap_or(Part::Train)).collect();
    let across = clusters
        .iter()
        .filter(|cluster| cluster.iter().any(|&index| parts[index] != parts[cluster[0]]))
        .map(Vec::len)
        .sum();
    let wanted: Vec<Part> = [Part::Test, Part::Validation].into_iter().filter(|part| !given.contains(part)).collect();
    if wanted.is_empty() {
        return Split { parts, alike, across, divided: 0 };
    }
    // What is split is the pictures to train with.
    let clusters = clusters
        .into_iter()
        .map(|cluster| cluster.into_iter().filter(|&index| parts[index] == Part::Train).collect::<Vec<_>>());
    let clusters: Vec<Vec<usize>> = clusters.filter(|cluster| !cluster.is_empty()).collect();
    let total: usize = clusters.iter().map(Vec::len).sum();
    let (large, mut small): (Vec<_>, Vec<_>) = clusters
        .into_iter()
        .partition(|cluster| cluster.len() > 1 && cluster.len() as f64 > LARGEST_CLUSTER * total as f64);
    let divided = large.iter().map(Vec::len).sum();
    for mut cluster in large {
        cluster.sort_by_key(|&index| (time(pictures[index]), pictures[index].reduced.sha256));
        for &part in &wanted {
            let count = share(cluster.len()).max(1);
            for index in cluster.split_off(cluster.len() - count) {
                parts[index] = part;
            }
        }
    }
    // In an order that pictures that are added do not change.
    small.sort_by_cached_key(|cluster| drawn(pictures, cluster, seed));
    let target = share(small.iter().map(Vec::len).sum());
    for &part in &wanted {
        let mut room = target;
        small.retain(|cluster| {
            let fits = cluster.len() <= room;
            if fits {
                room -= cluster.len();
                cluster.iter().for_each(|&index| parts[index] = part);
            }
            !fits
        });
        if !parts.contains(&part) {
            // The smallest is the last; the others are enough to train with.
            small.sort_by_key(|cluster| Reverse(cluster.len()));
            for index in small.pop().into_iter().flatten() {
                parts[index] = part;
            }
        }
    }
    Split { parts, alike, across, divided }
}

fn share(count: usize) -> usize {
    (SHARE * count as f64).round() as usize
}

/// When a picture was taken, as well as that is known.
fn time(picture: &Picture) -> i64 {
    picture.reduced.marks.taken.unwrap_or(picture.file.modified)
}

/// A number drawn for a cluster, from the seed and its content.
fn drawn(pictures: &[&Picture], cluster: &[usize], seed: u64) -> [u8; 32] {
    let first = cluster.iter().map(|&index| pictures[index].reduced.sha256).min();
    Sha256::new().chain_update(seed.to_le_bytes()).chain_update(first.unwrap_or_default()).finalize().into()
}

/// Groups of pictures that belong together, as positions.
fn clusters(pictures: &[&Picture]) -> Vec<Vec<usize>> {
    let looks: Vec<Look> = pictures.iter().map(|picture| Look::of(picture)).collect();
    let mut roots: Vec<usize> = (0..pictures.len()).collect();
    for one in 0..pictures.len() {
        for other in 0..one {
            let burst = |index: usize| pictures[index].reduced.marks.burst.as_ref();
            let of_one_burst = burst(one).is_some() && burst(one) == burst(other);
            if of_one_burst || looks[one].is_like(&looks[other]) {
                let [one, other] = [one, other].map(|index| root(&mut roots, index));
                roots[one.max(other)] = one.min(other);
            }
        }
    }
    let mut clusters = vec![Vec::new(); pictures.len()];
    for index in 0..pictures.len() {
        clusters[root(&mut roots, index)].push(index);
    }
    clusters.retain(|cluster| !cluster.is_empty());
    clusters
}

/// The first picture of the cluster that `index` is in so far.
fn root(roots: &mut [usize], mut index: usize) -> usize {
    while roots[index] != index {
        roots[index] = roots[roots[index]];
        index = roots[index];
    }
    index
}

/// What a picture looks like.
struct Look {
    difference_hash: u64,
    /// Of mean 0 and length 1; all zeros if all pixels are the same.
    grey: Vec<f32>,
}

impl Look {
    fn of(picture: &Picture) -> Self {
        let Reduced { image, shape, .. } = &picture.reduced;
        let Shape { height, width, .. } = *shape;
        let colours: Vec<u8> = match shape.channels {
            1 => image.iter().flat_map(|&grey| [grey; 3]).collect(),
            _ => image.to_vec(),
        };
        let grey = |shape: Shape| pictures::reduce_rgb(&colours, [width, height], shape);
        let difference_hash = grey(Shape::new(8, 9, 1))
            .chunks_exact(9)
            .flat_map(|row| row.windows(2).map(|pair| u64::from(pair[1] > pair[0])).collect::<Vec<_>>())
            .fold(0, |hash, bit| hash << 1 | bit);
        let grey = grey(Shape::new(height.min(GREY_SIDE), width.min(GREY_SIDE), 1));
        let mean = grey.iter().map(|&value| f32::from(value)).sum::<f32>() / grey.len() as f32;
        let mut grey: Vec<f32> = grey.iter().map(|&value| f32::from(value) - mean).collect();
        let length = grey.iter().map(|value| value * value).sum::<f32>().sqrt();
        if length > 0.0 {
            grey.iter_mut().for_each(|value| *value /= length);
        }
        Self { difference_hash, grey }
    }

    fn is_like(&self, other: &Self) -> bool {
        if (self.difference_hash ^ other.difference_hash).count_ones() > LARGEST_DISTANCE {
            return false;
        }
        let correlation: f32 = self.grey.iter().zip(&other.grey).map(|(a, b)| a * b).sum();
        // Two pictures without any contrast are alike.
        correlation >= LEAST_CORRELATION || [self, other].iter().all(|look| look.grey.iter().all(|&value| value == 0.0))
    }
}
