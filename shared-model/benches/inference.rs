//! What a program that uses this crate waits for: `cargo bench -p shared-model --bench inference`

use std::hint::black_box;

use divan::Bencher;
use divan::counter::ItemsCount;
use shared_model::resize::{Rgb565BigEndian, resize};
use shared_model::{Aligned, Interpreter, Model};

static BLOB: &Aligned<[u8]> = &Aligned(*include_bytes!("../../data/models/vgg3-full.blob"));

fn main() {
    divan::main();
}

/// Validates the blob.
#[divan::bench]
fn load() -> Model<'static> {
    Model::load(black_box(&BLOB.0)).expect("the blob is valid")
}

/// Classifies a picture on one thread and on every core, each with an interpreter of its own: with the least arena that the
/// model needs, and with the one for the fastest plan here.
#[divan::bench(args = [load().arena_len(), load().fast_arena_len()], threads = [1, 0])]
fn classify(bencher: Bencher, arena_len: usize) {
    let model = load();
    let picture: Vec<u8> = model.known_pixels().collect();
    bencher.counter(ItemsCount::new(1_u32)).with_inputs(|| vec![0; arena_len]).bench_refs(|arena| {
        let mut interpreter = Interpreter::new(&model, arena).expect("the arena is as asked for");
        interpreter.classify(black_box(&picture))
    });
}

/// Crops and resizes a camera's frame of 320×240 pixels.
#[divan::bench]
fn resize_frame(bencher: Bencher) {
    const WIDTH: u16 = 320;
    const HEIGHT: u16 = 240;
    let frame = vec![0x5A; 2 * usize::from(WIDTH) * usize::from(HEIGHT)];
    let shape = load().input_shape();
    bencher.bench(|| {
        let mut picture = vec![0; shape.elements()];
        resize::<Rgb565BigEndian>(black_box(&frame), WIDTH, HEIGHT, shape, &mut picture)
            .expect("the frame has the length that its size asks for");
        picture
    });
}
