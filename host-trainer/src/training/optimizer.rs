//! The recipe's optimizer, with weight decay where the recipe wants it.

use burn::module::ParamGroup;
use burn::optim::decay::WeightDecayConfig;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{
    self, AdamConfig, AdamWConfig, LearningRate, ModuleOptimizer, Sgd, SgdConfig, SgdState,
};
use burn::tensor::{Device, Tensor};

use super::muon::Muon;
use crate::recipe::{Optimizer, Recipe};

/// Makes the optimizer of `recipe`.
///
/// Weight decay pulls on the weights of convolutions and of the hidden layer, not on biases, on batch normalization
/// or on the output layer.
pub fn optimizer(recipe: &Recipe) -> ModuleOptimizer {
    let matrices = ["convolution.weight", "hidden.weight"];
    let groups = matrices.map(ParamGroup::from_predicate);
    let decay = Some(recipe.weight_decay as f32).filter(|&decay| decay > 0.0);
    match recipe.optimizer {
        Optimizer::Sgd { momentum, nesterov } => {
            let config = sgd(momentum, nesterov);
            let decaying = config
                .clone()
                .with_weight_decay(decay.map(WeightDecayConfig::new));
            groups.into_iter().fold(config.init(), |all, group| {
                all.with_group(group, decaying.build(), None)
            })
        }
        Optimizer::Adam => {
            let decaying = AdamConfig::new().with_weight_decay(decay.map(WeightDecayConfig::new));
            groups
                .into_iter()
                .fold(AdamConfig::new().init(), |all, group| {
                    all.with_group(group, decaying.build(), None)
                })
        }
        Optimizer::AdamW => {
            let config = |decay: f32| AdamWConfig::new().with_weight_decay(decay);
            groups.into_iter().fold(config(0.0).init(), |all, group| {
                all.with_group(group, config(decay.unwrap_or(0.0)).build(), None)
            })
        }
        Optimizer::Muon {
            momentum,
            rest_rate,
            rest_momentum,
        } => {
            let rest = RelativeSgd {
                sgd: sgd(rest_momentum, true).build(),
                rate: rest_rate,
            };
            groups.into_iter().fold(rest.into(), |all, group| {
                all.with_group(group, Muon::new(momentum), None)
            })
        }
    }
}

fn sgd(momentum: f64, nesterov: bool) -> SgdConfig {
    SgdConfig::new().with_momentum(Some(MomentumConfig {
        momentum,
        dampening: 0.0,
        nesterov,
    }))
}

/// SGD with a learning rate of its own, a multiple of the module's.
#[derive(Clone)]
struct RelativeSgd {
    sgd: Sgd,
    rate: f64,
}

impl optim::Optimizer for RelativeSgd {
    type State<const D: usize> = SgdState<D>;

    fn step<const D: usize>(
        &self,
        rate: LearningRate,
        parameter: Tensor<D>,
        gradient: Tensor<D>,
        state: Option<Self::State<D>>,
    ) -> (Tensor<D>, Option<Self::State<D>>) {
        self.sgd.step(rate * self.rate, parameter, gradient, state)
    }

    fn to_device<const D: usize>(state: Self::State<D>, device: &Device) -> Self::State<D> {
        Sgd::to_device(state, device)
    }
}
