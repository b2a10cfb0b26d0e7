//! The card and the page hold what they promise, and nothing that a reader would have to load.

use std::collections::BTreeSet;
use std::fs;

use tempfile::TempDir;

use super::*;
use crate::boards::Speed;
use crate::dataset::Findings;
use crate::evaluate::{ConfidenceBin, Mistake, Prediction, Reliability, Temperature};
use crate::history::{Epoch, Validation};
use crate::operations::OperationSummary;
use crate::quantize::{OperationReport, Trial};

/// A report of a made-up model of three classes: it takes cats for dogs.
pub(crate) fn sample(name: &str, recipe: Recipe) -> ModelReport {
    let labels = ["cat", "dog", "ship"].map(str::to_owned).to_vec();
    let epoch = |epoch: usize, accuracy| Epoch {
        epoch,
        learning_rate: 0.1,
        train_loss: 1.0 / epoch as f64,
        train_accuracy: accuracy - 5.0,
        validation: Some(Validation { loss: 0.9, accuracy }),
        seconds: 90.0,
    };
    let reliability =
        Reliability { error: 4.25, bins: vec![ConfidenceBin { images: 300, confidence: 90.0, accuracy: 85.75 }] };
    let confusion = vec![vec![60, 40, 0], vec![10, 90, 0], vec![0, 0, 100]];
    ModelReport {
        name: name.to_owned(),
        blob: Identity { crc32: "0123abcd".to_owned(), labels: labels.clone() },
        dataset: Description { labels, ..Description::cifar10() },
        recipe,
        train_images: 4000,
        pictures: None,
        history: History { epochs: vec![epoch(1, 70.0), epoch(2, 80.0)] },
        temperature: Some(Temperature { value: 0.625, images: Some(500), error_before: 9.75 }),
        threshold: None,
        quantization: QuantizationReport {
            calibration_images: 512,
            choice_images: 512,
            tried: vec![Trial { clip: 1e-4, logits_sqnr_db: 30.0 }],
            logits_sqnr_db: 30.5,
            operations: vec![OperationReport {
                summary: OperationSummary {
                    operation: "convolution 3×3".to_owned(),
                    relu: true,
                    step: 0,
                    input_shape: [32, 32, 3],
                    output_shape: [32, 32, 32],
                    multiply_accumulates: 884_736,
                    bytes: 1376,
                    scale: Some(0.0625),
                    zero_point: Some(-67),
                },
                clip: Some(1e-4),
                sqnr_db: Some(33.1),
            }],
        },
        size: ModelSize {
            input_shape: [32, 32, 3],
            parameters: 550_570,
            multiply_accumulates: 38_896_896,
            blob_bytes: 562_896,
            arena_bytes: 20_210,
        },
        boards: Vec::new(),
        evaluation: Evaluation {
            images: 300,
            float_top1: 84.0,
            int8_top1: 83.33,
            agreement: 99.0,
            float_confusion: confusion.clone(),
            int8_confusion: confusion,
            float_reliability: reliability.clone(),
            int8_reliability: reliability,
            answers: None,
            rejection: None,
            mistakes: vec![Mistake {
                image: 1,
                label: 0,
                int8: Prediction { class: 1, probability: 0.987 },
                float: Prediction { class: 2, probability: 0.55 },
            }],
        },
    }
}

fn of_three_classes() -> ModelReport {
    sample("cats & dogs", Recipe::preset("vgg3-best").unwrap())
}

fn images() -> [Image; 2] {
    [7, 200].map(|value| [value; 3072].into())
}

fn files() -> ModelFiles {
    ModelFiles::of_blob("models/pets.blob")
}

#[test]
fn the_page_is_complete_and_loads_nothing() {
    let page = of_three_classes().page(&files(), &images());
    for part in [
        "cats &amp; dogs",
        "83.33 %",
        "Loss and accuracy",
        "Reliability diagram",
        "data:image/png;base64,",
        "98.7 %",
        "884\u{202f}736",
        "33.1 dB",
        "takes 40.0 % for dog",
        "4.2 points more than how often it is right",
        "before the logits were divided by 0.625, ",
        "it was 9.8 points in float",
        "train --recipe models/pets.json --name 'cats &amp; dogs'",
    ] {
        assert!(page.contains(part), "{part}");
    }
    for loading in ["<script", "<link", "src=\"http", "url(", "@import", "href="] {
        assert!(!page.contains(loading), "{loading}");
    }
    // Two confusion matrices of three classes.
    assert_eq!(page.matches("rgba(").count(), 18);
    assert_eq!(page.matches("<svg").count(), 2);
}

