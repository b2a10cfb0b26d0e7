//! A web server for one file, on the loopback interface.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

#[derive(Default)]
struct State {
    content: Vec<u8>,
    /// The `Range` header of each request so far.
    ranges: Vec<Option<String>>,
    break_after: Option<usize>,
    ignore_ranges: bool,
}

/// Serves until the tests' process ends.
pub struct Server {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl Server {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming() {
                answer(stream.unwrap(), &mut shared.lock().unwrap());
            }
        });
        Self { address, state }
    }

    pub fn url(&self) -> String {
        format!("http://{}/cifar.tar.gz", self.address)
    }

    pub fn serve(&self, content: Vec<u8>) {
        self.state.lock().unwrap().content = content;
    }

    /// Every connection ends after so many bytes of the file.
    pub fn break_after(&self, bytes: usize) {
        self.state.lock().unwrap().break_after = Some(bytes);
    }

    pub fn ignore_ranges(&self) {
        self.state.lock().unwrap().ignore_ranges = true;
    }

    /// The `Range` header of each request so far.
    pub fn ranges(&self) -> Vec<Option<String>> {
        self.state.lock().unwrap().ranges.clone()
    }
}

fn answer(mut stream: TcpStream, state: &mut State) {
    let lines = BufReader::new(&stream).lines().map(Result::unwrap);
    let request: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    let range = request.iter().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("range")
            .then(|| value.to_string())
    });
    let start = match &range {
        Some(range) if !state.ignore_ranges => range
            .strip_prefix("bytes=")
            .and_then(|range| range.strip_suffix('-'))
            .unwrap()
            .parse()
            .unwrap(),
        _ => 0,
    };
    state.ranges.push(range);
    let total = state.content.len();
    let body = &state.content[start..];
    let status = if start > 0 {
        format!(
            "206 Partial Content\r\nContent-Range: bytes {start}-{}/{total}",
            total - 1
        )
    } else {
        "200 OK".into()
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    let sent = state.break_after.unwrap_or(total).min(body.len());
    stream.write_all(&body[..sent]).unwrap();
}
