//! Any core: the simplest code that a compiler vectorizes.

use super::Backend;
use crate::kernels::{
    average_pool::AveragePool,
    dense::{self, Dense},
    direct::Direct,
    max_pool::MaxPool,
};

pub(super) const BACKEND: Backend = Backend {
    name: "portable",
    cores: &["host", "cortex-m0plus", "cortex-m3", "rv32imac"],
    kernels: &[
        &Dense {
            dot_products: dense::dot_products,
            instructions_for_four: 1,
        },
        &Direct {
            instructions_for_four: 1,
        },
        &MaxPool,
        &AveragePool,
    ],
};
