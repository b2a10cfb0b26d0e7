//! The float network once more, from the numbers of the trained one and the operations of burn's other backend for the
//! CPU: neither flex, nor `cpu-kernels`, nor the trainer's `forward` has a part in it.
#![expect(deprecated, reason = "upstream deprecates burn-ndarray, which is a second opinion here")]

use burn_backend::ops::{ActivationOps, ConvOptions, FloatTensorOps, ModuleOps};
use burn_backend::tensor::FloatTensor;
use burn_backend::{TensorData, TensorMetadata, read_sync};
use burn_ndarray::{NdArray, NdArrayDevice};
use host_trainer::dataset::{ChannelStatistics, Image};
use host_trainer::evaluate::largest;
use host_trainer::quantize::{FloatLayer, LayerKind};
use shared_model::Shape;
use tests::reference::{FLOAT, test_images};

type Tensor = FloatTensor<NdArray>;

fn tensor<const D: usize>(values: Vec<f32>, shape: [usize; D]) -> Tensor {
    NdArray::float_from_data(TensorData::new(values, shape), &NdArrayDevice::Cpu)
}

fn values(tensor: Tensor) -> Vec<f32> {
    let data = read_sync(NdArray::float_into_data(tensor)).unwrap();
    data.try_to_vec().unwrap()
}

/// Normalized pixels, `[image, h, w, c]`.
fn input(images: &[Image], shape: Shape, ChannelStatistics { mean, deviation }: &ChannelStatistics) -> Tensor {
    let [height, width, channels] = shape.dimensions();
    let pixels = images.iter().flat_map(|image| image.iter().enumerate());
    let normalized = pixels.map(|(index, &pixel)| {
        let channel = index % channels;
        (f32::from(pixel) / 255.0 - mean[channel]) / deviation[channel]
    });
    tensor(normalized.collect(), [images.len(), height, width, channels])
}

/// A layer's output, `[image, h, w, c]` as its input; `[image, 1, 1, c]` of a dense layer.
fn layer_output(layer: &FloatLayer, x: Tensor) -> Tensor {
    if let LayerKind::GlobalAverage { .. } = layer.kind {
        return NdArray::float_mean_dim(NdArray::float_mean_dim(x, 1), 2);
    }
    let outputs = layer.outputs();
    let inputs = layer.weights.len() / outputs;
    // Channels are the second dimension from here on, as burn has them.
    let per_channel = |values: &[f32]| tensor(values.to_vec(), [1, outputs, 1, 1]);
    let [images, ..] = x.shape().dims::<4>();
    let mut y = match layer.kind {
        LayerKind::Convolution { .. } => {
            let weights = tensor(layer.weights.clone(), [outputs, 3, 3, inputs / 9]);
            NdArray::conv2d(
                NdArray::float_permute(x, &[0, 3, 1, 2]),
                NdArray::float_permute(weights, &[0, 3, 1, 2]),
                None,
                ConvOptions::new([1, 1], [1, 1], [1, 1], 1),
            )
        }
        LayerKind::GlobalAverage { .. } | LayerKind::Dense => {
            let weights = tensor(layer.weights.clone(), [outputs, inputs]);
            let sums = NdArray::float_matmul(
                NdArray::float_reshape(x, [images, inputs].into()),
                NdArray::float_transpose(weights),
            );
            NdArray::float_reshape(sums, [images, outputs, 1, 1].into())
        }
    };
    y = NdArray::float_add(y, per_channel(&layer.bias));
    if layer.relu {
        y = NdArray::relu(y);
    }
    y = NdArray::float_add(NdArray::float_mul(y, per_channel(&layer.scale)), per_channel(&layer.shift));
    if layer.kind == (LayerKind::Convolution { pool: true }) {
        y = NdArray::max_pool2d(y, [2, 2], [2, 2], [0, 0], [1, 1], false);
    }
    NdArray::float_permute(y, &[0, 2, 3, 1])
}

#[test]
fn flex_and_ndarray_agree() {
    let images = test_images(32).images;
    let layers = FLOAT.network.float_layers();
    let first = input(&images, FLOAT.shape, &FLOAT.statistics);
    let ndarray = values(layers.iter().fold(first, |x, layer| layer_output(layer, x)));
    let flex = FLOAT.logits(&images).unwrap();

    assert_eq!((flex.len(), ndarray.len()), (32, flex.concat().len()));
    let ndarray = ndarray.chunks_exact(flex[0].len());
    for (image, (flex, ndarray)) in flex.iter().zip(ndarray).enumerate() {
        for (a, b) in flex.iter().zip(ndarray) {
            assert!((a - b).abs() <= 1e-3, "image {image}: {flex:?} {ndarray:?}");
        }
        assert_eq!(largest(flex), largest(ndarray), "image {image}");
    }
}
