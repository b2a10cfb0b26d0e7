//! Takes the public key with which models must be signed.

use model_store::pem::Key;
use std::env;
use std::fs;
use std::path::Path;

fn main() {
    if let Err(message) = take() {
        println!("cargo::error={message}");
    }
}

/// Reads the file that the environment variable MODEL_KEY names, relative to this crate, if it is set. Writes `key.rs`: an `Option` of the key.
///
/// # Errors
///
/// If the file holds no public key.
fn take() -> Result<(), String> {
    println!("cargo::rerun-if-env-changed=MODEL_KEY");
    let key = match env::var_os("MODEL_KEY").filter(|path| !path.is_empty()) {
        None => None,
        Some(path) => {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
            println!("cargo::rerun-if-changed={}", path.display());
            let text = fs::read_to_string(&path).map_err(|error| format!("MODEL_KEY: {}: {error}", path.display()))?;
            let key = Key::Public.from_pem(&text);
            Some(key.ok_or_else(|| {
                format!(
                    "MODEL_KEY: {} holds no public key: `cargo run -p monitor -- keygen FILE` makes FILE.pub",
                    path.display()
                )
            })?)
        }
    };
    let out = env::var("OUT_DIR").map_err(|error| format!("OUT_DIR: {error}"))?;
    let generated = Path::new(&out).join("key.rs");
    fs::write(&generated, format!("{key:?}")).map_err(|error| format!("{}: {error}", generated.display()))
}
