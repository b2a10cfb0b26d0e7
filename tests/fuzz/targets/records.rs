//! People edit recipes, and files of other versions lie about: what is read can be used, and is written as it was read.
#![no_main]

use std::fmt::Debug;
use std::sync::LazyLock;

use host_trainer::comparison::Table;
use host_trainer::dataset::{DataRecord, Dataset, Description, LabelledImages};
use host_trainer::family::Rung;
use host_trainer::history::History;
use host_trainer::recipe::Recipe;
use host_trainer::report::model::ModelReport;
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use serde::Serialize;
use serde::de::DeserializeOwned;
use shared_model::Shape;

#[derive(Arbitrary, Debug)]
enum Kind {
    Recipe,
    Report,
    History,
    Description,
    DataRecord,
    Table,
    Rung,
}

static DATASET: LazyLock<Dataset> = LazyLock::new(|| {
    let images = |count: u8| LabelledImages {
        images: (0..count).map(|value| vec![value; 16 * 16].into()).collect(),
        labels: (0..count).map(|index| index % 3).collect(),
    };
    let labels = ["ant", "bee", "wasp"].map(str::to_owned).to_vec();
    Dataset::new("insects", Shape::new(16, 16, 1), labels, images(60), images(9))
});

/// Reads, and sees that what is written then reads as the same.
fn read<T: Serialize + DeserializeOwned + PartialEq + Debug>(bytes: &[u8]) -> Option<T> {
    let value: T = serde_json::from_slice(bytes).ok()?;
    let text = serde_json::to_string(&value).expect("it can be written");
    let again: T = serde_json::from_str(&text).expect("and read again");
    assert_eq!(again, value);
    Some(value)
}

/// Whether labels are two or more, and each another.
fn are_classes(description: &Description) -> bool {
    let labels = &description.labels;
    labels.len() >= 2 && (1..labels.len()).all(|index| !labels[..index].contains(&labels[index]))
}

fn use_recipe(recipe: &Recipe) {
    if let Err(reason) = recipe.check() {
        return assert!(!reason.is_empty());
    }
    match recipe.prepare(&DATASET) {
        Ok(prepared) => {
            let shape = prepared.description.shape();
            assert!(recipe.multiplications(shape, prepared.description.labels.len()) > 0);
            let peak = [0, 1, 9].map(|step| recipe.schedule.relative_rate(step, 10));
            assert!(peak.iter().all(|rate| (0.0..=1.0 + 1e-9).contains(rate)), "{peak:?}");
        }
        Err(reason) => assert!(!reason.is_empty()),
    }
}

fuzz_target!(|input: (Kind, &[u8])| {
    let (kind, bytes) = input;
    match kind {
        Kind::Recipe => {
            if let Some(recipe) = read(bytes) {
                use_recipe(&recipe);
            }
        }
        Kind::Report => {
            read::<ModelReport>(bytes);
        }
        Kind::History => {
            if let Some(history) = read::<History>(bytes) {
                assert_eq!(history.best().is_some(), !history.epochs.is_empty());
            }
        }
        Kind::Description => {
            if let Some(description) = read::<Description>(bytes) {
                let same = description.of_classes(Some(&description.labels));
                assert!(same.is_ok_and(|same| same.labels == description.labels) || !are_classes(&description));
            }
        }
        Kind::DataRecord => {
            if let Some(record) = read::<DataRecord>(bytes) {
                assert_eq!(record.differences(&record), [""; 0]);
                assert!(record.findings.iter().flat_map(|findings| findings.lines()).all(|line| !line.is_empty()));
            }
        }
        Kind::Table => {
            read::<Table>(bytes);
        }
        Kind::Rung => {
            read::<Rung>(bytes);
        }
    }
});
