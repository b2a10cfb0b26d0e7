//! What tests of several modules need.

extern crate std;

use embedded_hal_async::delay::DelayNs;
use shared_model::Shape;
use shared_model::encode::Network;
use shared_model::testing::{self, Plain};

/// Of the networks' picture.
pub const SHAPE: Shape = Shape::new(32, 32, 3);

/// One dense layer that counts nothing: its logits are `logits`, whatever the picture.
pub fn network(logits: &[i32]) -> Network<'static> {
    let dense = Plain::Dense(logits.len() as u16, false);
    let mut network = testing::network(1, SHAPE, &[dense]);
    network.name = "constant";
    network.logit_fraction_bits = 8;
    let layer = &mut network.layers[0];
    layer.weights.fill(0);
    layer.biases.fill(0);
    layer.multipliers.fill(0);
    layer.offsets = logits.iter().map(|logit| i64::from(*logit) << 32).collect();
    network
}

/// Waits no time.
pub struct NoWait;

impl DelayNs for NoWait {
    async fn delay_ns(&mut self, _nanoseconds: u32) {}
}
