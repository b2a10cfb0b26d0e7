//! `compare`: many runs in one table.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use host_trainer::comparison::{self, Entry, Plan, Records, Source, Table};
use host_trainer::dataset::Dataset;
use host_trainer::family;
use host_trainer::recipe::Recipe;
use host_trainer::run::Run;
use host_trainer::say;
use host_trainer::training::{self, Start};
use host_trainer::{device, files};

use super::CommandResult;
use super::data::Directory;
use super::quantize::{Options, quantize_run};
use super::train::{Place, draw_curves, summary};

/// Flags of `compare`.
#[derive(Args)]
pub struct Arguments {
    /// Which table.
    #[arg(long, value_enum, default_value_t)]
    table: TableName,
    /// How the tutorial's networks are trained.
    #[arg(long, value_enum, default_value_t)]
    schedule: ScheduleChoice,
    /// Train these rows only, even if the table has them; it still shows the others.
    #[arg(long, value_delimiter = ',', value_name = "ROW[,ROW…]")]
    only: Vec<String>,
    /// Train nothing: put the table together from the runs that are there, and from the table itself for the others.
    #[arg(long, conflicts_with = "only")]
    collect: bool,
    /// Try the whole way out: one epoch on the first N images of each row, in a folder of its own.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(64..))]
    rehearse: Option<u16>,
    /// Folder of the table, the chart, and each run's history and curves [default: data/comparison, of the family data/family, and
    /// when rehearsing the folder of the rehearsal].
    #[arg(long)]
    output: Option<PathBuf>,
    /// The model of the tutorial table's last row.
    #[arg(long, default_value_os_t = files::in_repository("data/models/vgg3-full.blob"))]
    best: PathBuf,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    data: Directory,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum TableName {
    /// The tutorial's nine networks and our model.
    #[default]
    Tutorial,
    /// What the tutorial's author proposes to try next.
    Extensions,
    /// Networks from small to large, which `fit` knows the accuracy of.
    Family,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum ScheduleChoice {
    /// A one-cycle learning rate and few epochs.
    #[default]
    Compressed,
    /// The tutorial's constant rate and its 100 to 400 epochs.
    Tutorial,
}

/// Runs `compare`.
pub fn run(arguments: Arguments) -> CommandResult {
    let runs = arguments.runs();
    let plan = arguments.plan(&runs);
    let output = arguments.output(&runs);
    let records = Records::of(&plan, &output)?;
    if !arguments.collect {
        let entries = chosen(&plan, &arguments.only)?;
        make(&entries, &runs, &records, &arguments)?;
    }
    let table = plan.table(&runs, &records, &arguments.command())?;
    let rows = plan.entries.iter().zip(&table.rows);
    let mut runs_rows = rows.filter(|(entry, _)| matches!(entry.source, Source::Run { .. }));
    if arguments.collect && runs_rows.all(|(_, row)| row.measured.is_none()) {
        let (runs, output) = (runs.display(), output.display());
        return Err(
            format!("there is nothing to collect: no run of this table in {runs}, and no table in {output}").into()
        );
    }
    keep(&plan, &runs, &records)?;
    say!("{}", table.markdown(plan.name));
    for file in table.write(&output, plan.name)? {
        say!("wrote {}", file.display());
    }
    if arguments.table == TableName::Family {
        keep_smallest_blobs(&plan, &table, &runs, &output)?;
        for file in family::write_ladder(&table, &output)? {
            say!("wrote {}", file.display());
        }
    }
    let missing = table.rows.iter().filter(|row| row.measured.is_none());
    let names: Vec<&str> = missing.map(|row| row.name.as_str()).collect();
    if !names.is_empty() {
        say!("missing: {0}; next: {1} --only {0}", names.join(","), arguments.command());
    }
    Ok(())
}

impl Arguments {
    /// The folder of this table's runs.
    fn runs(&self) -> PathBuf {
        let folder = match (self.table, self.schedule) {
            (TableName::Tutorial, ScheduleChoice::Compressed) => "compare",
            (TableName::Tutorial, ScheduleChoice::Tutorial) => "compare-tutorial-schedule",
            (TableName::Extensions, _) => "extensions",
            (TableName::Family, _) => "family",
        };
        match self.rehearse {
            None => self.place.runs.join(folder),
            Some(images) => self.place.runs.join(format!("{folder}-rehearsal-{images}")),
        }
    }

    /// The folder of the table.
    fn output(&self, runs: &Path) -> PathBuf {
        match (&self.output, self.rehearse) {
            (Some(folder), _) => folder.clone(),
            (None, None) => files::in_repository(match self.table {
                TableName::Tutorial | TableName::Extensions => "data/comparison",
                TableName::Family => family::FOLDER,
            }),
            (None, Some(_)) => runs.join("table"),
        }
    }

    fn plan(&self, runs: &Path) -> Plan {
        let mut plan = match (self.table, self.schedule) {
            (TableName::Tutorial, ScheduleChoice::Compressed) => comparison::tutorial(&self.best, Recipe::compressed),
            (TableName::Tutorial, ScheduleChoice::Tutorial) => comparison::tutorial(&self.best, |recipe| recipe),
            (TableName::Extensions, _) => comparison::extensions(runs),
            (TableName::Family, _) => comparison::family(&self.best),
        };
        if let Some(images) = self.rehearse {
            for entry in &mut plan.entries {
                if let Source::Run { recipe, .. } = &mut entry.source {
                    recipe.image_limit = Some(images.into());
                    recipe.epochs = 1;
                }
            }
        }
        plan
    }

    /// The command that was given, without the flags that choose rows or folders.
    fn command(&self) -> String {
        let mut command = "cargo run -p host-trainer -- compare".to_owned();
        command += match self.table {
            TableName::Tutorial => "",
            TableName::Extensions => " --table extensions",
            TableName::Family => " --table family",
        };
        if self.schedule == ScheduleChoice::Tutorial {
            command += " --schedule tutorial";
        }
        if let Some(images) = self.rehearse {
            command += &format!(" --rehearse {images}");
        }
        command
    }
}

/// The rows named in `only`, all if it is empty.
fn chosen<'a>(plan: &'a Plan, only: &[String]) -> Result<Vec<&'a Entry>, String> {
    let names = || plan.entries.iter().map(|entry| entry.name.as_str());
    if let Some(unknown) = only.iter().find(|name| !names().any(|row| row == **name)) {
        let rows: Vec<&str> = names().collect();
        return Err(format!("there is no row {unknown}: the rows are {}", rows.join(", ")));
    }
    let entries = plan.entries.iter();
    Ok(entries.filter(|entry| only.is_empty() || only.contains(&entry.name)).collect())
}

