//! How much flash the code of an inference takes, by the names in an ELF file.
//!
//! Fat link-time optimization inlines across crates, so that symbols alone do not say whose code it is: every address
//! of the text is looked up in the debug information, which names all functions that are inlined there.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use addr2line::{Loader, demangle_auto, gimli};
use object::{File, Object, ObjectSection, ObjectSymbol, SymbolKind};
use qemu_runner::Error;

/// Every instruction of Thumb begins at a multiple of it.
const GRAIN: usize = 2;
/// Modules of shared-model that only load a blob.
const LOADING: [&str; 7] = ["blob::", "error::", "graph::", "ops::", "resize::", "section::", "shape::"];
/// What chooses the kernels, once: the search, and what a kernel says of itself beforehand.
const PLANNING: [&str; 6] = [
    "::plan::search",
    "::plan::layout::words",
    "Kernel>::fits",
    "Kernel>::need",
    "Kernel>::instructions",
    "Kernel>::weight_fetches",
];

/// Bytes of shared-model in an ELF file, literal pools included, but without the texts of errors.
///
/// Generic code of other crates counts where it is inlined into shared-model's; the core library's memory functions do not.
#[derive(Clone, Copy, Default)]
pub struct CodeSize {
    /// Code that is executed for every picture: kernels, what calls them, and what lays out a segment for them.
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
    pub fn of(elf: &Path) -> Result<Self, Error> {
        let mut size = Self { constants: constants(elf)?, ..Self::default() };
        let loader = Loader::new(elf)?;
        let symbols = Functions::of(elf)?;
        let text = loader.get_section_range(b".text").ok_or("the ELF file has no section .text")?;
        for address in (text.begin..text.end).step_by(GRAIN) {
            let functions = functions_at(&loader, &symbols, address)?;
            // What is inlined belongs to what it is inlined into, but for the search.
            let outermost = functions.iter().rev().find(|name| is_ours(name));
            match outermost {
                Some(name) if is_loading(name) => {}
                Some(_) if functions.iter().any(|name| is_planning(name)) => {
                    size.planning += GRAIN as u64;
                }
                Some(_) => size.inference += GRAIN as u64,
                None => {}
            }
        }
        Ok(size)
    }
}

/// The function at `address` and those that it is inlined into; of assembly, which has no debug information, the symbol.
fn functions_at(loader: &Loader, symbols: &Functions, address: u64) -> Result<Vec<String>, Error> {
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

fn constants(elf: &Path) -> Result<u64, Error> {
    let bytes = std::fs::read(elf)?;
    let file = File::parse(bytes.as_slice())?;
    let rodata = file.section_by_name(".rodata").map(|section| section.index());
    let constants = file.symbols().filter(|symbol| {
        symbol.kind() == SymbolKind::Data
            && symbol.section_index() == rodata
            && symbol.name().map(demangle).is_ok_and(|name| is_ours(&name) && !is_loading(&name))
    });
    Ok(constants.map(|symbol| symbol.size()).sum())
}

/// Whether a function or constant is of shared-model, and no text for people. The names of assembly begin with `shared_model_`.
fn is_ours(path: &str) -> bool {
    let is_ours = path.contains("shared_model::") || path.starts_with("shared_model_");
    is_ours && !path.contains("core::fmt::")
}

fn is_loading(path: &str) -> bool {
    let mut modules = path.split("shared_model::").skip(1);
    modules.all(|module| LOADING.iter().any(|loading| module.starts_with(loading)))
        && !path.starts_with("shared_model_")
}

fn is_planning(path: &str) -> bool {
    PLANNING.iter().any(|part| path.contains(part))
}

/// Functions by the address of their first instruction.
pub struct Functions(BTreeMap<u64, String>);

impl Functions {
    /// Those of the file `elf`.
    ///
    /// # Errors
    ///
    /// If it cannot be read or is no ELF file.
    pub fn of(elf: &Path) -> Result<Self, Error> {
        let bytes = std::fs::read(elf)?;
        let file = File::parse(bytes.as_slice())?;
        let functions = file.symbols().filter(|symbol| symbol.kind() == SymbolKind::Text);
        // The lowest bit of a Thumb function's address only says that it is one.
        let named = functions.filter_map(|symbol| Some((symbol.address() & !1, demangle(symbol.name().ok()?))));
        Ok(Self(named.collect()))
    }

    /// The last function that begins at or before `address`: assembly may leave out how long it is.
    pub fn at(&self, address: u64) -> &str {
        let function = self.0.range(..=address).next_back();
        function.map_or("?", |(_, name)| name)
    }
}

/// The readable name of a symbol.
fn demangle(symbol: &str) -> String {
    demangle_auto(Cow::Borrowed(symbol), Some(gimli::DW_LANG_Rust)).into_owned()
}
