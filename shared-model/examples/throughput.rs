//! Times the forward pass of a blob on one thread, layer by layer:
//! `cargo run -p shared-model --features encode --example throughput -- data/models/vgg3-full.blob`

use shared_model::{AlignedBytes, Hook, Interpreter, Model};
use std::{
    env, fs, println,
    time::{Duration, Instant},
};

const IMAGES: u32 = 200;

struct Stopwatch {
    entered: Instant,
    layers: [Duration; 16],
}

impl Hook for Stopwatch {
    fn enter(&mut self, _: usize) {
        self.entered = Instant::now();
    }

    fn leave(&mut self, layer: usize, _: &[i8]) {
        self.layers[layer] += self.entered.elapsed();
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = env::args().nth(1).ok_or("name a blob")?;
    let blob = AlignedBytes::from(fs::read(path)?.as_slice());
    let start = Instant::now();
    let model = Model::load(&blob)?;
    println!(
        "load: {:.2} ms, arena: {} bytes",
        milliseconds(start.elapsed()),
        model.arena_len()
    );

    let mut arena = vec![0; model.arena_len()];
    let mut interpreter = Interpreter::new(&model, &mut arena)?;
    let image = model.known_answer_image();
    let start = Instant::now();
    for _ in 0..IMAGES {
        std::hint::black_box(interpreter.classify(std::hint::black_box(image)));
    }
    println!("image: {:.3} ms", milliseconds(start.elapsed() / IMAGES));

    let mut stopwatch = Stopwatch {
        entered: start,
        layers: [Duration::ZERO; 16],
    };
    for _ in 0..IMAGES {
        interpreter.classify_with(image, &mut stopwatch);
    }
    for (index, (view, time)) in model.layers().iter().zip(stopwatch.layers).enumerate() {
        let macs = view.layer.kind.multiply_accumulates();
        let time = time / IMAGES;
        let rate = macs as f64 / time.as_nanos() as f64;
        println!(
            "layer {index}: {:.3} ms, {rate:.1} MAC/ns, {:?}",
            milliseconds(time),
            view.layer.kind
        );
    }
    Ok(())
}

fn milliseconds(duration: Duration) -> f64 {
    1e3 * duration.as_secs_f64()
}
