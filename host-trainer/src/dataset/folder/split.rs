//! Which pictures of a class train, validate and test.
//!
//! Pictures that belong together stay on one side: else the test would ask for what was learnt by heart. Two belong together if they are of one
//! burst, or near-duplicates: their 64-bit difference hashes (dHash: is a cell of a grey 9×8 picture brighter than its left neighbour?) differ
//! in at most ten bits, their grey pictures correlate by at least 0.95, and they differ, whatever their brightness and contrast, by no more than a
//! shift of 2 % of the side would make of them. That is much for a detailed photograph, but little for a few smooth strokes: pictures of the same
//! digit from different writers correlate by 0.97.
//!
//! Of CIFAR-10 enlarged to 160 pixels and recompressed (JPEG of quality 60), made smaller by a tenth or by half, brightened by 10, or shifted
//! by a pixel, all are found so. Enlarged to 33 to 97 pixels, of which a pixel is up to 3 %, it is 97 % and more, but two thirds of the shifted.
//! Of a thousand different pictures of a class one or two are taken for the same; of 1,797 digits 18.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use sha2::{Digest, Sha256};
use shared_model::Shape;

use super::Picture;
use super::cache::Reduced;
use crate::pictures;

/// Bits of two difference hashes.
const LARGEST_DISTANCE: u32 = 10;
/// Of two grey pictures.
const LEAST_CORRELATION: f32 = 0.95;
/// That two grey pictures may differ by, as a share of their side.
const LARGEST_SHIFT: f32 = 0.02;
/// What rounding and compression take from the correlation of a picture without detail.
const NOISE: f32 = 0.002;
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
    /// Squares of the steps from pixel to pixel of `grey`, summed: for steps as long as the picture's side.
    detail: f32,
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
        let [height, width] = [height, width].map(|side| side.min(GREY_SIDE));
        let grey = grey(Shape::new(height, width, 1));
        let mean = grey.iter().map(|&value| f32::from(value)).sum::<f32>() / grey.len() as f32;
        let mut grey: Vec<f32> = grey.iter().map(|&value| f32::from(value) - mean).collect();
        let length = grey.iter().map(|value| value * value).sum::<f32>().sqrt();
        if length > 0.0 {
            grey.iter_mut().for_each(|value| *value /= length);
        }
        let [height, width] = [height, width].map(usize::from);
        let rows = grey.chunks_exact(width);
        let across: f32 = rows.flat_map(|row| row.windows(2)).map(|pair| (pair[1] - pair[0]).powi(2)).sum();
        let down: f32 = grey.iter().zip(&grey[width..]).map(|(upper, lower)| (lower - upper).powi(2)).sum();
        let detail = across * (width * width) as f32 + down * (height * height) as f32;
        Self { difference_hash, grey, detail }
    }

    fn is_like(&self, other: &Self) -> bool {
        if (self.difference_hash ^ other.difference_hash).count_ones() > LARGEST_DISTANCE {
            return false;
        }
        let correlation: f32 = self.grey.iter().zip(&other.grey).map(|(a, b)| a * b).sum();
        // A shift d changes a picture of length 1 by the square d² detail / 2, in the mean over directions, and its correlation by half of that.
        let least = 1.0 - NOISE - LARGEST_SHIFT.powi(2) / 4.0 * self.detail.min(other.detail);
        let least = least.max(LEAST_CORRELATION);
        // Two pictures without any contrast are alike.
        correlation >= least || [self, other].iter().all(|look| look.detail == 0.0)
    }
}
