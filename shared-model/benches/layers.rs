//! Times every layer of an inference: `cargo bench -p shared-model --bench layers`
//!
//! On one thread and in the least arena, as the trainer evaluates.
//! Layers take turns within an inference, so a hook holds the watch; frameworks of benchmarks only time whole calls.

use std::hint::black_box;
use std::time::{Duration, Instant};

use shared_model::graph::MAX_LAYERS;
use shared_model::{Aligned, Hook, Interpreter, Model};

static BLOB: &Aligned<[u8]> = &Aligned(*include_bytes!("../../data/models/vgg3-full.blob"));

/// Inferences.
const SAMPLES: usize = 300;

/// The time of each layer in one inference.
struct Stopwatch {
    entered: Instant,
    layers: [Duration; MAX_LAYERS],
}

impl Hook for Stopwatch {
    fn enter(&mut self, _: usize) {
        self.entered = Instant::now();
    }

    fn leave(&mut self, layer: usize, _: &[i8]) {
        self.layers[layer] += self.entered.elapsed();
    }
}

fn main() {
    let model = Model::load(&BLOB.0).expect("the blob is valid");
    let mut arena = vec![0; model.arena_len()];
    let mut interpreter = Interpreter::new(&model, &mut arena).expect("the arena is as asked for");
    let samples: Vec<_> = (0..SAMPLES)
        .map(|_| {
            let mut stopwatch = Stopwatch {
                entered: Instant::now(),
                layers: Default::default(),
            };
            interpreter.classify_with(black_box(model.known_answer_image()), &mut stopwatch);
            stopwatch.layers
        })
        .collect();
    println!(
        "{:>7}{:>12}{:>12}{:>9}  kind",
        "", "fastest", "median", "MAC/ns"
    );
    for (index, view) in model.layers().iter().enumerate() {
        let mut times: Vec<_> = samples.iter().map(|layers| layers[index]).collect();
        times.sort_unstable();
        let (fastest, median) = (times[0], times[SAMPLES / 2]);
        let macs = view.layer.kind.multiply_accumulates();
        println!(
            "layer {index}{:>9.1} µs{:>9.1} µs{:>9.1}  {:?}",
            1e6 * fastest.as_secs_f64(),
            1e6 * median.as_secs_f64(),
            macs as f64 / median.as_nanos() as f64,
            view.layer.kind
        );
    }
}
