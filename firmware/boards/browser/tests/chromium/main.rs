//! The page in a real Chromium, driven through the pipe of its DevTools protocol: what is tested is what is shipped.

mod board;
mod page;

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use std::{fs, thread};

use base64::prelude::{BASE64_STANDARD, Engine};
use firmware::boot::BootError;
use serde_json::{Value, json};
use shared_model::encode::{encode, repair_crc};
use shared_model::resize::{Rgb888, resize};
use shared_model::testing::{Plain, convolution, network};
use shared_model::{AlignedBytes, Interpreter, Model, Shape};
use tempfile::TempDir;

use board::Cable;

/// Whatever a page does is done by then, on a machine that has much else to do.
const PATIENCE: Duration = Duration::from_secs(30);
const MODEL: &str = "data/models/vgg3-full.blob";
/// In the order of the page, each with its index in the test set (`data/README.md`).
const SAMPLES: [(&str, usize); 2] = [("deer", 159), ("airplane", 10)];

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(3).unwrap().to_owned()
}

fn committed() -> AlignedBytes {
    AlignedBytes::from(fs::read(repository().join(MODEL)).unwrap().as_slice())
}

/// Pixels of a frame, three bytes each.
struct Picture {
    width: u16,
    height: u16,
    pixels: Vec<u8>,
}

/// The first test images of CIFAR-10, with their classes.
fn test_images(count: usize) -> Vec<(u8, Picture)> {
    let path = repository().join("data/cifar-10/test_batch.bin");
    let records = fs::read(path).expect("`cargo run -p host-trainer -- data fetch` gets the test images");
    let image = |record: &[u8]| {
        let (class, planes) = record.split_first().unwrap();
        let pixels = (0..1024).flat_map(|pixel| [0, 1, 2].map(|colour| planes[1024 * colour + pixel])).collect();
        (*class, Picture { width: 32, height: 32, pixels })
    };
    records.chunks(3073).take(count).map(image).collect()
}

/// What the host computes for pictures.
fn host_logits(blob: &AlignedBytes, pictures: &[&Picture]) -> Vec<Vec<i32>> {
    let model = Model::load(blob).unwrap();
    let mut arena = vec![0; model.fast_arena_len()];
    let mut interpreter = Interpreter::new(&model, &mut arena).unwrap();
    let shape = model.input_shape();
    let mut seen = vec![0; shape.elements()];
    let logits = pictures.iter().map(|picture| {
        resize::<Rgb888>(&picture.pixels, picture.width, picture.height, shape, &mut seen).unwrap();
        interpreter.classify(&seen).unwrap().logits.to_vec()
    });
    logits.collect()
}

/// One Chromium at a time, so that what is measured is the page's.
static ALONE: Mutex<()> = Mutex::new(());
/// The page's server, and a Chromium that has loaded the page.
struct Chromium {
    server: Child,
    process: Child,
    input: ChildStdin,
    messages: Receiver<Value>,
    /// What was not asked for.
    events: Vec<Value>,
    session: String,
    address: String,
    calls: u32,
    /// The other end of the page's serial port, if it has one.
    cable: Option<Cable>,
    _profile: TempDir,
    _alone: MutexGuard<'static, ()>,
}

impl Chromium {
    fn start(flags: &[String]) -> Self {
        let mut chromium = Self::open(flags, "");
        chromium.load("");
        chromium
    }

