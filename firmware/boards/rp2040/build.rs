//! Tells the linker where the memory map, the second boot loader's place and the one of defmt's texts are.

fn main() {
    println!("cargo::rerun-if-changed=memory.x");
    println!("cargo::rustc-link-search={}", env!("CARGO_MANIFEST_DIR"));
    println!("cargo::rustc-link-arg-bins=-Tlink-rp.x");
    println!("cargo::rustc-link-arg-bins=-Tdefmt.x");
}