#[test]
fn the_card_names_figures_limits_and_the_command() {
    let card = of_three_classes().markdown(&files());
    for part in [
        "# cats & dogs",
        "| cat | 60.0 | 60.0 | 85.7 | 85.7 |",
        "It knows 3 classes: cat, dog, ship.",
        "| convolution 3×3, ReLU | 32×32×3 | 32×32×32 | 884736 | 1376 | 0.06250 | -67 | 0.01 | 33.1 |",
        "fitted on 500 validation images",
        "kept: epoch 2 with a validation accuracy of 80.00 %",
        "cargo run -p host-trainer -- train --recipe models/pets.json",
    ] {
        assert!(card.contains(part), "{part}\n{card}");
    }
    let mut odd = of_three_classes();
    odd.dataset.labels[0] = "a|b*c_d".to_owned();
    odd.name = "my pets".to_owned();
    let card = odd.markdown(&files());
    for part in
        [r"| a\|b\*c\_d | 60.0 |", "[my pets.html](my%20pets.html)", "(my%20pets.curves.svg)", "--name 'my pets'"]
    {
        assert!(card.contains(part), "{part}\n{card}");
    }
}

#[test]
fn own_pictures_and_boards_are_on_card_and_page() {
    let mut report = of_three_classes();
    let findings = Findings {
        broken: 12,
        broken_files: (0..10).map(|number| format!("cat/{number}.jpg: it is empty")).collect(),
        duplicates: 3,
        alike: 5,
        warnings: vec!["ship: <few>".to_owned()],
    };
    let counts = [vec![24, 700, 650], vec![5, 150, 140], vec![100, 100, 100]];
    report.pictures = Some(OwnPictures { counts, findings: Some(findings) });
    report.boards = vec![BoardNeeds {
        board: "Board".to_owned(),
        flash: 562_896,
        flash_room: 1_000_000,
        memory: 23_282,
        memory_room: 65_536,
        speed: Some(Speed { memory: 50_000, instructions: 15_000_000, milliseconds: [47.6, 54.0] }),
    }];
    let (card, page) = (report.markdown(&files()), report.page(&files(), &images()));
    for part in [
        "12 files passed over, no readable pictures: cat/0.jpg: it is empty; ",
        "cat/9.jpg: it is empty; and 2 more",
        "3 files not taken again",
        "5 pictures look like another one",
        "cat: 40 of 100 test pictures are taken for dog: take more pictures of both",
        "cat: only 24 pictures to train with, and half of the other classes have 700 or more",
    ] {
        assert!(card.contains(part), "{part}\n{card}");
        assert!(page.contains(part), "{part}");
    }
    for row in [
        "| cat | 24 | 5 | 100 | 60 of 100: 50 to 69 % |",
        "| Board | 562,896 of 1,000,000 | 23,282 of 65,536 | 50,000 | 48 to 54 ms |",
        "- warning: ship: \\<few\\>",
    ] {
        assert!(card.contains(row), "{row}\n{card}");
    }
    assert!(page.contains("<td class=\"number\">60 of 100: 50 to 69 %</td>") && page.contains("ship: &lt;few&gt;"));

    let saved: ModelReport = serde_json::from_value(serde_json::to_value(&report).unwrap()).unwrap();
    assert_eq!(saved, report);
    // Nothing of it is in a report of CIFAR-10 of an earlier version.
    let without = serde_json::to_string(&of_three_classes()).unwrap();
    assert!(!without.contains("pictures") && !without.contains("boards"), "{without}");
}

#[test]
fn a_saved_report_is_read_back_and_has_all_its_files() {
    let folder = TempDir::new().unwrap();
    let files = ModelFiles::of_blob(folder.path().join("model.blob"));
    let report = of_three_classes();

    report.save(&files, &images()).unwrap();

    assert_eq!(files::read_json::<ModelReport>(&files.report()).unwrap(), report);
    for extension in [
        "md",
        "html",
        "curves.png",
        "curves.svg",
        "confusion.png",
        "confusion.svg",
        "reliability.png",
        "reliability.svg",
        "mistakes.png",
    ] {
        let length = fs::metadata(files.picture(extension)).unwrap().len();
        assert!(length > 1000, "{extension}: {length} bytes");
    }
    let written: BTreeSet<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    let others = [files.blob.clone(), files.weights()];
    assert_eq!(written, files.all().filter(|file| !others.contains(file)).collect());
}
