//! A network's weights as a file in burn's format.
//!
//! The tensors' names count blocks and convolutions, and do not depend on what stands between them in the list of layers:
//! `blocks.0.convolutions.1.convolution.weight`, `hidden.weight`, `hidden_norm.gamma`, `output.bias`. A model's file says
//! which blob it belongs to.

use std::io;
use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::store::{ModuleRecord, RecordError};
use burn::tensor::Device;
use burn_pack::{Bytes, Reader, Tensor, Writer};

use super::{Layer, Network};
use crate::dataset::Description;
use crate::files::{self, FileError};
use crate::model_files::Identity;
use crate::recipe::Recipe;

/// Key of the [`Identity`] in a file's metadata, as JSON.
const BLOB: &str = "blob";

/// Weights could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    /// The file is missing, or it could not be written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file holds no weights.
    #[error("{} holds no weights that can be read: {reason}; put a whole copy there, or {remedy}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What burn says.
        reason: String,
        /// What else can be done.
        remedy: &'static str,
    },
    /// The weights are another network's.
    #[error("{} does not hold the weights of {preset} for {classes} classes: {reason}", path.display())]
    OtherNetwork {
        /// The file.
        path: PathBuf,
        /// Of the recipe.
        preset: String,
        /// Of the data set.
        classes: usize,
        /// What burn says.
        reason: String,
    },
    /// A weight or statistic is infinite or no number.
    #[error("{} holds weights that are no numbers: the training diverged; train again with a lower learning rate", path.display())]
    NotFinite {
        /// The file.
        path: PathBuf,
    },
    /// The weights belong to another blob.
    #[error(
        "{} holds the weights of the blob with CRC-32 {found}, not of the one with {expected}: files of two models are mixed; \
         copy .blob, .bpk and .json together, or make them again with `quantize`", path.display()
    )]
    OtherModel {
        /// The file.
        path: PathBuf,
        /// CRC-32 that the file names.
        found: String,
        /// The blob's.
        expected: String,
    },
}

/// Writes the weights of `network`, which belong to the blob `identity` if there is one, as a whole or not at all.
pub fn save_weights(network: Network, identity: Option<&Identity>, path: &Path) -> Result<(), WeightsError> {
    let names = network.file_names();
    let bytes = network.into_record().into_bytes().map_err(unwritable(path))?;
    let tensors = Reader::from_bytes(bytes).and_then(Reader::into_tensors).map_err(unwritable(path))?;
    let renamed = tensors.into_iter().map(|tensor| renamed(tensor, names.iter().map(|(module, file)| (module, file))));
    let mut writer = Writer::new(renamed.collect());
    if let Some(identity) = identity {
        let json = serde_json::to_string(identity).expect("it is plain data");
        writer = writer.with_metadata(BLOB, &json);
    }
    let bytes = writer.into_bytes().map_err(unwritable(path))?;
    Ok(files::write(path, &bytes)?)
}

fn unwritable<E: ToString>(path: &Path) -> impl Fn(E) -> FileError {
    move |error| FileError::write(path)(io::Error::other(error.to_string()))
}

/// The recipe's network for such a data set with the weights of the file, on `device`, which is without autodiff.
///
/// # Errors
/// Also if the file says that it belongs to another blob than `identity`. A file that says nothing is believed.
pub fn load_weights(
    recipe: &Recipe,
    dataset: &Description,
    identity: Option<&Identity>,
    path: &Path,
    device: &Device,
) -> Result<Network, WeightsError> {
    let reader = Reader::from_bytes(Bytes::from_bytes_vec(files::read(path)?)).map_err(damaged(identity, path))?;
    if let (Some(expected), Some(json)) = (identity, reader.metadata().get(BLOB)) {
        let found: Identity = serde_json::from_str(json).map_err(damaged(identity, path))?;
        if found != *expected {
            return Err(WeightsError::OtherModel {
                path: path.to_owned(),
                found: found.crc32,
                expected: expected.crc32.clone(),
            });
        }
    }
    let network = Network::new(recipe, dataset, device);
    let names = network.file_names();
    let tensors = reader.into_tensors().map_err(damaged(identity, path))?;
    let renamed = tensors.into_iter().map(|tensor| renamed(tensor, names.iter().map(|(module, file)| (file, module))));
    let bytes = Writer::new(renamed.collect()).into_bytes().map_err(damaged(identity, path))?;
    let record = ModuleRecord::from_bytes(bytes).map_err(damaged(identity, path))?;
    let network = network.try_load_record(record).map_err(|error| match error {
        RecordError::Io(reason) => damaged(identity, path)(reason),
        RecordError::Validation(reason) => WeightsError::OtherNetwork {
            path: path.to_owned(),
            preset: recipe.preset.clone(),
            classes: dataset.labels.len(),
            reason,
        },
    })?;
    if network.is_finite() { Ok(network) } else { Err(WeightsError::NotFinite { path: path.to_owned() }) }
}

