//! Makes files that a board takes without a debug probe.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::{env, fs, io, path};

use clap::{Parser, Subcommand};
use flash_images::ElfError;
use flash_images::board::{BOARDS, Board, Content, Format};
use sha2::{Digest, Sha256};
use shared_model::{AlignedBytes, LoadError, Model};
use thiserror::Error;
use walkdir::WalkDir;

/// Make files that a board takes without a debug probe: UF2 for a Pico 2, DfuSe for an STM32, a binary for an ESP32-C6
///
/// Without a command: builds the firmware of every board, and the page that is a board itself, and fills a folder with files for each, the
/// reference model, checksums and a page that says what is what.
#[derive(Parser)]
#[command(args_conflicts_with_subcommands = true)]
#[command(
    after_help = "Examples:\n  cargo run -p flash-images                                    # all boards, into dist/\n  \
    cargo run -p flash-images -- model runs/photos/photos.blob   # files with a model of yours, beside it"
)]
struct Arguments {
    /// Folder for the files of all boards.
    #[arg(long, value_name = "DIR", default_value_os_t = repository().join("dist"))]
    output: PathBuf,
    #[command(subcommand)]
    command: Option<Action>,
}

#[derive(Subcommand)]
enum Action {
    /// Make files with a model alone, beside its blob: a board's program stays as it is
    Model {
        /// The blob.
        blob: PathBuf,
    },
}

#[derive(Debug, Error)]
enum Error {
    #[error("{path}: {error}")]
    File { path: PathBuf, error: io::Error },
    #[error("{path} is no model: {error}")]
    Blob { path: PathBuf, error: LoadError },
    #[error("{path}: {error}")]
    Elf { path: PathBuf, error: ElfError },
    #[error("building the firmware of {0} failed (see above); `tests/run setup` installs what that needs")]
    Build(&'static str),
    #[error("building the page for the browser failed (see above)")]
    Browser,
    #[error(
        "{path} has {len} bytes: no board has room for it; `cargo run -p host-trainer -- inspect --blob FILE` shows what takes them"
    )]
    TooLarge { path: PathBuf, len: usize },
}

/// The folder of this repository.
fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("this crate is in firmware/").to_owned()
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match &arguments.command {
        Some(Action::Model { blob }) => model(blob),
        None => all(&arguments.output),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(|error| Error::File { path: path.to_owned(), error })
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    fs::write(path, bytes).map_err(|error| Error::File { path: path.to_owned(), error })
}

/// Files with a model alone, beside its blob, for each board that has room for it.
fn model(path: &Path) -> Result<(), Error> {
    let blob = read(path)?;
    Model::load(&AlignedBytes::from(blob.as_slice())).map_err(|error| Error::Blob { path: path.to_owned(), error })?;
    let mut made = 0;
    for board in &BOARDS {
        let Some(segment) = board.model(&blob) else {
            println!(
                "{}: no room: it keeps {} bytes for a model, and this one has {}",
                board.title,
                board.model.1,
                blob.len()
            );
            continue;
        };
        let file = path.with_extension(format!("{}.{}", board.name, board.format.extension()));
        write(&file, &board.image(&[segment], Content::Model))?;
        println!("{}: {}", board.title, file.display());
        println!("{}", steps(board, &file.display().to_string(), Content::Model));
        made += 1;
    }
    if made == 0 {
        return Err(Error::TooLarge { path: path.to_owned(), len: blob.len() });
    }
    Ok(())
}

/// How a file gets onto a board, as a numbered list.
fn steps(board: &Board, file: &str, content: Content) -> String {
    let steps = board.steps(file, content);
    let lines = steps.iter().enumerate();
    lines.map(|(index, step)| format!("{}. {step}", index + 1)).collect::<Vec<_>>().join("\n")
}

