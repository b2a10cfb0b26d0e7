//! A pair of keys: models are signed with the secret one, and a board that was built with the public one takes no others.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf, absolute};

use model_store::pem::Key;
use model_store::signature::public_key;

use crate::MonitorError;

/// Make a pair of keys for signed models.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// File for the secret key, which must not exist; the public one goes to FILE.pub.
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// A key cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {problem}", path = path.display())]
pub struct KeyError {
    /// Its file.
    pub path: PathBuf,
    /// Why.
    pub problem: String,
}

/// Writes both files and says what they are for.
///
/// # Errors
/// [`MonitorError`] if one of them exists or cannot be written.
pub fn run(arguments: &Arguments) -> Result<(), MonitorError> {
    let secret_file = &arguments.file;
    let mut name = secret_file.clone().into_os_string();
    name.push(".pub");
    let public_file = PathBuf::from(name);
    let mut secret = [0; 32];
    getrandom::fill(&mut secret)
        .map_err(|error| KeyError { path: secret_file.clone(), problem: format!("no random numbers: {error}") })?;
    if public_file.exists() {
        return Err(exists(&public_file).into());
    }
    write(secret_file, &Key::Secret.to_pem(&secret), true)?;
    if let Err(error) = write(&public_file, &Key::Public.to_pem(&public_key(&secret)), false) {
        // Half a pair is of no use.
        let _ = fs::remove_file(secret_file);
        return Err(error.into());
    }
    let full = absolute(&public_file).unwrap_or(public_file);
    writeln!(
        io::stdout(),
        "secret key: {}\n  signs models: deploy PORT MODEL.blob --key {0}; whoever has it can\npublic key: {1}\n  \
         a board takes signed models only if it is built with it: MODEL_KEY={1} cargo run --release in the board's folder",
        secret_file.display(),
        full.display(),
    )?;
    Ok(())
}

fn exists(path: &Path) -> KeyError {
    KeyError {
        path: path.to_owned(),
        problem: String::from("there is such a file: it is not overwritten, name another one"),
    }
}

/// A new file, which nobody else may read if it is secret.
fn write(path: &Path, text: &str, is_secret: bool) -> Result<(), KeyError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    if is_secret {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    #[cfg(not(unix))]
    let _ = is_secret;
    let written = options.open(path).and_then(|mut file: File| file.write_all(text.as_bytes()));
    written.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => exists(path),
        _ => KeyError { path: path.to_owned(), problem: error.to_string() },
    })
}
