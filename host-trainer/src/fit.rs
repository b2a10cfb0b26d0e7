//! Which networks fit a board: known before any of them is trained, since flash, memory and plan follow from the shapes alone.

use serde::Serialize;
use shared_model::Model;

use crate::boards::Board;
use crate::dataset::Description;
use crate::family::{Member, Rung};
use crate::quantize::QuantizeError;
use crate::recipe::Head;
use crate::report::model::ModelSize;

/// Filters of the first block.
const WIDTHS: [usize; 12] = [4, 6, 8, 10, 12, 16, 20, 24, 32, 40, 48, 64];
/// Blocks of two convolutions and a pool.
const BLOCKS: [usize; 4] = [2, 3, 4, 5];
const HEADS: [Head; 2] = [Head::GlobalAverage, Head::Hidden];

/// What a network may take.
#[derive(Clone, Debug)]
pub struct Budget {
    /// Where it computes.
    pub board: Board,
    /// Milliseconds that a picture may take, by the lesser estimate; `None` for any.
    pub milliseconds: Option<f64>,
}

/// A network of the family, and what it takes of a board.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Candidate {
    /// The network.
    #[serde(flatten)]
    pub member: Member,
    /// Bytes of the blob: a few less where numbers that are learned are short.
    pub flash: usize,
    /// Bytes of a picture and of the smallest arena.
    pub least_memory: usize,
    /// Bytes of a picture and of the arena that makes it fastest there.
    pub memory: usize,
    /// Weights and biases.
    pub parameters: usize,
    /// Multiplications for one image.
    pub multiplications: u64,
    /// Instructions from a picture to its logits, as the plan in that memory estimates them.
    pub instructions: u64,
    /// Least and most milliseconds of these, an estimate.
    pub milliseconds: [f64; 2],
    /// Accuracy as int8 on CIFAR-10 in percent, if the ladder has this network, be it for pictures of this shape or for CIFAR-10's own.
    pub int8_top1: Option<f64>,
}

/// Every network of the family for a data set's pictures and classes that fits `budget`, the most multiplications first; of equals, the
/// one with more parameters.
///
/// # Errors
/// If a blob of such pictures cannot be written.
pub fn candidates(dataset: &Description, budget: &Budget, ladder: &[Rung]) -> Result<Vec<Candidate>, QuantizeError> {
    let shape = dataset.shape();
    let mut found = Vec::new();
    for blocks in BLOCKS {
        // Each block halves the picture, and nothing may be left over.
        if ![shape.height, shape.width].iter().all(|side| side.is_multiple_of(1 << blocks)) {
            continue;
        }
        for (width, head) in WIDTHS.iter().flat_map(|&width| HEADS.map(|head| (width, head))) {
            let member = Member { width, blocks, head, input: shape };
            let blob = member.untrained(dataset)?;
            let Ok(model) = Model::load(&blob) else {
                // More weights than the format allows.
                continue;
            };
            let needs = budget.board.needs(&model, blob.len());
            let Some(speed) = needs.speed else {
                continue;
            };
            if budget.milliseconds.is_some_and(|most| speed.milliseconds[0] > most) {
                continue;
            }
            let size = ModelSize::of(&model, blob.len());
            let on_ladder = |member: Member| ladder.iter().find(|rung| rung.name == member.name());
            found.push(Candidate {
                member,
                flash: blob.len(),
                least_memory: needs.memory,
                memory: speed.memory,
                parameters: size.parameters,
                multiplications: size.multiply_accumulates,
                instructions: speed.instructions,
                milliseconds: speed.milliseconds,
                int8_top1: on_ladder(member).or_else(|| on_ladder(member.of_cifar10())).map(|rung| rung.int8_top1),
            });
        }
    }
    found.sort_by_key(|candidate| std::cmp::Reverse((candidate.multiplications, candidate.parameters)));
    Ok(found)
}