/// For `map_err`, with the remedy for a model's file or for a run's.
fn damaged<E: ToString>(identity: Option<&Identity>, path: &Path) -> impl Fn(E) -> WeightsError {
    let remedy = match identity {
        Some(_) => "make the model again with `quantize`",
        None => "delete the run's folder and train again",
    };
    move |error| WeightsError::Damaged { path: path.to_owned(), reason: error.to_string(), remedy }
}

/// The tensor with the first prefix of a pair instead of the second.
fn renamed<'a>(mut tensor: Tensor, prefixes: impl Iterator<Item = (&'a String, &'a String)>) -> Tensor {
    for (from, to) in prefixes {
        if let Some(rest) = tensor.name.strip_prefix(from) {
            tensor.name = format!("{to}{rest}");
            break;
        }
    }
    tensor
}

impl Network {
    /// What the names of a layer's tensors begin with: in the module, and in a file.
    fn file_names(&self) -> Vec<(String, String)> {
        let (mut block, mut convolution) = (0, 0);
        let mut names = Vec::new();
        for (index, layer) in self.layers.iter().enumerate() {
            match layer {
                Layer::Convolution(_) => {
                    let file = format!("blocks.{block}.convolutions.{convolution}.");
                    names.push((format!("layers.{index}.Convolution."), file));
                    convolution += 1;
                }
                Layer::MaxPool(_) => (block, convolution) = (block + 1, 0),
                Layer::Dropout(_) | Layer::GlobalAverage(_) => {}
                Layer::Dense(dense) => {
                    let linear = if dense.relu { "hidden" } else { "output" };
                    names.push((format!("layers.{index}.Dense.linear."), format!("{linear}.")));
                    names.push((format!("layers.{index}.Dense.norm."), format!("{linear}_norm.")));
                }
            }
        }
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_read_back_and_belong_to_their_blob() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("weights.bpk");
        let recipe =
            Recipe { filters: vec![2, 3], block_dropout: vec![0.1, 0.0], ..Recipe::preset("vgg3-best").unwrap() };
        let dataset = Description::cifar10();
        let network = Network::new(&recipe, &dataset, &Device::flex());
        let identity = |crc32: &str| Identity { crc32: crc32.to_owned(), labels: dataset.labels.clone() };
        let [own, other] = ["00000001", "00000002"].map(identity);
        save_weights(network.clone(), Some(&own), &path).unwrap();

        let load = |recipe, identity| load_weights(recipe, &dataset, identity, &path, &Device::flex());
        // Dropout is no part of the file.
        let plain = Recipe { block_dropout: vec![0.0; 2], hidden_dropout: 0.0, seed: 9, ..recipe.clone() };
        let wider = Recipe { filters: vec![2, 4], ..recipe.clone() };
        for recipe in [&recipe, &plain] {
            let loaded = load(recipe, Some(&own)).unwrap();
            for (loaded, saved) in loaded.float_layers().iter().zip(network.float_layers()) {
                assert_eq!(*loaded, saved);
            }
        }
        assert!(matches!(load(&recipe, Some(&other)), Err(WeightsError::OtherModel { .. })));
        assert!(matches!(load(&wider, None), Err(WeightsError::OtherNetwork { .. })));
        let infinite = network.with_temperature(0.0);
        save_weights(infinite, None, &path).unwrap();
        assert!(matches!(load(&recipe, None), Err(WeightsError::NotFinite { .. })));
        std::fs::write(&path, "nothing").unwrap();
        for (identity, remedy) in [(Some(&own), "make the model again with `quantize`"), (None, "train again")] {
            let error = load(&recipe, identity).err().unwrap().to_string();
            assert!(error.contains("weights.bpk holds no weights") && error.ends_with(remedy), "{error}");
        }
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(load(&recipe, None), Err(WeightsError::File(FileError::Read { .. }))));
    }
}
