//! The exponential moving average of a network's weights and running statistics.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::Tensor;
use burn::tensor::container::TensorContainer;

use crate::network::Network;

/// `average · decay + current · (1 − decay)`, parameter by parameter; batch normalization's running statistics are
/// parameters here.
///
/// Both networks stand on a device without autodiff, `current` as [`Module::valid`] gives it. Their parameters
/// correspond by position: running statistics get a new identity whenever a network is loaded.
pub fn average(average: Network, current: &Network, decay: f64) -> Network {
    let mut values = Values::default();
    current.visit(&mut values);
    average.map(&mut Blend { current: values.tensors, position: 0, decay })
}

#[derive(Default)]
struct Values {
    tensors: TensorContainer<usize>,
    position: usize,
}

impl ModuleVisitor for Values {
    fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
        self.tensors.register(self.position, parameter.val());
        self.position += 1;
    }
}

struct Blend {
    current: TensorContainer<usize>,
    position: usize,
    decay: f64,
}

impl ModuleMapper for Blend {
    fn map_float<const D: usize>(&mut self, parameter: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let current: Tensor<D> = self.current.remove(&self.position).expect("both networks have the same architecture");
        self.position += 1;
        parameter.map(|average| average * self.decay + current * (1.0 - self.decay))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Description;
    use crate::network::to_vec;
    use crate::recipe::Recipe;
    use burn::tensor::Device;

    #[test]
    fn running_statistics_of_networks_made_apart_are_averaged_too() {
        let recipe = Recipe { filters: vec![4], block_dropout: vec![0.0], ..Recipe::preset("vgg3-best").unwrap() };
        let network = || Network::new(&recipe, &Description::cifar10(), &Device::flex());
        let current = network();
        let norm = current.norms().next().unwrap();
        norm.running_mean.update(Tensor::ones([4], &Device::flex()) * 8.0);
        norm.running_mean.value_sync();

        let blended = average(network(), &current, 0.75);
        let mean = blended.norms().next().unwrap().running_mean.value();
        assert_eq!(to_vec(mean), [2.0; 4]);
    }
}
