//! How much flash the code of an inference takes.
//!
//! Fat link-time optimization inlines across crates, so that symbols alone do not say whose code it is: every address
//! of the text is looked up in the debug information, which names all functions that are inlined there.

use std::error::Error;
use std::path::Path;

use addr2line::Loader;
use object::{Object, ObjectSection, ObjectSymbol, SymbolKind};

use crate::symbols::{Functions, demangle};

/// Every instruction of Thumb begins at a multiple of it.
const GRAIN: usize = 2;
/// Modules of shared-model that only load a blob.
const LOADING: [&str; 3] = ["blob::", "graph::", "image::"];
/// Modules that choose the kernels, once.
const PLANNING: [&str; 3] = ["plan::search", "plan::layout", "plan::cost"];

/// Bytes of shared-model in an ELF file, literal pools included, but without the texts of errors.
///
/// Generic code of other crates counts where it is inlined into shared-model's or made for its types; the core library's
/// memory functions do not, nor does the second copy of the loop over the layers, which tells the profiler.
#[derive(Clone, Copy, Default)]
pub struct CodeSize {
    /// Code that is executed for every image: kernels, and what calls them.
    pub inference: u64,
    /// Code that chooses the kernels for an arena. The loading of the blob is counted nowhere.
    pub planning: u64,
    /// Named constants of the same modules; what the compiler leaves without a name does not count.
    pub constants: u64,
}

impl CodeSize {
    /// Measures the file `elf`, which has debug information.
    ///
    /// # Errors
    ///
    /// If it cannot be read, is no ELF file or has no text.
    pub fn of(elf: &Path) -> Result<Self, Box<dyn Error>> {
        let mut size = Self {
            constants: constants(elf)?,
            ..Self::default()
        };
        let loader = Loader::new(elf)?;
        let symbols = Functions::of(elf)?;
        let text = loader
            .get_section_range(b".text")
            .ok_or("the ELF file has no section .text")?;
        for address in (text.begin..text.end).step_by(GRAIN) {
            let functions = functions_at(&loader, &symbols, address)?;
            let any = |is: fn(&str) -> bool| functions.iter().any(|function| is(function));
            if any(|function| function.contains("LayerTimes")) {
                continue;
            } else if any(is_planning) {
                size.planning += GRAIN as u64;
            } else if any(is_inference) {
                size.inference += GRAIN as u64;
            }
        }
        Ok(size)
    }
}

/// The function at `address` and those that it is inlined into; of assembly, which has no debug information, the symbol.
fn functions_at(
    loader: &Loader,
    symbols: &Functions,
    address: u64,
) -> Result<Vec<String>, Box<dyn Error>> {
    let mut frames = loader.find_frames(address)?;
    let mut functions = Vec::new();
    while let Some(frame) = frames.next()? {
        if let Some(function) = frame.function {
            functions.push(function.demangle()?.into_owned());
        }
    }
    if functions.is_empty() {
        functions.push(symbols.at(address).to_owned());
    }
    Ok(functions)
}

fn constants(elf: &Path) -> Result<u64, Box<dyn Error>> {
    let bytes = std::fs::read(elf)?;
    let file = object::File::parse(bytes.as_slice())?;
    let rodata = file
        .section_by_name(".rodata")
        .map(|section| section.index());
    let constants = file.symbols().filter(|symbol| {
        symbol.kind() == SymbolKind::Data
            && symbol.section_index() == rodata
            && symbol
                .name()
                .is_ok_and(|name| is_inference(&demangle(name)))
    });
    Ok(constants.map(|symbol| symbol.size()).sum())
}

fn is_planning(path: &str) -> bool {
    !path.contains("core::fmt::")
        && PLANNING
            .iter()
            .any(|module| path.contains(&format!("shared_model::{module}")))
}

/// Whether a function or constant of this path belongs to an inference. The names of assembly begin with `shared_model_`.
fn is_inference(path: &str) -> bool {
    let mut ours = path.split("shared_model::").skip(1);
    let is_ours = ours.any(|module| !LOADING.iter().any(|loading| module.starts_with(loading)));
    !path.contains("core::fmt::") && (is_ours || path.starts_with("shared_model_"))
}
