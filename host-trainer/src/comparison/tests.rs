//! Tables of runs that are there, that are missing, and that are of another recipe.

use std::fs;

use tempfile::TempDir;

use super::*;
use crate::report::model::tests::sample;
use crate::run::Run;

/// The runs and recipes of a plan's rows, without the models that are not trained.
fn runs(plan: &Plan) -> Vec<(&str, Recipe)> {
    let runs = plan.entries.iter().filter_map(|entry| match &entry.source {
        Source::Run { run, recipe, .. } => Some((run.as_str(), (**recipe).clone())),
        Source::Model { .. } => None,
    });
    runs.collect()
}

/// A folder with the runs `names` of `plan`, as reports only.
fn with_runs(plan: &Plan, names: &[&str]) -> TempDir {
    let folder = TempDir::new().unwrap();
    for (run, recipe) in runs(plan) {
        if names.contains(&run) {
            let text = serde_json::to_vec(&sample(run, recipe)).unwrap();
            let files = Run::at(folder.path().join(run)).model_files();
            files::write(&files.report(), &text).unwrap();
        }
    }
    folder
}

/// The table of the runs under `runs`, and of what is kept in `folder`.
fn table(plan: &Plan, runs: &TempDir, folder: &TempDir) -> Result<Table, ComparisonError> {
    let records = Records::of(plan, folder.path())?;
    plan.table(runs.path(), &records, "compare")
}

fn compressed() -> Plan {
    tutorial(Path::new("/no/such/model.blob"), Recipe::compressed)
}

#[test]
fn a_missing_run_is_a_row_that_says_so() {
    let plan = compressed();
    let runs = with_runs(&plan, &["vgg1", "vgg3-augment"]);
    let folder = TempDir::new().unwrap();
    let table = table(&plan, &runs, &folder).unwrap();
    let [markdown, json, png, svg] = &table.write(folder.path(), plan.name).unwrap()[..] else {
        panic!("four files");
    };

    let read: Table = serde_json::from_slice(&fs::read(json).unwrap()).unwrap();
    assert_eq!(read, table);
    let measured = table.rows.iter().filter(|row| row.measured.is_some());
    let names: Vec<&str> = measured.map(|row| row.name.as_str()).collect();
    assert_eq!(names, ["vgg1", "vgg3-augment"]);

    let text = fs::read_to_string(markdown).unwrap();
    for (part, count) in [
        ("| missing | missing | – | – | – | – | – |\n", 8),
        ("| 80.00 | 67.07 (100 epochs) | 84.00 | 83.33 | 4000 | 2 | 3.0 | 550570 | 562896 |\n", 1),
        // 83.33 % is above what the tutorial has for vgg1 and below what it has for vgg3-augment.
        ("1 of 9 rows in float, 1 in int8", 1),
        ("compare --only vgg2   # vgg2\n", 1),
        ("![Chart](tutorial.svg)", 1),
    ] {
        assert_eq!(text.matches(part).count(), count, "{part}\n{text}");
    }

    let chart = fs::read_to_string(svg).unwrap();
    for text in ["71.08", "84.00", "83.33", "ours: missing", "vgg3-increasing-dropout"] {
        assert!(chart.contains(text), "{text}");
    }
    assert!(image::open(png).is_ok());
}

#[test]
fn a_table_without_the_tutorial_has_no_column_of_it() {
    let plan = extensions(Path::new("runs"));
    let text = table(&plan, &with_runs(&plan, &["base"]), &TempDir::new().unwrap());
    let text = text.unwrap().markdown("t");
    let row = "training images' mean of the channel | – | missing | missing | – |";
    assert!(text.contains("| validation, % | float, % |") && text.contains(row), "{text}");
    assert_eq!(text.matches("| 80.00 | 84.00 | 83.33 | 4000 |").count(), 3, "{text}");
    assert!(!text.contains("At or above"), "{text}");
}

#[test]
fn a_run_of_another_recipe_is_refused() {
    let runs = with_runs(&compressed(), &["vgg1"]);
    let original = tutorial(Path::new("none"), |recipe| recipe);
    let error = table(&original, &runs, &TempDir::new().unwrap()).unwrap_err();
    assert!(matches!(error, ComparisonError::OtherRecipe { .. }), "{error}");
}

#[test]
fn a_row_outlives_its_run_but_not_its_recipe() {
    let plan = compressed();
    let [output, nothing] = [TempDir::new().unwrap(), TempDir::new().unwrap()];
    let made = table(&plan, &with_runs(&plan, &["vgg1", "vgg2"]), &output).unwrap();
    made.write(output.path(), plan.name).unwrap();
    let keep = |run: &str, recipe: &Recipe| {
        let records = Records::of(&plan, output.path()).unwrap();
        let text = serde_json::to_vec(recipe).unwrap();
        files::write(&records.run(run).recipe_file(), &text).unwrap();
    };
    for (run, recipe) in runs(&plan) {
        keep(run, &recipe);
    }
    assert_eq!(table(&plan, &nothing, &output).unwrap(), made);

    keep("vgg2", &Recipe::preset("vgg2").unwrap());
    let again = table(&plan, &nothing, &output).unwrap();
    assert_eq!(again.rows[0], made.rows[0]);
    assert_eq!(again.rows[1].measured, None);
}

#[test]
fn compressed_recipes_keep_the_regularization_and_save_epochs() {
    for (run, recipe) in runs(&compressed()) {
        let original = Recipe::preset(run).unwrap();
        assert!(recipe.epochs * 2 <= original.epochs, "{run}");
        let restored = Recipe {
            epochs: original.epochs,
            optimizer: original.optimizer,
            learning_rate: original.learning_rate,
            schedule: original.schedule,
            all_images: original.all_images,
            ..recipe
        };
        assert_eq!(restored, original);
    }
}

#[test]
fn extensions_differ_from_the_base_and_transfer_comes_after_its_source() {
    let plan = extensions(Path::new("runs"));
    let runs = runs(&plan);
    for (index, (name, recipe)) in runs.iter().enumerate() {
        recipe.check().unwrap();
        let mut before = runs[..index].iter();
        if let Some(source) = &recipe.transfer {
            assert!(before.clone().any(|(name, _)| source.ends_with(name)), "{name}");
        }
        assert!(before.all(|(other, same)| (name == other) == (recipe == same)), "{name}");
    }
}
