//! Which networks fit a board: known before any of them is trained, since flash, memory and plan follow from the shapes alone.

use serde::{Deserialize, Serialize};
use shared_model::graph::{Accuracy, Decision};
use shared_model::{AlignedBytes, Model};

use crate::boards::Board;
use crate::dataset::Description;
use crate::files::{self, FileError};
use crate::quantize::{Quantization, QuantizeError};
use crate::recipe::{Head, Recipe};
use crate::report::model::ModelSize;

/// Filters of the first block.
const WIDTHS: [usize; 12] = [4, 6, 8, 10, 12, 16, 20, 24, 32, 40, 48, 64];
/// Blocks of two convolutions and a pool.
const BLOCKS: [usize; 4] = [2, 3, 4, 5];
const HEADS: [Head; 2] = [Head::GlobalAverage, Head::Hidden];

/// The ladder of networks that were trained on CIFAR-10.
const LADDER: &str = "data/family/ladder.json";

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
    /// Filters of the first block.
    pub width: usize,
    /// Blocks.
    pub blocks: usize,
    /// What stands between the blocks and the logits.
    pub head: Head,
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
    /// Accuracy as int8 on CIFAR-10 in percent, if the ladder has this network.
    pub int8_top1: Option<f64>,
}

/// A network of the ladder, with its figures on CIFAR-10.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rung {
    /// Width, blocks and head as a name: `w16-b3-average`.
    pub name: String,
    /// Accuracy as int8 on the test images in percent.
    pub int8_top1: f64,
}

impl Candidate {
    /// The network's name.
    pub fn name(&self) -> String {
        name(self.width, self.blocks, self.head)
    }

    /// The flags of `train` for it.
    pub fn flags(&self) -> String {
        format!("--width {} --blocks {} --head {}", self.width, self.blocks, head_name(self.head))
    }
}

fn name(width: usize, blocks: usize, head: Head) -> String {
    format!("w{width}-b{blocks}-{}", head_name(head))
}

/// As `train --head` takes it.
const fn head_name(head: Head) -> &'static str {
    match head {
        Head::GlobalAverage => "average",
        Head::Hidden => "hidden",
    }
}

/// The ladder; empty where there is none.
///
/// # Errors
/// If it cannot be read.
pub fn ladder() -> Result<Vec<Rung>, FileError> {
    let file = files::in_repository(LADDER);
    if file.exists() { files::read_json(&file) } else { Ok(Vec::new()) }
}

/// Every network of the family for a data set's pictures and classes that fits `budget`, the most multiplications first; of equals, the
/// one with more parameters.
///
/// # Errors
/// If a blob of such pictures cannot be written.
pub fn candidates(
    recipe: &Recipe,
    dataset: &Description,
    budget: &Budget,
    ladder: &[Rung],
) -> Result<Vec<Candidate>, QuantizeError> {
    let shape = dataset.shape();
    let mut found = Vec::new();
    for blocks in BLOCKS {
        // Each block halves the picture, and nothing may be left over.
        if ![shape.height, shape.width].iter().all(|side| side.is_multiple_of(1 << blocks)) {
            continue;
        }
        for (width, head) in WIDTHS.iter().flat_map(|&width| HEADS.map(|head| (width, head))) {
            let mut recipe = recipe.clone();
            recipe.set_size(Some(width), Some(blocks));
            recipe.head = head;
            let blob = untrained(&recipe, dataset)?;
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
            let name = name(width, blocks, head);
            found.push(Candidate {
                width,
                blocks,
                head,
                flash: blob.len(),
                least_memory: needs.memory,
                memory: speed.memory,
                parameters: size.parameters,
                multiplications: size.multiply_accumulates,
                instructions: speed.instructions,
                milliseconds: speed.milliseconds,
                int8_top1: ladder.iter().find(|rung| rung.name == name).map(|rung| rung.int8_top1),
            });
        }
    }
    found.sort_by_key(|candidate| std::cmp::Reverse((candidate.multiplications, candidate.parameters)));
    Ok(found)
}

/// A blob of the recipe's network, of which only the numbers are missing.
fn untrained(recipe: &Recipe, dataset: &Description) -> Result<AlignedBytes, QuantizeError> {
    let accuracy = Accuracy { images: u32::MAX, float_top1: 0.0, int8_top1: 0.0, agreement: 0.0 };
    let decision = Decision { threshold: u16::MAX, none_class: dataset.none.map(|class| class as u8) };
    Quantization::untrained(recipe, dataset).blob(&recipe.preset, u16::MAX, decision, accuracy)
}
