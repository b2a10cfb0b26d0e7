//! The derivative, as one operation of burn's autodiff.

use super::ReluBatchNorm;
use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, AutodiffBackend, Backend};

/// The backward step.
#[derive(Debug)]
struct ReluBatchNormBackward;

/// What the backward step needs of the forward one.
#[derive(Clone, Debug)]
struct State<B: Backend> {
    input: NodeId,
    gamma: NodeId,
    mean: FloatTensor<B>,
    variance: FloatTensor<B>,
    epsilon: f64,
}

impl<B: ReluBatchNorm> Backward<B, 3> for ReluBatchNormBackward {
    type State = State<B>;

    fn backward(self, ops: Ops<Self::State, 3>, gradients: &mut Gradients, checkpointer: &mut Checkpointer) {
        let gradient = gradients.consume::<B>(&ops.node);
        let state = ops.state;
        let (input, gamma, beta) = B::relu_batch_norm_backward(
            checkpointer.retrieve_node_output(state.input),
            checkpointer.retrieve_node_output(state.gamma),
            state.mean,
            state.variance,
            state.epsilon,
            gradient,
        );
        for (node, gradient) in ops.parents.into_iter().zip([input, gamma, beta]) {
            if let Some(node) = node {
                gradients.register::<B>(node.id, gradient);
            }
        }
    }
}

impl<B: ReluBatchNorm, C: CheckpointStrategy> ReluBatchNorm for Autodiff<B, C> {
    fn relu_batch_norm(
        input: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f64,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let operation =
            ReluBatchNormBackward.prepare::<C>([input.node(), gamma.node(), beta.node()]).compute_bound().stateful();
        let (output, mean, variance) =
            B::relu_batch_norm(input.primitive().clone(), gamma.primitive().clone(), beta.into_primitive(), epsilon);
        let output = match operation {
            OpsKind::Tracked(mut operation) => {
                let state = State {
                    input: operation.checkpoint(&input),
                    gamma: operation.checkpoint(&gamma),
                    mean: mean.clone(),
                    variance: variance.clone(),
                    epsilon,
                };
                operation.finish(state, output)
            }
            OpsKind::UnTracked(operation) => operation.finish(output),
        };
        (output, Self::from_inner(mean), Self::from_inner(variance))
    }
}
