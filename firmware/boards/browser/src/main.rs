//! Builds the page that is a board, and serves it on this computer.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::{env, fs, thread};

use clap::Parser;
use shared_model::{AlignedBytes, LoadError, Model};
use thiserror::Error;

/// Open the classifier in a web page, with a webcam or with pictures; nothing leaves this computer
#[derive(Parser)]
struct Arguments {
    /// The model that the page begins with.
    #[arg(long, value_name = "FILE", default_value_os_t = repository().join("data/models/vgg3-full.blob"))]
    blob: PathBuf,
    /// Write the page into this folder instead, for any server of static files.
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Port of this computer; 0 takes any that is free.
    #[arg(long, default_value_t = 8032)]
    port: u16,
    /// Serve the page without opening it.
    #[arg(long)]
    no_open: bool,
}

#[derive(Debug, Error)]
enum Error {
    #[error("{path}: {error}")]
    File { path: PathBuf, error: io::Error },
    #[error("{path} is no model: {error}")]
    Blob { path: PathBuf, error: LoadError },
    #[error("{program}: {error}")]
    Program { program: String, error: io::Error },
    #[error("building for {TARGET} failed (see above); `rustup target add {TARGET}` installs what that needs")]
    Build,
    #[error("port {port}: {error}; `--port 0` takes one that is free")]
    Port { port: u16, error: io::Error },
}

const TARGET: &str = "wasm32-unknown-unknown";

/// Bytes of the page by their names, which end in one of [`content_type`]'s.
type Site = BTreeMap<String, Vec<u8>>;

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Error> {
    let site = site(&arguments.blob)?;
    if let Some(folder) = &arguments.output {
        return write(&site, folder);
    }
    let port = arguments.port;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(|error| Error::Port { port, error })?;
    let port = listener.local_addr().map_err(|error| Error::Port { port, error })?.port();
    // Of the names of this computer the one that browsers trust with a camera, and that is no other page's.
    let address = format!("http://localhost:{port}/");
    println!("{address} (Ctrl+C ends it)");
    if !arguments.no_open {
        open(&address);
    }
    thread::scope(|scope| {
        for stream in listener.incoming().flatten() {
            // A reader that goes away is no matter.
            scope.spawn(|| answer(stream, &site));
        }
    });
    Ok(())
}

/// The folder of this repository.
fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(3).expect("this crate is in firmware/boards/").to_owned()
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(|error| Error::File { path: path.to_owned(), error })
}

/// All files of the page.
fn site(blob: &Path) -> Result<Site, Error> {
    let model = read(blob)?;
    Model::load(&AlignedBytes::from(model.as_slice())).map_err(|error| Error::Blob { path: blob.to_owned(), error })?;
    let mut site = Site::from([("model.blob".to_owned(), model), ("board.wasm".to_owned(), read(&build()?)?)]);
    for (folder, prefix) in [("firmware/boards/browser/site", ""), ("data/samples", "samples/")] {
        let folder = repository().join(folder);
        let error = |error| Error::File { path: folder.clone(), error };
        for entry in fs::read_dir(&folder).map_err(error)? {
            let path = entry.map_err(error)?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            // Of the samples, those of the data set's size.
            if prefix.is_empty() || !name.contains("320x256") {
                site.insert(format!("{prefix}{name}"), read(&path)?);
            }
        }
    }
    Ok(site)
}

/// The module, built.
fn build() -> Result<PathBuf, Error> {
    let run = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).current_dir(repository()).stderr(Stdio::inherit()).output();
        output.map_err(|error| Error::Program { program: program.to_owned(), error })
    };
    let libraries = run("rustc", &["--print", "target-libdir", "--target", TARGET])?;
    if !Path::new(String::from_utf8_lossy(&libraries.stdout).trim()).is_dir() {
        // What comes of it, the build says.
        run("rustup", &["target", "add", TARGET])?;
    }
    let cargo = env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let arguments = ["build", "--package", "browser", "--lib", "--profile", "browser", "--target", TARGET];
    let output = run(&cargo, &[&arguments[..], &["--message-format", "json-render-diagnostics"]].concat())?;
    let messages = String::from_utf8_lossy(&output.stdout);
    let files = messages.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let files = files.filter_map(|message| message["filenames"].as_array().cloned()).flatten();
    let mut files = files.filter_map(|file| file.as_str().map(PathBuf::from));
    files.find(|file| file.extension().is_some_and(|extension| extension == "wasm")).ok_or(Error::Build)
}

fn write(site: &Site, folder: &Path) -> Result<(), Error> {
    for (name, bytes) in site {
        let path = folder.join(name);
        let parent = path.parent().unwrap_or(folder);
        fs::create_dir_all(parent).map_err(|error| Error::File { path: parent.to_owned(), error })?;
        fs::write(&path, bytes).map_err(|error| Error::File { path, error })?;
    }
    let bytes: usize = site.values().map(Vec::len).sum();
    println!("{}: {} files, {bytes} bytes", folder.display(), site.len());
    Ok(())
}

/// Opens the page as a user's double click would; whoever has no desktop reads the address.
fn open(address: &str) {
    let command: &[&str] = match env::consts::OS {
        "macos" => &["open"],
        "windows" => &["cmd", "/C", "start"],
        _ => &["xdg-open"],
    };
    let opened =
        Command::new(command[0]).args(&command[1..]).arg(address).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    if opened.is_err() {
        println!("open this address in a browser");
    }
}

/// Answers one request for a file.
fn answer(mut stream: TcpStream, site: &Site) -> io::Result<()> {
    let mut lines = BufReader::new(&stream).lines();
    let request = lines.next().unwrap_or_else(|| Ok(String::new()))?;
    // To the end of its head, or the rest would be a broken connection to the browser.
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    let path = request.strip_prefix("GET /").and_then(|rest| rest.split([' ', '?']).next());
    let name = path.map(|path| if path.is_empty() { "index.html" } else { path });
    let (status, kind, bytes) = match name.and_then(|name| site.get_key_value(name)) {
        Some((name, bytes)) => ("200 OK", content_type(name), bytes.as_slice()),
        None => ("404 Not Found", "text/plain", &b"there is no such file\n"[..]),
    };
    let len = bytes.len();
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len}\r\nCache-Control: no-cache\r\n\
         X-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n"
    )?;
    stream.write_all(bytes)
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("wasm") => "application/wasm",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("webmanifest") => "application/manifest+json",
        _ => "application/octet-stream",
    }
}
