//! What is kept of a comparison's runs beside its table, so that a row outlives its run's folder.

use std::path::{Path, PathBuf};

use super::{Entry, Measured, Plan, Source, Table};
use crate::files::{self, FileError};
use crate::recipe::Recipe;
use crate::run::Run;

/// The table that lies in a folder, and the recipes of its rows.
pub struct Records {
    table: Option<Table>,
    runs: PathBuf,
}

impl Records {
    /// Those of `plan`'s table in `folder`, which may not be there yet.
    pub fn of(plan: &Plan, folder: &Path) -> Result<Self, FileError> {
        Ok(Self {
            table: files::read_json_if_present(&folder.join(plan.name).with_added_extension("json"))?,
            runs: folder.join("runs").join(plan.name),
        })
    }

    /// What is kept of a run.
    pub fn run(&self, run: &str) -> Run {
        Run::at(self.runs.join(run))
    }

    /// The figures that the table has for a row; `None` if there are none, or if they are of another recipe than the
    /// row's.
    pub fn measured(&self, entry: &Entry) -> Result<Option<Measured>, FileError> {
        let Source::Run { run, recipe } = &entry.source else {
            return Ok(None);
        };
        let kept: Option<Recipe> = files::read_json_if_present(&self.run(run).recipe_file())?;
        let rows = self.table.iter().flat_map(|table| &table.rows);
        Ok(rows
            .filter(|row| row.name == entry.name && kept.as_ref() == Some(recipe))
            .find_map(|row| row.measured))
    }
}
