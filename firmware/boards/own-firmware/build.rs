//! Tells the linker where the memory map and the place of defmt's texts are.

fn main() {
    let memory = concat!(env!("CARGO_MANIFEST_DIR"), "/../rp2350");
    println!("cargo::rerun-if-changed={memory}/memory.x");
    println!("cargo::rustc-link-search={memory}");
    println!("cargo::rustc-link-arg-bins=-Tdefmt.x");
}
