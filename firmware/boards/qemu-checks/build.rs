//! Tells the linker where the target's memory map is: the emulated machines are those of `qemu-mps2`.

use std::env;
use std::path::Path;

fn main() {
    let is_v8m = env::var("TARGET").is_ok_and(|target| target.starts_with("thumbv8m"));
    let machine = if is_v8m { "mps2-an505" } else { "mps2-an386" };
    let memory = Path::new("../qemu-mps2/memory").join(machine);
    let folder = env::current_dir().unwrap_or_default().join(memory);
    println!("cargo::rerun-if-changed={}", folder.display());
    println!("cargo::rustc-link-search={}", folder.display());
}
