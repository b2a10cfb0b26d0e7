//! The committed model and the real images that it is tested on.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use host_trainer::dataset::{self, Dataset, LabelledImages};
use host_trainer::device::{self, DeviceChoice};
use host_trainer::model_files::ModelFiles;
use host_trainer::network::{FloatModel, load_weights};
use host_trainer::report::model::ModelReport;
use shared_model::{AlignedBytes, Model};

/// The repository's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Paths of blob, float weights and report.
pub static FILES: LazyLock<ModelFiles> =
    LazyLock::new(|| ModelFiles::of_blob(root().join("data/models/vgg3-full.blob")));

/// The blob.
pub static BLOB: LazyLock<AlignedBytes> = LazyLock::new(|| FILES.read_blob().unwrap_or_else(|error| panic!("{error}")));

/// The model in the blob.
pub static MODEL: LazyLock<Model<'static>> =
    LazyLock::new(|| FILES.load(&BLOB).unwrap_or_else(|error| panic!("{error}")));

/// The report beside the blob.
pub static REPORT: LazyLock<ModelReport> =
    LazyLock::new(|| ModelReport::load(&MODEL, &FILES).unwrap_or_else(|error| panic!("{error}")));

/// The float network.
pub static FLOAT: LazyLock<FloatModel> = LazyLock::new(|| {
    let ModelReport { recipe, dataset, blob, .. } = &*REPORT;
    let flex = device::select(DeviceChoice::Cpu).unwrap_or_else(|error| panic!("{error}")).device;
    let network = load_weights(recipe, dataset, Some(blob), &FILES.weights(), &flex);
    FloatModel::new(network.unwrap_or_else(|error| panic!("{error}")), recipe, dataset, &flex)
});

/// CIFAR-10's 10,000 test images; downloads the data set if it is not there.
pub static TEST_SET: LazyLock<LabelledImages> =
    LazyLock::new(|| Dataset::cifar10(&dataset::default_directory()).unwrap_or_else(|error| panic!("{error}")).test);

/// The first `count` test images.
pub fn test_images(count: usize) -> LabelledImages {
    let first: Vec<usize> = (0..count).collect();
    TEST_SET.select(&first)
}
