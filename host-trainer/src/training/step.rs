//! One training step: logits, loss, gradients.

use burn::nn::loss::CrossEntropyLossConfig;
use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::tensor::{Int, Tensor};

use super::batch::Batch;
use crate::network::{DropoutMasks, Network};

/// What a step over some images measured.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Statistics {
    /// Images that were seen.
    pub images: usize,
    /// Sum of the images' losses.
    pub loss_sum: f64,
    /// Images whose largest logit is the label's.
    pub correct: usize,
}

impl Statistics {
    /// Mean loss of an image.
    pub fn loss(&self) -> f64 {
        self.loss_sum / self.images as f64
    }

    /// Correct images in percent.
    pub fn accuracy(&self) -> f64 {
        100.0 * self.correct as f64 / self.images as f64
    }
}

impl std::ops::AddAssign for Statistics {
    fn add_assign(&mut self, other: Self) {
        self.images += other.images;
        self.loss_sum += other.loss_sum;
        self.correct += other.correct;
    }
}

/// Gradients of the mean loss over `batch`, computed by `shards` threads of equal parts.
///
/// Much of a step on a CPU does not run in parallel inside burn; two half batches side by side do. Each shard
/// normalizes by its own statistics (Hoffer, Hubara, Soudry, "Train longer, generalize better", 2017, call it ghost
/// batch normalization), so `shards` is a part of the recipe's meaning: with the same number, the same bits.
/// `shards` must be 1 or 2: burn adds the running statistics of threads in no fixed order, and only a sum of two
/// does not depend on it.
pub fn gradients(
    network: &Network,
    batch: Batch,
    label_smoothing: f64,
    shards: usize,
) -> (GradientsParams, Statistics) {
    let results: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = batch
            .split(shards)
            .into_iter()
            .map(|part| {
                let network = network.clone();
                let share = part.len() as f64 / batch.len() as f64;
                scope.spawn(move || shard_gradients(&network, part, label_smoothing, share))
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| {
                thread
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
            .collect()
    });
    let mut accumulator = GradientsAccumulator::new();
    let mut statistics = Statistics::default();
    for (gradients, part) in results {
        accumulator.accumulate(network, gradients);
        statistics += part;
    }
    (accumulator.grads(), statistics)
}

fn shard_gradients(
    network: &Network,
    batch: Batch,
    label_smoothing: f64,
    share: f64,
) -> (GradientsParams, Statistics) {
    let logits = network.forward(batch.images, &batch.masks);
    let loss = cross_entropy(&logits, &batch.labels, label_smoothing);
    let gradients = (loss.clone() * share).backward();
    let statistics = measure(logits, batch.labels, loss);
    (GradientsParams::from_grads(gradients, network), statistics)
}

/// Loss and correct predictions of a network on a device without autodiff; no dropout, no smoothing.
pub fn evaluate(network: &Network, batch: Batch) -> Statistics {
    let logits = network.forward(batch.images, &DropoutMasks::default());
    let loss = cross_entropy(&logits, &batch.labels, 0.0);
    measure(logits, batch.labels, loss)
}

fn cross_entropy(logits: &Tensor<2>, labels: &Tensor<1, Int>, label_smoothing: f64) -> Tensor<1> {
    let smoothing = Some(label_smoothing as f32).filter(|&smoothing| smoothing > 0.0);
    CrossEntropyLossConfig::new()
        .with_smoothing(smoothing)
        .init(&logits.device())
        .forward(logits.clone(), labels.clone())
}

fn measure(logits: Tensor<2>, labels: Tensor<1, Int>, mean_loss: Tensor<1>) -> Statistics {
    let images = labels.dims()[0];
    let correct = logits
        .argmax(1)
        .flatten::<1>(0, 1)
        .equal(labels)
        .int()
        .sum();
    Statistics {
        images,
        loss_sum: mean_loss.into_scalar::<f64>() * images as f64,
        correct: correct.into_scalar::<i64>() as usize,
    }
}
