//! The exponential moving average of a network's weights and running statistics.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::tensor::Tensor;
use burn::tensor::container::TensorContainer;

use crate::network::Network;

/// `average · decay + current · (1 − decay)`, parameter by parameter; batch normalization's running statistics are
/// parameters here.
///
/// Both networks stand on a device without autodiff, `current` as [`Module::valid`] gives it.
pub fn average(average: Network, current: &Network, decay: f64) -> Network {
    let mut values = Values(TensorContainer::new());
    current.visit(&mut values);
    average.map(&mut Blend {
        current: values.0,
        decay,
    })
}

struct Values(TensorContainer<ParamId>);

impl ModuleVisitor for Values {
    fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
        self.0.register(parameter.id, parameter.val());
    }
}

struct Blend {
    current: TensorContainer<ParamId>,
    decay: f64,
}

impl ModuleMapper for Blend {
    fn map_float<const D: usize>(&mut self, parameter: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let current: Option<Tensor<D>> = self.current.remove(&parameter.id);
        match current {
            Some(current) => {
                parameter.map(|average| average * self.decay + current * (1.0 - self.decay))
            }
            None => parameter,
        }
    }
}
