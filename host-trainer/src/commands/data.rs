//! `data`: fetch, check and look at the data set.

use std::path::PathBuf;

use clap::Args;
use host_trainer::dataset::{self, Dataset};
use host_trainer::files;
use host_trainer::recipe::Recipe;
use host_trainer::report;
use host_trainer::say;

use super::CommandResult;

/// What to do with the data set.
#[derive(clap::Subcommand)]
pub enum Command {
    /// Download and verify CIFAR-10 (170 MB); does nothing where it is complete.
    Fetch(Directory),
    /// Print shapes and the images a class.
    Summary(Directory),
    /// Save the first nine training images, enlarged and labelled, as one picture.
    Preview {
        #[command(flatten)]
        data: Directory,
        /// The picture to write.
        #[arg(long, default_value_os_t = files::in_repository("runs/preview.png"))]
        output: PathBuf,
    },
    /// Write the sample pictures of `data/samples` from the test set.
    Samples {
        #[command(flatten)]
        data: Directory,
        /// The folder to write to.
        #[arg(long, default_value_os_t = files::in_repository("data/samples"))]
        output: PathBuf,
    },
}

/// Where the data set lies.
#[derive(Args)]
pub struct Directory {
    /// Folder of the data set.
    #[arg(long, default_value_os_t = dataset::default_directory())]
    data: PathBuf,
}

impl Directory {
    /// Loads the data set, after fetching what is missing.
    pub fn load(&self) -> Result<Dataset, dataset::DatasetError> {
        Dataset::cifar10(&self.data)
    }
}

/// Runs `data`.
pub fn run(command: Command) -> CommandResult {
    match command {
        Command::Fetch(directory) => {
            let origin = dataset::fetch(&directory.data)?;
            let folder = directory.data.display();
            say!("CIFAR-10 in {folder}: {origin}; every file has the published SHA-256.");
        }
        Command::Summary(directory) => {
            let recipe = Recipe::preset("vgg3-best").expect("it is in the list of presets");
            say!("{}", recipe.prepare(&directory.load()?)?.summary());
        }
        Command::Preview { data, output } => {
            if output.extension().is_none_or(|extension| extension != "png") {
                return Err(format!("{} is no name for a picture: let it end with .png", output.display()).into());
            }
            report::preview(&data.load()?, &output)?;
            say!("wrote {}", output.display());
        }
        Command::Samples { data, output } => {
            dataset::write_samples(&data.load()?.test, &output)?;
            say!("wrote the samples to {}", output.display());
        }
    }
    Ok(())
}
