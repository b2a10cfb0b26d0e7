//! One training step on wgpu equals the same step on flex.
//!
//! Runs on any adapter, a software renderer included (`apt-get install mesa-vulkan-drivers libvulkan1`).

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, DeviceKind, Tensor};
use host_trainer::dataset::LabelledImages;
use host_trainer::network::{Network, numbers};
use host_trainer::recipe::Recipe;
use host_trainer::training::batch::EpochBatches;
use host_trainer::training::{optimizer::optimizer, step};

const TOLERANCE: f32 = 1e-3;

#[test]
fn a_training_step_on_wgpu_equals_the_step_on_flex() {
    let recipe = Recipe {
        batch_size: 8,
        ..Recipe::preset("vgg3-best").unwrap()
    };
    let data = stripes(8);
    let network = recipe.network(&Device::flex());
    let (flex_loss, flex) = train_one_step(&recipe, &network, &data, &Device::flex());
    let (wgpu_loss, wgpu) = train_one_step(&recipe, &network, &data, &adapter());

    assert!(
        (flex_loss - wgpu_loss).abs() < f64::from(TOLERANCE),
        "loss: flex {flex_loss}, wgpu {wgpu_loss}"
    );
    let before = values(&network);
    assert!(
        flex.iter()
            .zip(&before)
            .any(|(after, before)| (after - before).abs() > 10.0 * TOLERANCE)
    );
    for (index, (flex, wgpu)) in flex.iter().zip(&wgpu).enumerate() {
        assert!(
            (flex - wgpu).abs() < TOLERANCE,
            "weight {index}: flex {flex}, wgpu {wgpu}"
        );
    }
}

fn train_one_step(
    recipe: &Recipe,
    network: &Network,
    data: &LabelledImages,
    device: &Device,
) -> (f64, Vec<f32>) {
    let batch = EpochBatches::new(recipe, data, 1, device).next().unwrap();
    let network = network.clone().to_device(device).train();
    let (gradients, statistics) = step::gradients(&network, batch, recipe.label_smoothing, 1);
    let network = optimizer(recipe).step(0.1, network, gradients);
    (statistics.loss(), values(&network.valid()))
}

/// Any adapter that there is: a graphics card before a software renderer.
fn adapter() -> Device {
    let kinds = [
        DeviceKind::DiscreteGpu(0),
        DeviceKind::IntegratedGpu(0),
        DeviceKind::VirtualGpu(0),
        DeviceKind::Cpu,
    ];
    kinds
        .into_iter()
        .find_map(|kind| Device::wgpu_options().device_kind(kind).init().ok())
        .expect("no Vulkan adapter: `apt-get install mesa-vulkan-drivers libvulkan1` installs a software one")
}

fn values(network: &Network) -> Vec<f32> {
    struct Values(Vec<f32>);
    impl ModuleVisitor for Values {
        fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
            self.0.extend(numbers(parameter.val()));
        }
    }
    let mut values = Values(Vec::new());
    network.visit(&mut values);
    values.0
}

/// Images that differ, one of each class.
fn stripes(count: usize) -> LabelledImages {
    let image = |seed: usize| std::array::from_fn(|byte| ((byte * (seed + 3) * 37) % 251) as u8);
    LabelledImages {
        images: (0..count).map(image).collect(),
        labels: (0..count).map(|index| (index % 10) as u8).collect(),
    }
}
