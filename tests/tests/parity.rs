//! The committed model: integer against float, and what its report says.

use host_trainer::dataset::Image;
use host_trainer::evaluate::{classify_all, evaluate};
use host_trainer::operations::{logit_scale, summaries};
use shared_model::Interpreter;
use shared_model::resize::{Rgb888, resize};
use shared_model::testing::record;
use tests::reference::{FLOAT, MODEL, REPORT, TEST_SET, root, test_images};

/// Label of a deer.
const DEER: usize = 4;

/// The least signal to quantization noise ratio of each step's output on test images, in dB: measured with the
/// committed model (`cargo test -p tests --test parity sqnr -- --nocapture` prints it), less 3 dB.
const LEAST_SQNR_DB: [f64; 8] = [26.9, 28.1, 26.0, 25.9, 22.0, 19.9, 22.1, 23.3];

/// Each step's output as the float network and as the integer network have it, `[images][h, w, c]`, logits last.
fn outputs_of_both(images: &[Image]) -> (Vec<Vec<f32>>, Vec<Vec<f32>>) {
    let mut float = FLOAT.activations(images);
    float.push(FLOAT.logits(images).unwrap().concat());

    let mut arena = vec![0; MODEL.arena_len()];
    let mut interpreter = Interpreter::new(&MODEL, &mut arena).unwrap();
    let operations = summaries(&MODEL);
    let steps = MODEL.steps();
    let mut integer = vec![Vec::new(); steps.len()];
    for image in images {
        let (answer, recorder) = record(&mut interpreter, image);
        for (index, found) in recorder.steps.iter().enumerate() {
            let summary = &operations[steps[index].operation];
            let (scale, zero_point) = summary.scale.zip(summary.zero_point).expect("no pixels");
            let real = |&q: &i8| scale * (f32::from(q) - f32::from(zero_point));
            integer[index].extend(found.iter().map(real));
        }
        let logits = answer.logits.iter();
        integer[steps.len() - 1].extend(logits.map(|&logit| logit as f32 * logit_scale(&MODEL)));
    }
    (float, integer)
}

/// Signal to noise ratio in dB, Σ float² over Σ (float - integer)².
fn sqnr_db(float: &[f32], integer: &[f32]) -> f64 {
    assert_eq!(float.len(), integer.len());
    let pairs = || float.iter().zip(integer).map(|(&f, &i)| (f64::from(f), f64::from(i)));
    let signal: f64 = pairs().map(|(f, _)| f * f).sum();
    let noise: f64 = pairs().map(|(f, i)| (f - i) * (f - i)).sum();
    10.0 * (signal / noise).log10()
}

#[test]
fn sqnr_of_every_step() {
    let (float, integer) = outputs_of_both(&test_images(64).images);
    assert_eq!((float.len(), integer.len()), (LEAST_SQNR_DB.len(), LEAST_SQNR_DB.len()));
    let found: Vec<f64> = float.iter().zip(&integer).map(|(f, i)| sqnr_db(f, i)).collect();
    println!("SQNR in dB: {found:.1?}");
    for (step, (found, least)) in found.iter().zip(LEAST_SQNR_DB).enumerate() {
        assert!(*found >= least, "step {step}: {found:.1} dB, at least {least} are asked for");
    }
}

#[test]
fn integers_keep_classes_and_accuracy() {
    let images = test_images(1000);
    let found = evaluate(&FLOAT.logits(&images.images).unwrap(), &MODEL, &images);
    println!("float {} %, int8 {} %, agreement {} %", found.float_top1, found.int8_top1, found.agreement);
    assert_eq!(found.images, 1000);
    assert!(found.agreement >= 98.0, "agreement {} %", found.agreement);
    assert!(found.float_top1 - found.int8_top1 <= 1.0, "{} and {} %", found.float_top1, found.int8_top1);
}

#[test]
fn report_says_what_the_blob_says() {
    let graph = MODEL.graph();
    let report = &*REPORT;
    assert_eq!(report.evaluation.accuracy(), graph.accuracy);
    assert_eq!(graph.accuracy.images as usize, TEST_SET.len());
    assert_eq!(report.recipe.preset, graph.provenance.preset);
    assert_eq!(report.recipe.seed, graph.provenance.seed);
    assert_eq!(report.history.epochs.len(), usize::from(graph.provenance.epochs));
    let operations = report.quantization.operations.iter();
    assert!(operations.map(|operation| &operation.summary).eq(&summaries(&MODEL)));
    for (matrix, top1) in [
        (&report.evaluation.float_confusion, report.evaluation.float_top1),
        (&report.evaluation.int8_confusion, report.evaluation.int8_top1),
    ] {
        let correct: u32 = (0..matrix.len()).map(|class| matrix[class][class]).sum();
        assert!((f64::from(correct) / 100.0 - top1).abs() < 1e-9, "{correct} of 10,000, {top1} %");
        assert!(matrix.iter().all(|row| row.iter().sum::<u32>() == 1000));
    }
}

#[test]
fn the_sample_is_a_deer() {
    let picture = image::open(root().join("data/samples/deer.png")).unwrap().to_rgb8();
    let (width, height) = (picture.width() as u16, picture.height() as u16);
    let shape = MODEL.input_shape();
    let mut image = vec![0; shape.elements()];
    resize::<Rgb888>(picture.as_raw(), width, height, shape, &mut image).unwrap();
    assert_eq!(classify_all(&MODEL, &[image])[0].class, DEER);
}
