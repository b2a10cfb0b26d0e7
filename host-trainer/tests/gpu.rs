//! One training step on wgpu equals the same step on flex.
//!
//! Runs on any adapter, a software renderer included (`apt-get install mesa-vulkan-drivers libvulkan1`).

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor};
use host_trainer::dataset::{Dataset, Description, LabelledImages};
use host_trainer::device::{self, DeviceChoice};
use host_trainer::network::{Network, to_vec};
use host_trainer::recipe::Recipe;
use host_trainer::training::batch::EpochBatches;
use host_trainer::training::optimizer::optimizer;
use host_trainer::training::step::{self, Loss};

const LOSS_TOLERANCE: f64 = 1e-3;

/// Of the length of a tensor's update. The backends add in different orders, so a value near zero may fall on either
/// side of a ReLU, and two that are nearly equal may change places in a pool. That sends one gradient another way: of
/// the last block's 8 × 128 × 4 × 4, which lie behind every earlier tensor, one is 0.8 % of their length.
const UPDATE_TOLERANCE: f64 = 0.02;

#[test]
fn a_training_step_on_wgpu_equals_the_step_on_flex() {
    let recipe = Recipe { batch_size: 8, ..Recipe::preset("vgg3-best").unwrap() };
    let data = stripes(8);
    let network = Network::new(&recipe, &data.description, &Device::flex());
    let (flex_loss, flex) = train_one_step(&recipe, &network, &data, &Device::flex());
    let (wgpu_loss, wgpu) = train_one_step(&recipe, &network, &data, &adapter());

    assert!((flex_loss - wgpu_loss).abs() < LOSS_TOLERANCE, "loss: flex {flex_loss}, wgpu {wgpu_loss}");
    for (index, before) in tensors(&network).iter().enumerate() {
        let update = distance(&flex[index], before);
        let deviation = distance(&flex[index], &wgpu[index]);
        assert!(update > 0.0, "tensor {index} was not updated");
        assert!(
            deviation < UPDATE_TOLERANCE * update,
            "tensor {index}: the updates differ by {deviation}, their length is {update}"
        );
    }
}

fn train_one_step(recipe: &Recipe, network: &Network, data: &Dataset, device: &Device) -> (f64, Vec<Vec<f32>>) {
    let batch = EpochBatches::new(recipe, data, 1, device).next().unwrap();
    let network = network.clone().to_device(device).train();
    let (gradients, statistics) =
        step::gradients(&network, batch, &Loss::new(recipe, &data.train, data.description.labels.len()), 1);
    let network = optimizer(recipe, &network).step(0.1, network, gradients);
    (statistics.loss(), tensors(&network.valid()))
}

/// A graphics card, or else a software renderer.
fn adapter() -> Device {
    device::select(DeviceChoice::Gpu)
        .or_else(|_| device::select(DeviceChoice::SoftwareGpu))
        .map(|selected| selected.device)
        .unwrap_or_else(|error| panic!("{error}"))
}

/// Every parameter, and the running statistics.
fn tensors(network: &Network) -> Vec<Vec<f32>> {
    struct Tensors(Vec<Vec<f32>>);
    impl ModuleVisitor for Tensors {
        fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
            self.0.push(to_vec(parameter.val()));
        }
    }
    let mut tensors = Tensors(Vec::new());
    network.visit(&mut tensors);
    tensors.0
}

/// The Euclidean distance.
fn distance(left: &[f32], right: &[f32]) -> f64 {
    let squares = left.iter().zip(right).map(|(left, right)| {
        let difference = f64::from(left - right);
        difference * difference
    });
    squares.sum::<f64>().sqrt()
}

/// Images that differ, one of each class.
fn stripes(count: usize) -> Dataset {
    let image = |seed: usize| (0..3072).map(|byte| (byte * (seed + 3) * 37 % 251) as u8).collect();
    let train = LabelledImages {
        images: (0..count).map(image).collect(),
        labels: (0..count).map(|index| (index % 10) as u8).collect(),
    };
    let test = LabelledImages::default();
    Dataset { description: Description::cifar10(), train, validation: None, test, record: None }
}
