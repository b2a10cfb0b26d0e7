//! What a kernel needs: memory exactly, and instructions about.
//!
//! The factors were counted in QEMU on a Cortex-M4; only their order of magnitude matters, since they compare plans.

use super::{Kernel, Processor};
use crate::{
    LayerView,
    kernels::{direct, patches, strips, winograd},
};

/// Rows of output, before a pool, that one step computes.
pub(super) fn step_rows(view: &LayerView, kernel: Kernel) -> usize {
    match kernel {
        Kernel::Winograd { .. } => winograd::TILE,
        _ => direct::step_rows(view),
    }
}

/// Rows of output, after the pool, that one step computes.
pub(super) fn output_rows(view: &LayerView, kernel: Kernel) -> usize {
    let [rows, ..] = view.layer.kind.output_shape();
    let pool = view.input_shape[0] / rows.max(1);
    (step_rows(view, kernel) / usize::from(pool.max(1))).max(1)
}

/// Words of filters that are kept.
pub(crate) fn filters(view: &LayerView, kernel: Kernel) -> usize {
    match kernel {
        Kernel::Patches => patches::filters_len(view).div_ceil(4),
        _ => 0,
    }
}

/// Words of scratch memory, and how many of them Winograd's products need.
pub(crate) fn scratch(view: &LayerView, kernel: Kernel) -> (usize, usize) {
    let [_, _, channels] = view.input_shape.map(usize::from);
    match kernel {
        Kernel::Dense => (0, 0),
        Kernel::Direct => (direct::lines_len(view).div_ceil(4), 0),
        Kernel::Patches => (
            direct::lines_len(view).div_ceil(4) + patches::scratch_len(view).div_ceil(4),
            0,
        ),
        Kernel::Strips { windows } => (strips::scratch_len(view, windows).div_ceil(4), 0),
        Kernel::Winograd { tiles } => (
            winograd::tiles_len(channels, tiles) / 4,
            winograd::products_len(tiles) / 4,
        ),
    }
}

/// How often each weight is fetched in an inference; `is_whole` says that a step takes all rows.
pub(super) fn weight_fetches(view: &LayerView, kernel: Kernel, is_whole: bool) -> usize {
    let [height, width, _] = view.input_shape.map(usize::from);
    match kernel {
        Kernel::Dense | Kernel::Patches => 1,
        Kernel::Direct => height * width.div_ceil(4),
        Kernel::Strips { windows } => {
            height / step_rows(view, kernel) * strips::windows_across(view).div_ceil(windows)
        }
        Kernel::Winograd { tiles } => {
            let (rows, columns) = winograd::grid(view);
            if is_whole {
                (rows * columns).div_ceil(tiles)
            } else {
                rows * columns.div_ceil(tiles)
            }
        }
    }
}

/// Instructions of an inference.
pub(super) fn instructions(
    view: &LayerView,
    kernel: Kernel,
    is_whole: bool,
    processor: Processor,
) -> u64 {
    match processor {
        Processor::Dsp => with_dsp(view, kernel, is_whole),
        Processor::Portable => portable(view, kernel),
    }
}

/// Compilers vectorize the plain loops best.
fn portable(view: &LayerView, kernel: Kernel) -> u64 {
    let macs = view.layer.kind.multiply_accumulates();
    match kernel {
        Kernel::Dense | Kernel::Patches => macs / 4,
        Kernel::Direct => macs / 3,
        Kernel::Winograd { .. } => macs,
        Kernel::Strips { .. } => 2 * macs,
    }
}

fn with_dsp(view: &LayerView, kernel: Kernel, is_whole: bool) -> u64 {
    let macs = view.layer.kind.multiply_accumulates();
    let [_, _, inputs] = view.input_shape.map(u64::from);
    let outputs = view.biases.len() as u64;
    match kernel {
        Kernel::Dense => 2 * macs,
        Kernel::Direct => 4 * macs,
        Kernel::Patches => 5 * macs / 4,
        Kernel::Strips { .. } => {
            let fetches = weight_fetches(view, kernel, is_whole) as u64;
            let windows = u64::from(view.input_shape[0]) * strips::windows_across(view) as u64;
            let per_row = inputs / 2 * 30 / 2 + 12;
            outputs * (fetches * (11 * inputs + 100) + windows * (3 * per_row + 80))
        }
        Kernel::Winograd { .. } => {
            let (rows, columns) = winograd::grid(view);
            let tiles = (rows * columns) as u64;
            let fetches = weight_fetches(view, kernel, is_whole) as u64;
            let products = tiles.next_multiple_of(4) * outputs.next_multiple_of(2) * inputs * 27;
            fetches * inputs * outputs * 62 + products + tiles * (inputs * 225 + outputs * 340)
        }
    }
}
