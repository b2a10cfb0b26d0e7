//! Backends: for each family of cores the kernels that serve it, with their costs.
//!
//! A backend is chosen at compile time by the target (see `build.rs`). Its planning and its costs are plain Rust, and where it has
//! inner loops in assembly, these have twins in portable Rust: so any host can plan for, compute like and test any core.

pub(crate) mod arm_dsp;
#[cfg(test)]
mod tests;

use crate::kernels::{
    Kernel,
    average_pool::AveragePool,
    dense::{self, Dense},
    direct::Direct,
    max_pool::MaxPool,
};

/// Kernels for a family of cores.
pub struct Backend {
    name: &'static str,
    cores: &'static [&'static str],
    /// The search prefers the first of equals.
    pub(crate) kernels: &'static [&'static dyn Kernel],
}

impl Backend {
    /// Any core: plain loops, which compilers for processors with vectors make the most of.
    pub const PORTABLE: &'static Self = &Self {
        name: "portable",
        cores: &["host", "cortex-m0plus", "cortex-m3", "rv32imac"],
        kernels: &[
            &Dense { dot_products: dense::dot_products, instructions_for_four: 1 },
            &Direct { instructions_for_four: 1 },
            &MaxPool,
            &AveragePool,
        ],
    };

    /// Cortex-M with the DSP extension. Its inner loops are assembly where this is compiled for one, and their twins elsewhere.
    pub const ARM_DSP: &'static Self = &arm_dsp::BACKEND;

    /// The one that this is compiled for.
    pub const NATIVE: &'static Self = if cfg!(arm_dsp) { Self::ARM_DSP } else { Self::PORTABLE };

    /// All there are.
    pub const ALL: [&'static Self; 2] = [Self::PORTABLE, Self::ARM_DSP];

    /// Name of the family.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Some cores of the family, in lower case.
    pub const fn cores(&self) -> &'static [&'static str] {
        self.cores
    }

    /// The backend of a core, such as `cortex-m4`.
    pub fn of_core(core: &str) -> Option<&'static Self> {
        Self::ALL.into_iter().find(|backend| backend.cores.contains(&core))
    }
}

impl core::fmt::Debug for Backend {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.name)
    }
}
