//! Backends: for each family of cores the kernels that serve it, and what they cost there.
//!
//! A backend is chosen at compile time by the target (see `build.rs`). Its planning and its costs are plain Rust, and where it has
//! inner loops in assembly, portable Rust gives the same bits: so any host can plan for, compute like and test any core.

#[cfg(any(arm_v6m, arm_v7m, rv32im))]
mod assembly;
mod blocked;
mod im2col;
mod inner_loops;
mod patches;
mod row_streaming;
#[cfg(feature = "self-test")]
pub(crate) mod self_test;
#[cfg(test)]
mod tests;
#[cfg(any(target_arch = "x86_64", all(target_arch = "wasm32", target_feature = "simd128")))]
mod tile;
pub(crate) mod transformed;
mod vector_loops;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod wasm;
mod winograd;
#[cfg(target_arch = "x86_64")]
mod x86;

#[cfg(any(arm_v6m, arm_v7m, rv32im))]
use assembly::Assembly as Native;
#[cfg(not(any(arm_v6m, arm_v7m, rv32im, target_arch = "x86_64")))]
use inner_loops::Portable as Native;
#[cfg(not(any(target_arch = "x86_64", all(target_arch = "wasm32", target_feature = "simd128"))))]
use inner_loops::Portable as Vectors;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
use wasm::Simd128 as Vectors;
#[cfg(target_arch = "x86_64")]
use x86::{X86 as Native, X86 as Vectors};

use crate::kernels::{Costs, Kernel, average_pool::AveragePool, dense::Dense, direct::Direct, max_pool::MaxPool};
use blocked::Blocked;
use im2col::Im2col;
use inner_loops::{InnerLoops, Portable};
use patches::Patches;
use row_streaming::RowStreaming;
use vector_loops::{Pairs, Quads};
use winograd::{Winograd, WinogradInPieces};

/// Kernels for a family of cores.
pub struct Backend {
    name: &'static str,
    cores: &'static [&'static str],
    /// The search prefers the first of equals.
    pub(crate) kernels: &'static [&'static dyn Kernel],
    pub(crate) costs: Costs,
    /// Bytes of an arena that machines of the family can usually spare.
    pub(crate) spare: usize,
}

/// What a microcontroller can usually spare.
const SPARE: usize = 48 * 1024;

/// On a computer, for each thread.
const HOST_SPARE: usize = 8 * 1024 * 1024;

/// Built from [`InnerLoops`].
const LOOPED: &[&dyn Kernel] = &[
    &Dense { dot_products: |weights, input| Native.dot_products(weights, input) },
    &Direct,
    &Im2col(Native),
    &RowStreaming(Native),
    &Winograd(Native),
    &WinogradInPieces(Native),
    &MaxPool,
    &AveragePool,
];

/// With a convolution for vectors.
const fn vectors(convolution: &'static dyn Kernel) -> [&'static dyn Kernel; 5] {
    [
        &Dense { dot_products: |weights, input| Native.dot_products(weights, input) },
        convolution,
        &Direct,
        &MaxPool,
        &AveragePool,
    ]
}

