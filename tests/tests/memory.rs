//! What the interpreter does with its arena.

use shared_model::encode::encode;
use shared_model::{AlignedBytes, Interpreter, Model, Processor};
use tests::networks::{random_image, small};
use tests::recorder::record;
use tests::reference::{MODEL, test_images};

/// Bytes of the buffer before and behind the part that the interpreter may use.
const GUARD: usize = 4096;

fn small_blob() -> AlignedBytes {
    encode(&small()).unwrap()
}

/// For the leanest plan, for some between, and for the fastest one.
fn arena_lens(model: &Model) -> impl Iterator<Item = usize> + use<> {
    let least = model.arena_len();
    [0, 4096, 8192, 16_384, 28_672, 45_056]
        .into_iter()
        .map(move |more| least + more)
}

const PROCESSORS: [Processor; 2] = [Processor::Dsp, Processor::Portable];

#[test]
fn nothing_is_written_around_the_arena_or_behind_what_the_plan_claims() {
    let blob = small_blob();
    for model in [&Model::load(&blob).unwrap(), &MODEL] {
        for (len, processor) in arena_lens(model).flat_map(|len| PROCESSORS.map(|p| (len, p))) {
            for paint in [0x00, 0xA5] {
                assert_claim_holds(model, processor, len, paint);
            }
        }
    }
}

fn assert_claim_holds(model: &Model, processor: Processor, len: usize, paint: u8) {
    let mut buffer = vec![paint; GUARD + len + GUARD];
    let arena = &mut buffer[GUARD..GUARD + len];
    let mut interpreter = Interpreter::for_processor(model, processor, arena).unwrap();
    let claimed = interpreter.plan().arena_len();
    assert!(claimed <= len, "{claimed} of {len} bytes");
    for seed in 0..3 {
        interpreter.classify(&random_image(seed));
    }
    drop(interpreter);
    let is_untouched = |bytes: &[u8]| bytes.iter().all(|&byte| byte == paint);
    assert!(is_untouched(&buffer[..GUARD]));
    assert!(is_untouched(&buffer[GUARD + claimed..]));
    assert!(!is_untouched(&buffer[GUARD..GUARD + claimed]));
}

#[test]
fn what_was_in_the_arena_and_where_it_lies_does_not_matter() {
    let blob = small_blob();
    for model in [&Model::load(&blob).unwrap(), &MODEL] {
        let image = random_image(5);
        let needed = model.arena_len();
        let expected = {
            let mut arena = vec![0; needed];
            record(&mut Interpreter::new(model, &mut arena).unwrap(), &image)
        };
        for paint in [0x00, 0x01, 0x7F, 0x80, 0xFF] {
            for shift in [0, 1, 2, 3, 8] {
                let mut buffer = vec![paint; shift + needed];
                let arena = &mut buffer[shift..];
                let found = record(&mut Interpreter::new(model, arena).unwrap(), &image);
                assert!(found == expected, "paint {paint}, shift {shift}");
            }
        }
    }
}

#[test]
fn images_before_do_not_matter() {
    let images = test_images(4).images;
    let mut shared_arena = vec![0; MODEL.arena_len()];
    let mut interpreter = Interpreter::new(&MODEL, &mut shared_arena).unwrap();
    for image in images.iter().chain(images.iter().rev()) {
        let mut fresh_arena = vec![0; MODEL.arena_len()];
        let fresh = record(
            &mut Interpreter::new(&MODEL, &mut fresh_arena).unwrap(),
            image,
        );
        assert!(record(&mut interpreter, image) == fresh);
    }
}

#[test]
fn a_byte_too_few_is_refused_with_both_numbers() {
    let needed = MODEL.arena_len();
    for given in [0, 1, needed / 2, needed - 1] {
        let mut arena = vec![0; given];
        let error = Interpreter::new(&MODEL, &mut arena)
            .err()
            .expect("it is too small");
        assert_eq!((error.needed, error.given), (needed, given));
        let numbers = [needed.to_string(), given.to_string()];
        let text = error.to_string();
        assert!(numbers.iter().all(|number| text.contains(number)), "{text}");
    }
}

/// Streaming is what makes the network fit: layer by layer it would need 64 KiB for activations.
#[test]
fn committed_model_needs_at_most_20_kib() {
    let needed = MODEL.arena_len();
    assert!(needed <= 20 * 1024, "{needed} bytes");
}

#[test]
fn a_larger_arena_never_makes_a_slower_plan() {
    for processor in PROCESSORS {
        let plans = arena_lens(&MODEL).map(|len| MODEL.plan_for(processor, len).unwrap());
        let instructions: Vec<u64> = plans.map(|plan| plan.instructions()).collect();
        assert!(instructions.is_sorted_by(|a, b| a >= b), "{instructions:?}");
    }
}
