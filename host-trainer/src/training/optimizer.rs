//! The recipe's optimizer, with weight decay where the recipe wants it.

use burn::module::ParamGroup;
use burn::optim::decay::WeightDecayConfig;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{AdamConfig, AdamWConfig, ModuleOptimizer, SgdConfig};

use crate::recipe::{Optimizer, Recipe};

/// Makes the optimizer of `recipe`.
///
/// Weight decay pulls on the weights of convolutions and of the hidden layer, not on biases, on batch normalization
/// or on the output layer.
pub fn optimizer(recipe: &Recipe) -> ModuleOptimizer {
    let decayed = ["convolution.weight", "hidden.weight"];
    let groups = decayed.map(ParamGroup::from_predicate);
    let decay = Some(recipe.weight_decay as f32).filter(|&decay| decay > 0.0);
    match recipe.optimizer {
        Optimizer::Sgd { momentum, nesterov } => {
            let config = SgdConfig::new().with_momentum(Some(MomentumConfig {
                momentum,
                dampening: 0.0,
                nesterov,
            }));
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
    }
}
