//! Times every step of an inference: `cargo bench -p shared-model --bench steps`
//!
//! On one thread and in the arena in which the trainer evaluates.
//! Steps take turns within an inference, so a hook holds the watch; frameworks of benchmarks only time whole calls.

use std::hint::black_box;
use std::time::{Duration, Instant};

use shared_model::graph::MAX_OPERATIONS;
use shared_model::{Aligned, Hook, Interpreter, Model};

static BLOB: &Aligned<[u8]> = &Aligned(*include_bytes!("../../data/models/vgg3-full.blob"));

/// Inferences.
const SAMPLES: usize = 300;

/// The time of each step in one inference.
struct Stopwatch {
    entered: Instant,
    steps: [Duration; MAX_OPERATIONS],
}

impl Hook for Stopwatch {
    fn enter(&mut self, _: usize) {
        self.entered = Instant::now();
    }

    fn leave(&mut self, step: usize, _: &[i8]) {
        self.steps[step] += self.entered.elapsed();
    }
}

fn main() {
    let model = Model::load(&BLOB.0).expect("the blob is valid");
    let mut arena = vec![0; model.fast_arena_len()];
    let mut interpreter = Interpreter::new(&model, &mut arena).expect("the arena is as asked for");
    let picture: Vec<u8> = model.known_pixels().collect();
    let samples: Vec<_> = (0..SAMPLES)
        .map(|_| {
            let mut stopwatch = Stopwatch { entered: Instant::now(), steps: Default::default() };
            interpreter
                .classify_with(black_box(&picture), &mut stopwatch)
                .expect("the picture has the network's shape");
            stopwatch.steps
        })
        .collect();
    println!("{:>6}{:>12}{:>12}{:>9}", "", "fastest", "median", "MAC/ns");
    for (index, step) in model.steps().iter().enumerate() {
        let mut times: Vec<_> = samples.iter().map(|steps| steps[index]).collect();
        times.sort_unstable();
        let (fastest, median) = (times[0], times[SAMPLES / 2]);
        println!(
            "step {index}{:>9.1} µs{:>9.1} µs{:>9.1}  {step:?}",
            1e6 * fastest.as_secs_f64(),
            1e6 * median.as_secs_f64(),
            step.multiply_accumulates() as f64 / median.as_nanos() as f64,
        );
    }
}