/// Fills a folder with files for all boards.
fn all(folder: &Path) -> Result<(), Error> {
    fs::create_dir_all(folder).map_err(|error| Error::File { path: folder.to_owned(), error })?;
    let reference = repository().join("data/models/vgg3-full.blob");
    let blob = read(&reference)?;
    let mut files = vec![("vgg3-full.blob".to_owned(), "the reference model, for all boards".to_owned(), blob.clone())];
    let mut page =
        String::from("# Firmware\n\nA camera, a board, and a label: nothing to compile, and no debug probe.\n");
    for board in &BOARDS {
        println!("building the firmware of {}", board.title);
        let elf = build(board)?;
        let segments = board.segments(&read(&elf)?).map_err(|error| Error::Elf { path: elf, error })?;
        let (model, program): (Vec<_>, Vec<_>) =
            segments.iter().cloned().partition(|segment| segment.address >= board.model.0);
        let name = |what: &str| format!("{}{what}.{}", board.name, board.format.extension());
        let title = board.title;
        let whole = name("");
        let _ = write!(page, "\n## {title}\n\n{}\n", steps(board, &whole, Content::Program));
        let _ = write!(
            page,
            "\nThen `cargo run -p monitor -- PORT` in the repository shows what the camera sees. Wiring: \
             `firmware/boards/{}/README.md` there.\n",
            board.name
        );
        files.push((whole, format!("{title}: program and reference model"), board.image(&segments, Content::Program)));
        files.push((
            name("-program"),
            format!("{title}: program alone; the model stays"),
            board.image(&program, Content::Program),
        ));
        files.push((
            name("-model"),
            match board.format {
                Format::Uf2 { .. } | Format::Dfuse => format!("{title}: reference model alone; the program stays"),
                Format::Binary { .. } => {
                    format!("{title}: reference model alone, at {:#x}; the program stays", board.model.0)
                }
            },
            board.image(&model, Content::Model),
        ));
    }
    println!("building the page for the browser");
    let site = browser(&folder.join("browser"))?;
    page.push_str(
        "\n## A browser\n\nThe same network with a webcam, without a board: serve the folder `browser` by any server of static files, over \
         https:// or on this computer, such as `python3 -m http.server --directory browser`.\n",
    );
    page.push_str("\n## What is what\n\n| file | for | bytes |\n| --- | --- | ---: |\n");
    let mut sums = String::new();
    for (name, about, bytes) in &files {
        let _ = writeln!(page, "| `{name}` | {about} | {} |", bytes.len());
        let _ = writeln!(sums, "{}  {name}", sha256(bytes));
        write(&folder.join(name), bytes)?;
    }
    let bytes: usize = site.iter().map(|(_, bytes)| bytes.len()).sum();
    let _ = writeln!(page, "| `browser/` | a web page that is a board, with the reference model | {bytes} |");
    for (path, bytes) in &site {
        let name = path.strip_prefix(folder).unwrap_or(path);
        let _ = writeln!(sums, "{}  {}", sha256(bytes), name.display());
    }
    page.push_str(
        "\n`sha256sum --check SHA256SUMS` says whether all files are whole. A model of your own: \
         `cargo run -p flash-images -- model FILE.blob` makes files as the ones that end in `-model`.\n",
    );
    write(&folder.join("SHA256SUMS"), sums.as_bytes())?;
    write(&folder.join("README.md"), page.as_bytes())?;
    println!("{}: {} files; README.md there says what is what", folder.display(), files.len() + site.len() + 2);
    Ok(())
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Builds the page that is a board into a folder, and gives its files.
fn browser(folder: &Path) -> Result<Vec<(PathBuf, Vec<u8>)>, Error> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(&cargo)
        .args(["run", "--quiet", "--package", "browser", "--", "--output"])
        .arg(path::absolute(folder).map_err(|error| Error::File { path: folder.to_owned(), error })?)
        .current_dir(repository())
        .status()
        .map_err(|error| Error::File { path: cargo.into(), error })?;
    if !status.success() {
        return Err(Error::Browser);
    }
    let mut files = Vec::new();
    for entry in WalkDir::new(folder).sort_by_file_name() {
        let entry = entry.map_err(|error| Error::File { path: folder.to_owned(), error: error.into() })?;
        if entry.file_type().is_file() {
            let bytes = read(entry.path())?;
            files.push((entry.into_path(), bytes));
        }
    }
    Ok(files)
}

/// The program of a board, built.
fn build(board: &Board) -> Result<PathBuf, Error> {
    let script = repository().join("tests/support/firmware-build");
    let output = Command::new(&script)
        .args([board.name, board.target])
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| Error::File { path: script, error })?;
    let elf = String::from_utf8_lossy(&output.stdout);
    let elf = elf.lines().last().filter(|_| output.status.success()).ok_or(Error::Build(board.name))?;
    Ok(elf.into())
}
