//! One training step: logits, loss, gradients.

use burn::module::Module;
use burn::nn::loss::CrossEntropyLossConfig;
use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::tensor::{Int, Tensor, TensorData};

use super::batch::Batch;
use crate::dataset::LabelledImages;
use crate::network::Network;
use crate::recipe::Recipe;

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

/// Gradients of the mean loss over `batch`, computed by so many threads of equal micro-batches; adds to the running statistics
/// of `network`, which stands on an autodiff device, `batch` on the same one without autodiff.
///
/// Much of a step on a CPU does not run in parallel inside burn; two half batches side by side do. Each micro-batch
/// normalizes by its own statistics (Hoffer, Hubara, Soudry, "Train longer, generalize better", 2017, call it ghost
/// batch normalization), so `micro_batches` is a part of the recipe's meaning: with the same number, the same bits.
pub fn gradients(network: &Network, batch: Batch, loss: &Loss, micro_batches: usize) -> (GradientsParams, Statistics) {
    let results: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = batch
            .split(micro_batches)
            .into_iter()
            .map(|part| {
                // Leaves of its own: where the graphs of two threads have one in common, burn may consume both with
                // the first backward pass.
                let replica = network.valid().train();
                let share = part.len() as f64 / batch.len() as f64;
                scope.spawn(move || micro_batch_gradients(&replica, part.on_autodiff(), loss, share))
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    let mut accumulator = GradientsAccumulator::new();
    let mut statistics = Statistics::default();
    let mut running = Vec::new();
    for part in results {
        accumulator.accumulate(network, part.gradients);
        statistics += part.statistics;
        running.push(part.running);
    }
    set_running_statistics(network, &running);
    (accumulator.grads(), statistics)
}

/// What one thread computed.
struct MicroBatch {
    gradients: GradientsParams,
    statistics: Statistics,
    /// Mean and variance of each batch normalization.
    running: Vec<[Tensor<1>; 2]>,
}

fn micro_batch_gradients(network: &Network, batch: Batch, loss: &Loss, share: f64) -> MicroBatch {
    let logits = network.forward(batch.images, &batch.masks);
    let loss = loss.of(&logits, &batch.labels);
    let gradients = (loss.clone() * share).backward();
    let running = network.norms().map(|norm| [norm.running_mean.value_sync(), norm.running_var.value_sync()]);
    MicroBatch {
        gradients: GradientsParams::from_grads(gradients, network),
        running: running.collect(),
        statistics: measure(logits, batch.labels, loss),
    }
}

/// Sets the running statistics of `network` to the mean of the micro-batches', added in order.
fn set_running_statistics(network: &Network, parts: &[Vec<[Tensor<1>; 2]>]) {
    let mean = |norm: usize, statistic: usize| {
        let terms = parts.iter().map(|part| part[norm][statistic].clone());
        let sum = terms.reduce(|sum, term| sum + term);
        sum.expect("a batch has at least one micro-batch") / parts.len() as f64
    };
    for (index, norm) in network.norms().enumerate() {
        for (statistic, state) in [&norm.running_mean, &norm.running_var].into_iter().enumerate() {
            state.update(mean(index, statistic));
            state.value_sync();
        }
    }
}

/// Loss and correct predictions of a network on a device without autodiff; no dropout, no smoothing.
pub fn evaluate(network: &Network, batch: Batch) -> Statistics {
    let logits = network.forward(batch.images, &[]);
    let loss = Loss::default().of(&logits, &batch.labels);
    measure(logits, batch.labels, loss)
}

/// Cross entropy.
#[derive(Clone, Debug, Default)]
pub struct Loss {
    /// Probability mass that the target gives away to all classes.
    pub label_smoothing: f64,
    /// Logarithm of each class's share of the images, relative to equal shares; `None`: classes are learnt as often as
    /// they come.
    ///
    /// They are added to the logits while training (Ren et al., "Balanced Meta-Softmax", 2020; Menon et al., "Long-tail learning
    /// via logit adjustment", 2021): how rare a class is then needs not be learnt, and is not in the logits afterwards. Factors for
    /// the losses of rare classes do the same in a network that cannot fit all images; one that can forgets them.
    pub log_shares: Option<Vec<f32>>,
}

impl Loss {
    /// The loss that `recipe` asks for on such labels of so many classes.
    pub fn new(recipe: &Recipe, labels: &LabelledImages, classes: usize) -> Self {
        let log_shares = || {
            let counts = labels.images_per_class(classes);
            let share = |count: usize| (classes * count.max(1)) as f32 / labels.len() as f32;
            counts.into_iter().map(|count| share(count).ln()).collect()
        };
        Self { label_smoothing: recipe.label_smoothing, log_shares: recipe.class_weights.then(log_shares) }
    }

    /// The mean over a batch, of one element.
    fn of(&self, logits: &Tensor<2>, labels: &Tensor<1, Int>) -> Tensor<1> {
        let smoothing = Some(self.label_smoothing as f32).filter(|&smoothing| smoothing > 0.0);
        let loss = CrossEntropyLossConfig::new().with_smoothing(smoothing).init(&logits.device());
        let logits = match &self.log_shares {
            Some(shares) => {
                let shares = TensorData::new(shares.clone(), [1, shares.len()]);
                logits.clone() + Tensor::from_data(shares, &logits.device())
            }
            None => logits.clone(),
        };
        loss.forward(logits, labels.clone())
    }
}

fn measure(logits: Tensor<2>, labels: Tensor<1, Int>, mean_loss: Tensor<1>) -> Statistics {
    let images = labels.dims()[0];
    let correct = logits.argmax(1).flatten::<1>(0, 1).equal(labels).int().sum();
    Statistics {
        images,
        loss_sum: mean_loss.into_scalar::<f64>() * images as f64,
        correct: correct.into_scalar::<i64>() as usize,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::{Dataset, Description};
    use crate::network::to_vec;
    use crate::training::batch::EpochBatches;
    use crate::training::optimizer::optimizer;
    use burn::tensor::Device;

    /// A small network with batch normalization, and images that differ.
    fn small() -> (Recipe, Dataset) {
        let recipe = Recipe {
            filters: vec![2],
            block_dropout: vec![0.2],
            batch_size: 8,
            ..Recipe::preset("vgg3-best").unwrap()
        };
        let image = |seed: usize| (0..3072).map(|byte| (byte * (seed + 3) % 251) as u8).collect();
        let train = LabelledImages { images: (0..8).map(image).collect(), labels: (0..8).collect() };
        let test = LabelledImages::default();
        (recipe, Dataset { description: Description::cifar10(), train, validation: None, test, record: None })
    }

    #[test]
    fn micro_batches_of_many_steps_do_not_disturb_one_another() {
        let (recipe, data) = small();
        let mut network = Network::new(&recipe, &data.description, &Device::flex().autodiff());
        let mut optimizer = optimizer(&recipe, &network);
        let batch = EpochBatches::new(&recipe, &data, 1, &Device::flex()).next().unwrap();
        for _ in 0..2000 {
            let loss = Loss { label_smoothing: 0.1, log_shares: None };
            let (gradients, _) = gradients(&network, batch.clone(), &loss, 2);
            network = optimizer.step(0.001, network, gradients);
        }
    }

    #[test]
    fn equal_classes_change_nothing_and_unequal_shares_are_taken_into_account() {
        let device = Device::flex();
        let rows = [[2.0, -1.0], [0.5, 0.0], [-1.0, 3.0], [0.0, 1.0]];
        let logits = Tensor::<2>::from_data(rows, &device);
        let recipe = Recipe { class_weights: true, ..Recipe::preset("vgg3-best").unwrap() };
        let loss = |recipe: &Recipe, labels: [u8; 4]| {
            let images = LabelledImages { images: vec![[].into(); 4], labels: labels.to_vec() };
            let labels = Tensor::from_data(labels.map(i32::from), &device);
            Loss::new(recipe, &images, 2).of(&logits, &labels).into_scalar::<f32>()
        };
        let plain = Recipe { class_weights: false, ..recipe.clone() };
        assert_eq!(loss(&recipe, [0, 0, 1, 1]), loss(&plain, [0, 0, 1, 1]));
        // Three images of class 0, one of class 1: its probability is 3 exp(z0) / (3 exp(z0) + exp(z1)).
        let smoothing = f64::from(recipe.label_smoothing as f32);
        let one = |[z0, z1]: [f64; 2], label: usize| {
            let exponentials = [3.0 * z0.exp(), z1.exp()];
            let logarithms = exponentials.map(|value| (value / exponentials.iter().sum::<f64>()).ln());
            -(1.0 - smoothing) * logarithms[label] - smoothing * (logarithms[0] + logarithms[1]) / 2.0
        };
        let expected = rows.into_iter().zip([0, 0, 1, 0]).map(|(row, label)| one(row, label)).sum::<f64>() / 4.0;
        assert!((f64::from(loss(&recipe, [0, 0, 1, 0])) - expected).abs() < 1e-6);
    }

    #[test]
    fn running_statistics_are_the_mean_of_the_micro_batches() {
        let (recipe, data) = small();
        let network = Network::new(&recipe, &data.description, &Device::flex().autodiff());
        let batch = EpochBatches::new(&recipe, &data, 1, &Device::flex()).next().unwrap();
        let running_mean = |batch: &Batch, micro_batches| {
            let network = network.valid().train();
            gradients(&network, batch.clone(), &Loss::default(), micro_batches);
            let norm = network.norms().next().unwrap();
            to_vec(norm.running_mean.value())
        };
        let halves = batch.split(2);
        let [left, right] = [0, 1].map(|half| running_mean(&halves[half], 1));
        for (index, both) in running_mean(&batch, 2).into_iter().enumerate() {
            assert!(both > 0.0);
            assert!((both - (left[index] + right[index]) / 2.0).abs() < 1e-6);
        }
    }
}
