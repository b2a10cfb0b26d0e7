//! How much flash the code of an inference takes.
//!
//! Fat link-time optimization inlines across crates, so that symbols alone do not say whose code it is: every address
//! of the text is looked up in the debug information, which names all functions that are inlined there.

use std::borrow::Cow;
use std::error::Error;
use std::path::Path;

use addr2line::{Loader, demangle_auto, gimli};
use object::{Object, ObjectSection, ObjectSymbol, SymbolKind};

/// Modules of shared-model that only load a blob.
const LOADING: [&str; 3] = ["blob::", "graph::", "image::"];

/// Bytes of an ELF file.
#[derive(Clone, Copy)]
pub struct CodeSize {
    /// Code of shared-model, literal pools included, without the loading of the blob and the texts of errors.
    /// Generic code of other crates counts where it is inlined into shared-model's or made for its types; the core
    /// library's memory functions do not, nor does the second copy of the loop over the layers, which tells the profiler.
    pub code: u64,
    /// Named constants of the same modules. What the compiler leaves without a name does not count.
    pub constants: u64,
}

impl CodeSize {
    /// Measures the file `elf`, which has debug information.
    ///
    /// # Errors
    ///
    /// If it cannot be read, is no ELF file or has no text.
    pub fn of(elf: &Path) -> Result<Self, Box<dyn Error>> {
        Ok(Self {
            code: code(elf)?,
            constants: constants(elf)?,
        })
    }
}

fn code(elf: &Path) -> Result<u64, Box<dyn Error>> {
    /// Every instruction of Thumb begins at a multiple of it.
    const GRAIN: usize = 2;
    let loader = Loader::new(elf)?;
    let text = loader
        .get_section_range(b".text")
        .ok_or("the ELF file has no section .text")?;
    let mut bytes = 0;
    for address in (text.begin..text.end).step_by(GRAIN) {
        let functions = functions(&loader, address)?;
        let is_inference = functions.iter().any(|name| is_inference(name));
        if is_inference && !functions.iter().any(|name| name.contains("LayerTimes")) {
            bytes += GRAIN as u64;
        }
    }
    Ok(bytes)
}

/// The function at `address` and those that it is inlined into; of assembly, which has no debug information, the symbol.
fn functions(loader: &Loader, address: u64) -> Result<Vec<String>, Box<dyn Error>> {
    let mut frames = loader.find_frames(address)?;
    let mut functions = Vec::new();
    while let Some(frame) = frames.next()? {
        if let Some(function) = frame.function {
            functions.push(function.demangle()?.into_owned());
        }
    }
    if functions.is_empty() {
        functions.extend(loader.find_symbol(address).map(demangle));
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

/// The readable name of a symbol.
pub fn demangle(symbol: &str) -> String {
    demangle_auto(Cow::Borrowed(symbol), Some(gimli::DW_LANG_Rust)).into_owned()
}

/// Whether a function or constant of this path belongs to an inference.
fn is_inference(path: &str) -> bool {
    let mut ours = path.split("shared_model::").skip(1);
    !path.contains("core::fmt::")
        && ours.any(|module| !LOADING.iter().any(|loading| module.starts_with(loading)))
}
