"""How many pictures a second LiteRT classifies on one thread, with a network of the shapes of `vgg3-full.blob`, in int8 as well.

    pip install ai-edge-litert && python host-trainer/benches/litert.py

Next to it: `cargo bench -p shared-model --bench steps`. Weights are random: the time does not depend on them. Time is that of the
processor, so that another program beside it disturbs less.
"""

import time

import ai_edge_litert
import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

BATCHES = 10
PICTURES = 200


class Network:
    """A model of the TensorFlow Lite format, operation after operation."""

    def __init__(self, shape):
        self.random = np.random.default_rng(1)
        self.tensors, self.buffers, self.operators = [], [schema.BufferT()], []
        self.codes = {}
        self.last = self.tensor(shape, schema.TensorType.INT8, [0.02])

    def tensor(self, shape, kind, scales, data=None):
        quantization = schema.QuantizationParametersT()
        quantization.scale, quantization.zeroPoint = scales, [0] * len(scales)
        tensor = schema.TensorT()
        tensor.shape, tensor.type, tensor.quantization = shape, kind, quantization
        tensor.name = f"tensor{len(self.tensors)}"
        tensor.buffer = 0
        if data is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(data.tobytes(), np.uint8)
            tensor.buffer = len(self.buffers)
            self.buffers.append(buffer)
        self.tensors.append(tensor)
        return len(self.tensors) - 1

    def operation(self, code, version, kind, options, parameters, shape):
        self.codes.setdefault(code, (len(self.codes), version))
        operator = schema.OperatorT()
        operator.opcodeIndex = self.codes[code][0]
        operator.inputs = [self.last, *parameters]
        self.last = self.tensor(shape, schema.TensorType.INT8, [0.02])
        operator.outputs = [self.last]
        operator.builtinOptionsType, operator.builtinOptions = kind, options
        self.operators.append(operator)

    def shape(self):
        return self.tensors[self.last].shape

    def parameters(self, shape):
        """Weights, with a scale for each output channel, and biases."""
        weights = self.random.integers(-127, 128, shape, np.int8)
        biases = self.random.integers(-1000, 1000, shape[0], np.int32)
        scales = list(self.random.uniform(0.5, 2, shape[0]) / np.sqrt(np.prod(shape[1:])) / 70)
        return [
            self.tensor(shape, schema.TensorType.INT8, scales, weights),
            self.tensor(shape[:1], schema.TensorType.INT32, [0.02 * scale for scale in scales], biases),
        ]

    def convolution(self, outputs):
        _, height, width, inputs = self.shape()
        options = schema.Conv2DOptionsT()
        options.padding = schema.Padding.SAME
        options.strideH = options.strideW = options.dilationHFactor = options.dilationWFactor = 1
        options.fusedActivationFunction = schema.ActivationFunctionType.RELU
        self.operation(
            schema.BuiltinOperator.CONV_2D,
            3,
            schema.BuiltinOptions.Conv2DOptions,
            options,
            self.parameters([outputs, 3, 3, inputs]),
            [1, height, width, outputs],
        )

    def pool(self):
        _, height, width, channels = self.shape()
        options = schema.Pool2DOptionsT()
        options.padding = schema.Padding.VALID
        options.strideH = options.strideW = options.filterHeight = options.filterWidth = 2
        self.operation(
            schema.BuiltinOperator.MAX_POOL_2D,
            2,
            schema.BuiltinOptions.Pool2DOptions,
            options,
            [],
            [1, height // 2, width // 2, channels],
        )

    def dense(self, outputs, relu):
        options = schema.FullyConnectedOptionsT()
        if relu:
            options.fusedActivationFunction = schema.ActivationFunctionType.RELU
        self.operation(
            schema.BuiltinOperator.FULLY_CONNECTED,
            5,
            schema.BuiltinOptions.FullyConnectedOptions,
            options,
            self.parameters([outputs, int(np.prod(self.shape()))]),
            [1, outputs],
        )

    def bytes(self):
        graph = schema.SubGraphT()
        graph.tensors, graph.operators = self.tensors, self.operators
        graph.inputs, graph.outputs = [0], [self.last]
        model = schema.ModelT()
        model.version, model.subgraphs, model.buffers = 3, [graph], self.buffers
        model.operatorCodes = []
        for code, (_, version) in self.codes.items():
            operator_code = schema.OperatorCodeT()
            operator_code.builtinCode = operator_code.deprecatedBuiltinCode = code
            operator_code.version = version
            model.operatorCodes.append(operator_code)
        builder = flatbuffers.Builder(1 << 20)
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())


def vgg():
    network = Network([1, 32, 32, 3])
    for filters in (32, 64, 128):
        network.convolution(filters)
        network.convolution(filters)
        network.pool()
    network.dense(128, True)
    network.dense(10, False)
    return network.bytes()


if __name__ == "__main__":
    interpreter = Interpreter(model_content=vgg(), num_threads=1)
    interpreter.allocate_tensors()
    picture = np.random.default_rng(2).integers(-128, 128, [1, 32, 32, 3], np.int8)
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], picture)

    def pictures_per_second():
        begin = time.process_time()
        for _ in range(PICTURES):
            interpreter.invoke()
        return PICTURES / (time.process_time() - begin)

    rates = sorted(pictures_per_second() for _ in range(BATCHES))
    print(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))
    print(f"LiteRT {ai_edge_litert.__version__}: median {rates[BATCHES // 2]:.0f}, best {rates[-1]:.0f} pictures/s")
