//! The recipe's optimizer, with weight decay where the recipe wants it.

use burn::module::ParamGroup;
use burn::optim::decay::WeightDecayConfig;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{self, AdamConfig, AdamWConfig, LearningRate, ModuleOptimizer, Sgd, SgdConfig, SgdState};
use burn::tensor::{Device, Tensor};

use super::muon::Muon;
use crate::network::Network;
use crate::recipe::{Optimizer, Recipe};

/// Makes the optimizer of `recipe` for `network`.
///
/// Weight decay pulls on the network's [matrices](Network::matrices) only, and only they are Muon's.
pub fn optimizer(recipe: &Recipe, network: &Network) -> ModuleOptimizer {
    let matrices = ParamGroup::from_ids(network.matrices());
    let decay = Some(recipe.weight_decay as f32).filter(|&decay| decay > 0.0);
    let penalty = decay.map(WeightDecayConfig::new);
    match recipe.optimizer {
        Optimizer::Sgd { momentum, nesterov } => {
            let config = sgd(momentum, nesterov);
            config.init().with_group(matrices, config.with_weight_decay(penalty).build(), None)
        }
        Optimizer::Adam => {
            let config = AdamConfig::new();
            config.init().with_group(matrices, config.with_weight_decay(penalty).build(), None)
        }
        Optimizer::AdamW => {
            let config = |decay: f32| AdamWConfig::new().with_weight_decay(decay);
            config(0.0).init().with_group(matrices, config(decay.unwrap_or(0.0)).build(), None)
        }
        Optimizer::Muon { momentum, rest_rate, rest_momentum } => {
            let rest = RelativeSgd { sgd: sgd(rest_momentum, true).build(), rate: rest_rate };
            ModuleOptimizer::from(rest).with_group(matrices, Muon::new(momentum), None)
        }
    }
}

fn sgd(momentum: f64, nesterov: bool) -> SgdConfig {
    SgdConfig::new().with_momentum(Some(MomentumConfig { momentum, dampening: 0.0, nesterov }))
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
