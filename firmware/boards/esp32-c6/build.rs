//! Tells the linker where the memory map and the place of defmt's texts are.

fn main() {
    println!("cargo::rerun-if-changed=board.x");
    println!("cargo::rustc-link-search={}", env!("CARGO_MANIFEST_DIR"));
    println!("cargo::rustc-link-arg-bins=-Tboard.x");
    println!("cargo::rustc-link-arg-bins=-Tdefmt.x");
}
