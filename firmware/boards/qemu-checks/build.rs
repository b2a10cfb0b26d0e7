//! Tells the linker where the target's memory map is: the emulated machines are those of `qemu-mps2`.

use std::env;
use std::path::Path;

fn main() {
    let target = env::var("TARGET").unwrap_or_default();
    let memory = Path::new("../qemu-mps2/memory").join(target);
    let folder = env::current_dir().unwrap_or_default().join(memory);
    println!("cargo::rerun-if-changed={}", folder.display());
    println!("cargo::rustc-link-search={}", folder.display());
}
