//! The derivative: which gradients of the convolution burn's autodiff has to compute.

use super::Convolution3x3;
use burn::backend::Autodiff;
use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;

/// The backward step; its state is where input, weight and bias are kept.
#[derive(Debug)]
struct Convolution3x3Backward;

impl<B: Convolution3x3> Backward<B, 3> for Convolution3x3Backward {
    type State = [NodeId; 3];

    fn backward(self, ops: Ops<Self::State, 3>, gradients: &mut Gradients, checkpointer: &mut Checkpointer) {
        let gradient = gradients.consume::<B>(&ops.node);
        let [input, weight, bias] = ops.state.map(|id| checkpointer.retrieve_node_output::<FloatTensor<B>>(id));
        let [input_node, weight_node, bias_node] = ops.parents;
        // The first layer's input, the image, needs no gradient.
        if let Some(node) = input_node {
            let input = B::convolution_3x3_input_gradient(input.clone(), weight.clone(), gradient.clone());
            gradients.register::<B>(node.id, input);
        }
        if let Some(node) = weight_node {
            let weight = B::convolution_3x3_weight_gradient(input.clone(), weight, gradient.clone());
            gradients.register::<B>(node.id, weight);
        }
        if let Some(node) = bias_node {
            let bias = B::convolution_3x3_bias_gradient(input, bias, gradient);
            gradients.register::<B>(node.id, bias);
        }
    }
}

impl<B: Convolution3x3, C: CheckpointStrategy> Convolution3x3 for Autodiff<B, C> {
    fn convolution_3x3(
        input: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let operation =
            Convolution3x3Backward.prepare::<C>([input.node(), weight.node(), bias.node()]).compute_bound().stateful();
        match operation {
            OpsKind::Tracked(mut operation) => {
                let state = [&input, &weight, &bias].map(|tensor| operation.checkpoint(tensor));
                operation.finish(state, forward::<B>(input, weight, bias))
            }
            OpsKind::UnTracked(operation) => operation.finish(forward::<B>(input, weight, bias)),
        }
    }
}

fn forward<B: Convolution3x3>(
    input: FloatTensor<Autodiff<B>>,
    weight: FloatTensor<Autodiff<B>>,
    bias: FloatTensor<Autodiff<B>>,
) -> FloatTensor<B> {
    B::convolution_3x3(input.into_primitive(), weight.into_primitive(), bias.into_primitive())
}
