//! What is kept of a comparison's runs beside its table, so that a row outlives its run's folder.

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use super::{Entry, Measured, Plan, Source, Table};
use crate::recipe::Recipe;
use crate::report::model::{self, ModelFileError};
use crate::training::RECIPE_FILE;

/// The table that lies in a folder, and the recipes of its rows.
pub struct Records {
    table: Option<Table>,
    runs: PathBuf,
}

impl Records {
    /// Those of `plan`'s table in `folder`, which may not be there yet.
    pub fn of(plan: &Plan, folder: &Path) -> Result<Self, ModelFileError> {
        Ok(Self {
            table: load(&folder.join(plan.name).with_added_extension("json"))?,
            runs: folder.join("runs").join(plan.name),
        })
    }

    /// The folder of what is kept of a run.
    pub fn run(&self, run: &str) -> PathBuf {
        self.runs.join(run)
    }

    /// The figures that the table has for a row; `None` if there are none, or if they are of another recipe than the
    /// row's.
    pub fn measured(&self, entry: &Entry) -> Result<Option<Measured>, ModelFileError> {
        let Source::Run { run, recipe } = &entry.source else {
            return Ok(None);
        };
        let kept: Option<Recipe> = load(&self.run(run).join(RECIPE_FILE))?;
        let rows = self.table.iter().flat_map(|table| &table.rows);
        Ok(rows
            .filter(|row| row.name == entry.name && kept.as_ref() == Some(recipe))
            .find_map(|row| row.measured))
    }
}

/// The content of a file, if it is there.
fn load<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, ModelFileError> {
    path.exists().then(|| model::read_json(path)).transpose()
}
