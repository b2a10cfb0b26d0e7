//! The derivative: only the input is kept for it.

use super::MaxPool2x2;
use burn::backend::Autodiff;
use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;

/// The backward step; its state is where the input is kept.
#[derive(Debug)]
struct MaxPool2x2Backward;

impl<B: MaxPool2x2> Backward<B, 1> for MaxPool2x2Backward {
    type State = NodeId;

    fn backward(self, ops: Ops<Self::State, 1>, gradients: &mut Gradients, checkpointer: &mut Checkpointer) {
        let gradient = gradients.consume::<B>(&ops.node);
        let input = checkpointer.retrieve_node_output(ops.state);
        let [node] = ops.parents;
        if let Some(node) = node {
            gradients.register::<B>(node.id, B::max_pool_2x2_backward(input, gradient));
        }
    }
}

impl<B: MaxPool2x2, C: CheckpointStrategy> MaxPool2x2 for Autodiff<B, C> {
    fn max_pool_2x2(input: FloatTensor<Self>) -> FloatTensor<Self> {
        let operation = MaxPool2x2Backward.prepare::<C>([input.node()]).compute_bound().stateful();
        match operation {
            OpsKind::Tracked(mut operation) => {
                let state = operation.checkpoint(&input);
                operation.finish(state, B::max_pool_2x2(input.into_primitive()))
            }
            OpsKind::UnTracked(operation) => operation.finish(B::max_pool_2x2(input.into_primitive())),
        }
    }
}