impl Backend {
    /// Any core: plain loops, which compilers for processors with vectors make the most of.
    pub const PORTABLE: &'static Self = &Self {
        name: "portable",
        cores: &["host"],
        kernels: &[
            &Dense { dot_products: |weights, input| Portable.dot_products(weights, input) },
            &Direct,
            &MaxPool,
            &AveragePool,
        ],
        // It has no kernel that multiplies in any other way.
        costs: Costs { dense: 1, direct: 1, direct_row: 0, ..ARM_DSP },
        spare: SPARE,
    };

    /// Vectors of int16, two products and their sum at once: x86-64 with AVX2, and WebAssembly with its vectors. Elsewhere portable Rust
    /// computes the same.
    pub const VECTORS: &'static Self = &Self {
        name: "vectors",
        cores: &[],
        kernels: &vectors(&Blocked(Pairs, Vectors)),
        costs: VECTORS,
        spare: HOST_SPARE,
    };

    /// Vectors of bytes, four products and their sum at once: x86-64 with AVX-VNNI, or with AVX-512 and its VNNI. Elsewhere portable Rust
    /// computes the same.
    pub const VNNI: &'static Self = &Self {
        name: "vnni",
        cores: &[],
        kernels: &vectors(&Blocked(Quads, Vectors)),
        costs: VECTORS,
        spare: HOST_SPARE,
    };

    /// Cortex-M with the DSP extension: an M4, an M7, or an M33 that has it.
    pub const ARM_DSP: &'static Self = &Self {
        name: "arm-dsp",
        cores: &["cortex-m4", "cortex-m7", "cortex-m33"],
        kernels: LOOPED,
        costs: ARM_DSP,
        spare: SPARE,
    };

    /// Cortex-M with the instruction set of Armv7-M and no DSP extension.
    pub const ARM_V7M: &'static Self =
        &Self { name: "armv7-m", cores: &["cortex-m3"], kernels: LOOPED, costs: ARM_V7M, spare: SPARE };

    /// Cortex-M with the instruction set of Armv6-M.
    pub const ARM_V6M: &'static Self = &Self {
        name: "armv6-m",
        cores: &["cortex-m0", "cortex-m0plus"],
        kernels: LOOPED,
        costs: ARM_V6M,
        spare: SPARE,
    };

    /// RISC-V of 32 bits with multiplications.
    pub const RV32IM: &'static Self =
        &Self { name: "rv32im", cores: &["rv32imac"], kernels: LOOPED, costs: RV32IM, spare: SPARE };

    /// Cortex-M with vectors of integers (Helium).
    pub const HELIUM: &'static Self = &Self {
        name: "helium",
        cores: &["cortex-m55", "cortex-m85"],
        // The least memory is that of every Cortex-M.
        kernels: &[
            &Dense { dot_products: |weights, input| Native.vector_dot_products(weights, input) },
            &Patches(Native),
            &Direct,
            &Im2col(Native),
            &RowStreaming(Native),
            &Winograd(Native),
            &WinogradInPieces(Native),
            &MaxPool,
            &AveragePool,
        ],
        costs: HELIUM,
        spare: SPARE,
    };

    /// The one for the processor that this runs on.
    pub fn native() -> &'static Self {
        #[cfg(target_arch = "x86_64")]
        if x86::has_vnni() {
            return Self::VNNI;
        } else if x86::has_avx2() {
            return Self::VECTORS;
        }
        if cfg!(arm_mve) {
            Self::HELIUM
        } else if cfg!(arm_dsp) {
            Self::ARM_DSP
        } else if cfg!(arm_v7m) {
            Self::ARM_V7M
        } else if cfg!(arm_v6m) {
            Self::ARM_V6M
        } else if cfg!(rv32im) {
            Self::RV32IM
        } else if cfg!(all(target_arch = "wasm32", target_feature = "simd128")) {
            Self::VECTORS
        } else {
            Self::PORTABLE
        }
    }

    /// All there are.
    pub const ALL: [&'static Self; 8] = [
        Self::PORTABLE,
        Self::VECTORS,
        Self::VNNI,
        Self::ARM_DSP,
        Self::ARM_V7M,
        Self::ARM_V6M,
        Self::RV32IM,
        Self::HELIUM,
    ];

    /// Name of the family.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Some cores of the family, in lower case.
    pub const fn cores(&self) -> &'static [&'static str] {
        self.cores
    }

    /// The backend of a core, such as `cortex-m4`, or of this `host`.
    pub fn of_core(core: &str) -> Option<&'static Self> {
        if core == "host" {
            return Some(Self::native());
        }
        Self::ALL.into_iter().find(|backend| backend.cores.contains(&core))
    }
}

impl core::fmt::Debug for Backend {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.name)
    }
}

/// Of instructions on vectors, about. It is enough that every step is computed with vectors where there is room.
const VECTORS: Costs = Costs { dense: 1, blocked: 1, blocked_filter: 1, direct: 4, direct_row: 4, ..ARM_DSP };

// Fitted to what layers of networks of all sizes take in QEMU.

const ARM_DSP: Costs = Costs {
    input: 14,
    dense: 6,
    dense_output: 100,
    direct: 16,
    direct_row: 200,
    im2col: 11,
    im2col_output: 19,
    im2col_pixels: 213,
    row_pair: 15,
    row_filter: 11,
    winograd_products: 23,
    winograd_filter: 50,
    winograd_filter_chunk: 570,
    winograd_piece: 1380,
    winograd_input: 215,
    winograd_output: 445,
    winograd_tile: 580,
    // No kernel of this backend counts them.
    patch_block: 0,
    patch_pair: 0,
    patch_rows: 0,
    patch: 0,
    patch_line: 0,
    blocked: 0,
    blocked_filter: 0,
};

const ARM_V7M: Costs = Costs {
    dense: 11,
    dense_output: 200,
    direct: 14,
    direct_row: 200,
    im2col: 28,
    im2col_output: 16,
    im2col_pixels: 539,
    row_pair: 43,
    row_filter: 38,
    winograd_products: 60,
    winograd_filter: 68,
    winograd_filter_chunk: 420,
    winograd_piece: 2880,
    winograd_input: 265,
    winograd_output: 520,
    winograd_tile: 1000,
    ..ARM_DSP
};

const ARM_V6M: Costs = Costs {
    input: 19,
    dense: 44,
    dense_output: 250,
    direct: 24,
    direct_row: 330,
    im2col: 62,
    im2col_output: 200,
    im2col_pixels: 408,
    row_pair: 101,
    row_filter: 80,
    winograd_products: 139,
    winograd_filter: 76,
    winograd_filter_chunk: 1550,
    winograd_piece: 10_500,
    winograd_input: 650,
    winograd_output: 1360,
    winograd_tile: 800,
    ..ARM_DSP
};

const RV32IM: Costs = Costs {
    input: 18,
    dense: 20,
    dense_output: 180,
    direct: 21,
    direct_row: 170,
    im2col: 44,
    im2col_output: 91,
    im2col_pixels: 188,
    row_pair: 78,
    row_filter: 50,
    winograd_products: 99,
    winograd_filter: 75,
    winograd_filter_chunk: 840,
    winograd_piece: 5870,
    winograd_input: 465,
    winograd_output: 1355,
    winograd_tile: 700,
    ..ARM_DSP
};

/// Its other inner loops are those of the DSP extension.
const HELIUM: Costs =
    Costs { dense: 1, patch_block: 14, patch_pair: 38, patch_rows: 205, patch: 180, patch_line: 1650, ..ARM_DSP };