    /// Chromium without the page, each page of which runs `script` first.
    fn open(flags: &[String], script: &str) -> Self {
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let mut server = Command::new(env!("CARGO_BIN_EXE_browser"))
            .args(["--no-open", "--port", "0"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.split(' ').next().unwrap().to_owned();

        let profile = tempfile::tempdir().unwrap();
        // Chromium reads requests from its file 3 and writes to its file 4.
        let mut process = Command::new("sh")
            .args(["-c", "exec chromium \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1", "chromium"])
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"])
            .args(["--remote-debugging-pipe", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .args(flags)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, messages) = channel();
        let output = BufReader::new(process.stdout.take().unwrap());
        thread::spawn(move || {
            for message in output.split(0).map_while(Result::ok) {
                if sender.send(serde_json::from_slice(&message).unwrap()).is_err() {
                    break;
                }
            }
        });
        let input = process.stdin.take().unwrap();
        let mut chromium = Self {
            server,
            process,
            input,
            messages,
            events: Vec::new(),
            session: String::new(),
            address,
            calls: 0,
            cable: None,
            _profile: profile,
            _alone: alone,
        };
        let target = chromium.call("Target.createTarget", json!({ "url": "about:blank" }));
        let attached =
            chromium.call("Target.attachToTarget", json!({ "targetId": target["targetId"], "flatten": true }));
        chromium.session = attached["sessionId"].as_str().unwrap().to_owned();
        for domain in ["Page", "Runtime", "Network", "Log"] {
            chromium.call(&format!("{domain}.enable"), json!({}));
        }
        chromium.call("Runtime.addBinding", json!({ "name": "cable" }));
        chromium.call("Page.addScriptToEvaluateOnNewDocument", json!({ "source": script }));
        chromium
    }

    /// Loads the page.
    fn load(&mut self, hash: &str) {
        self.call("Page.navigate", json!({ "url": format!("{}{hash}", self.address) }));
        self.wait_for("document.getElementById('card')?.children.length > 0");
        // All samples are looked at.
        self.wait_for("document.querySelector('#strip [aria-pressed=true] span')?.textContent === 'deer'");
    }

    /// Calls a method and gives its result.
    fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.calls += 1;
        let mut request = json!({ "id": self.calls, "method": method, "params": parameters });
        if !self.session.is_empty() {
            request["sessionId"] = json!(self.session);
        }
        write!(self.input, "{request}\0").expect("Chromium runs: `tests/run browser` installs it");
        loop {
            let mut message = self.messages.recv_timeout(PATIENCE).expect("Chromium answers");
            if message["id"] == self.calls {
                assert!(message["error"].is_null(), "{method}: {message}");
                return message["result"].take();
            }
            match &mut self.cable {
                Some(cable) if message["method"] == "Runtime.bindingCalled" => {
                    cable.take(message["params"]["payload"].as_str().unwrap());
                }
                Some(_) | None => self.events.push(message),
            }
        }
    }

    /// The value of an expression, or of what it promises.
    fn value(&mut self, expression: &str) -> Value {
        let parameters = json!({ "expression": expression, "awaitPromise": true, "returnByValue": true });
        let mut result = self.call("Runtime.evaluate", parameters);
        assert!(result["exceptionDetails"].is_null(), "{result}");
        result["result"]["value"].take()
    }

    fn wait_for(&mut self, condition: &str) {
        self.wait_long_for(condition, PATIENCE);
    }

    fn wait_long_for(&mut self, condition: &str, patience: Duration) {
        let start = Instant::now();
        while !self.is_so(condition) {
            if start.elapsed() >= patience {
                let text = self.value("document.body.innerText");
                panic!("not in time: {condition}; {:#?}\n{}", self.complaints(), text.as_str().unwrap());
            }
        }
    }

    /// Carries what the board says to the page, or waits a moment, and says whether `condition` holds then.
    fn is_so(&mut self, condition: &str) -> bool {
        let said = match self.cable.as_mut().map(Cable::receive) {
            Some(bytes) => {
                bytes.map_or(String::new(), |bytes| format!("boardSays('{}');", BASE64_STANDARD.encode(bytes)))
            }
            None => {
                thread::sleep(Duration::from_millis(50));
                String::new()
            }
        };
        self.value(&format!("{said} Boolean({condition})")) == true
    }

    fn click(&mut self, id: &str) {
        self.wait_for(&format!("!document.getElementById('{id}').disabled"));
        // As a person's click, which some of what a page may do needs.
        let parameters =
            json!({ "expression": format!("document.getElementById('{id}').click()"), "userGesture": true });
        self.call("Runtime.evaluate", parameters);
    }

    fn text(&mut self, id: &str) -> String {
        self.value(&format!("document.getElementById('{id}').textContent")).as_str().unwrap().to_owned()
    }

    /// Drops files on the page, as a person does.
    fn drop_file(&mut self, path: &Path) {
        let data = json!({ "items": [], "files": [path], "dragOperationsMask": 1 });
        for kind in ["dragEnter", "dragOver", "drop"] {
            self.call("Input.dispatchDragEvent", json!({ "type": kind, "x": 200, "y": 200, "data": data }));
        }
    }

    /// Logits of pictures, from a board of their own with `blob`, and the milliseconds that each took, on one thread.
    fn logits(&mut self, blob: &[u8], pictures: &[&Picture]) -> (Vec<Vec<i32>>, Vec<f64>) {
        const BYTES: &str =
            "const bytes = (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));";
        self.value(&format!(
            "{BYTES} (async () => {{
                const {{ Board }} = await import('./board.js');
                const module = await WebAssembly.compile(await (await fetch('board.wasm')).arrayBuffer());
                globalThis.board = await Board.boot(module, bytes('{}'));
            }})()",
            BASE64_STANDARD.encode(blob),
        ));
        let (mut logits, mut milliseconds) = (Vec::new(), Vec::new());
        for batch in pictures.chunks(100) {
            let mut frames = String::new();
            for Picture { width, height, pixels } in batch {
                let rgba: Vec<u8> = pixels.chunks(3).flat_map(|colours| [colours, &[255]].concat()).collect();
                let _ = write!(frames, "[{width}, {height}, '{}'],", BASE64_STANDARD.encode(rgba));
            }
            let answers = self.value(&format!(
                "{{ {BYTES} const frames = [{frames}].map(([width, height, data]) => ({{ width, height, data: bytes(data) }}));
                frames.map((frame) => {{
                    const start = performance.now();
                    const {{ logits }} = board.see(frame);
                    return [logits, performance.now() - start];
                }}) }}"
            ));
            for (of_frame, time) in serde_json::from_value::<Vec<(Vec<i32>, f64)>>(answers).unwrap() {
                logits.push(of_frame);
                milliseconds.push(time);
            }
        }
        (logits, milliseconds)
    }

    /// What the console says, and requests to others than the page's own server.
    fn complaints(&self) -> Vec<&Value> {
        let is_complaint = |event: &&Value| {
            let parameters = &event["params"];
            match event["method"].as_str() {
                Some("Runtime.exceptionThrown" | "Runtime.consoleAPICalled") => true,
                Some("Log.entryAdded") => parameters["entry"]["level"] == "error",
                Some("Network.requestWillBeSent") => {
                    !parameters["request"]["url"].as_str().unwrap().starts_with(&self.address)
                }
                _ => false,
            }
        };
        self.events.iter().filter(is_complaint).collect()
    }

    fn end(mut self) {
        let requests = self.events.iter().filter(|event| event["method"] == "Network.requestWillBeSent").count();
        assert!(requests > 10, "{requests}: the requests are watched");
        self.value("0");
        assert_eq!(self.complaints(), [&Value::Null; 0]);
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        for process in [&mut self.process, &mut self.server] {
            // It may have ended by itself.
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}
