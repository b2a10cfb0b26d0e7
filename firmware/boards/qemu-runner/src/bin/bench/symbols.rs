//! The names in an ELF file.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;

use addr2line::{demangle_auto, gimli};
use object::{File, Object, ObjectSymbol, SymbolKind};

/// Functions by the address of their first instruction.
pub struct Functions(BTreeMap<u64, String>);

impl Functions {
    /// Those of the file `elf`.
    ///
    /// # Errors
    ///
    /// If it cannot be read or is no ELF file.
    pub fn of(elf: &Path) -> Result<Self, Box<dyn Error>> {
        let bytes = std::fs::read(elf)?;
        let file = File::parse(bytes.as_slice())?;
        let functions = file
            .symbols()
            .filter(|symbol| symbol.kind() == SymbolKind::Text);
        // The lowest bit of a Thumb function's address only says that it is one.
        let named = functions
            .filter_map(|symbol| Some((symbol.address() & !1, demangle(symbol.name().ok()?))));
        Ok(Self(named.collect()))
    }

    /// The last function that begins at or before `address`: assembly may leave out how long it is.
    pub fn at(&self, address: u64) -> &str {
        let function = self.0.range(..=address).next_back();
        function.map_or("?", |(_, name)| name)
    }
}

/// The readable name of a symbol.
pub fn demangle(symbol: &str) -> String {
    demangle_auto(Cow::Borrowed(symbol), Some(gimli::DW_LANG_Rust)).into_owned()
}