/// Trains and quantizes what is not there yet, one run after the other.
fn make(entries: &[&Entry], runs: &Path, records: &Records, arguments: &Arguments) -> CommandResult {
    let selected = device::select(arguments.place.device)?;
    say!("{}", selected.explanation);
    let data = arguments.data.cifar10()?;
    for entry in entries {
        let Source::Run { run, recipe, input } = &entry.source else {
            continue;
        };
        if entry.report(runs)?.is_some() {
            say!("{}: there already", entry.name);
            continue;
        }
        if arguments.only.is_empty() && records.measured(entry)?.is_some() {
            say!("{0}: in the table already; `--only {0}` trains it again", entry.name);
            continue;
        }
        say!("{}: {}", entry.name, entry.about);
        let data = data.clone().with_input(*input);
        let run = Run::at(runs.join(run));
        train(recipe, &run, &data, &selected.device, arguments)?;
        let report = quantize_run(&run, &entry.files(runs), &data, Options::default(), &selected.device)?;
        say!(
            "{}: float {:.2} %, int8 {:.2} % on {} test images",
            entry.name,
            report.evaluation.float_top1,
            report.evaluation.int8_top1,
            report.evaluation.images
        );
    }
    Ok(())
}

/// Trains a run, or continues it.
fn train(
    recipe: &Recipe,
    run: &Run,
    data: &Dataset,
    device: &burn::tensor::Device,
    arguments: &Arguments,
) -> CommandResult {
    let progress = &mut arguments.place.progress();
    let trained = training::train(recipe, &recipe.prepare(data)?, run, Start::Continue, device, progress)?;
    draw_curves(&trained, run)?;
    say!("{}", summary(&trained));
    Ok(())
}

/// Copies what is worth keeping of each run: its recipe, history and curves, not its weights.
fn keep(plan: &Plan, runs: &Path, records: &Records) -> CommandResult {
    for entry in &plan.entries {
        let Source::Run { run, .. } = &entry.source else {
            continue;
        };
        let (from, to) = (Run::at(runs.join(run)), records.run(run));
        if entry.report(runs)?.is_none() {
            continue;
        }
        for (from, to) in [
            (from.recipe_file(), to.recipe_file()),
            (from.history_file(), to.history_file()),
            (from.curves_file("svg"), to.curves_file("svg")),
        ] {
            files::write(&to, &files::read(&from)?)?;
        }
    }
    Ok(())
}

/// Copies the blobs of the two smallest networks that the table has: they are a few kilobytes, and fit any board. One whose run is gone has been
/// copied before.
fn keep_smallest_blobs(plan: &Plan, table: &Table, runs: &Path, output: &Path) -> CommandResult {
    let rows = plan.entries.iter().zip(&table.rows);
    let trained = rows.filter(|(entry, row)| matches!(entry.source, Source::Run { .. }) && row.measured.is_some());
    for (entry, _) in trained.take(2) {
        if entry.report(runs)?.is_some() {
            let blob = output.join(&entry.name).with_added_extension("blob");
            files::write(&blob, &files::read(&entry.files(runs).blob)?)?;
        }
    }
    Ok(())
}
