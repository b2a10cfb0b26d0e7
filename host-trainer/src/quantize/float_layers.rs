//! The trained network as plain numbers, in the layout of the integer network.

/// What a layer computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayerKind {
    /// A 3×3 convolution, perhaps with a 2×2 maximum pool behind it.
    Convolution {
        /// Whether there is the pool.
        pool: bool,
    },
    /// The mean of each channel, of so many positions: it has no numbers of its own.
    GlobalAverage {
        /// Height and width of the input.
        window: [u16; 2],
    },
    /// Every output from every input.
    Dense,
}

/// One layer: `y = scale · relu(w · x + bias) + shift`, a channel at a time; a global average has none of these numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct FloatLayer {
    /// What it computes.
    pub kind: LayerKind,
    /// Whether there is a ReLU.
    pub relu: bool,
    /// `[out][ky][kx][in]` of a convolution, `[out][in]` of a dense layer, its input flattened as `[h, w, c]`.
    pub weights: Vec<f32>,
    /// One an output channel.
    pub bias: Vec<f32>,
    /// Batch normalization's slope, one an output channel.
    pub scale: Vec<f32>,
    /// Batch normalization's shift, one an output channel.
    pub shift: Vec<f32>,
}

impl FloatLayer {
    /// Output channels.
    pub fn outputs(&self) -> usize {
        self.bias.len()
    }
}
