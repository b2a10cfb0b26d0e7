//! The page in a real Chromium, driven through the pipe of its DevTools protocol: what is tested is what is shipped.

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
    _profile: TempDir,
    _alone: MutexGuard<'static, ()>,
}

impl Chromium {
    fn start(flags: &[String]) -> Self {
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
        chromium.call("Page.navigate", json!({ "url": chromium.address }));
        chromium.wait_for("document.getElementById('card')?.children.length > 0");
        // All samples are looked at.
        chromium.wait_for("document.querySelector('#strip [aria-pressed=true] span')?.textContent === 'deer'");
        chromium
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
            self.events.push(message);
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
        let start = Instant::now();
        while self.value(&format!("Boolean({condition})")) != true {
            assert!(start.elapsed() < PATIENCE, "not in time: {condition}; {:#?}", self.complaints());
            thread::sleep(Duration::from_millis(50));
        }
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

#[test]
fn a_thousand_images_have_the_logits_of_the_host_and_there_are_many_in_a_second() {
    let images = test_images(1000);
    let pictures: Vec<&Picture> = images.iter().map(|(_, picture)| picture).collect();
    let blob = committed();
    let mut chromium = Chromium::start(&[]);
    let (logits, milliseconds) = chromium.logits(&blob, &pictures);
    assert!(logits == host_logits(&blob, &pictures));
    let rate = 1000.0 * milliseconds.len() as f64 / milliseconds.iter().sum::<f64>();
    let quickest = milliseconds.into_iter().fold(f64::INFINITY, f64::min);
    println!("{rate:.0} frames a second on one thread, the quickest in {quickest:.1} ms");
    assert!(rate > 20.0, "{rate} frames a second");
    chromium.end();
}

#[test]
fn pictures_are_seen_as_they_are_and_the_page_works_without_its_server() {
    /// The network's picture, as the page shows it.
    const SEEN: &str = "[...document.getElementById('seen').getContext('2d').getImageData(0, 0, 32, 32).data].filter((_, at) => at % 4 < 3)";
    let images = test_images(200);
    let mut chromium = Chromium::start(&[]);
    let captions =
        chromium.value("[...document.querySelectorAll('#strip span')].map((caption) => caption.textContent)");
    let names = ["deer", "airplane", "automobile", "bird", "cat", "dog", "frog", "horse", "ship", "truck"];
    assert_eq!(captions, json!(names));
    for (place, (name, index)) in SAMPLES.into_iter().enumerate() {
        chromium.value(&format!("document.querySelectorAll('#strip button')[{place}].click()"));
        chromium.wait_for(&format!("document.getElementById('verdict').textContent === '{name}'"));
        assert!(chromium.value(SEEN) == json!(images[index].1.pixels), "{name}");
    }
    // Of 320×256 pixels, of which the middle is the deer again, every pixel a block of 8×8.
    chromium.drop_file(&repository().join("data/samples/deer-320x256.png"));
    chromium.wait_for("document.querySelectorAll('#strip button').length === 11");
    chromium.wait_for("document.querySelector('#strip button span').textContent === 'deer'");
    assert!(chromium.value(SEEN) == json!(images[159].1.pixels));
    chromium.drop_file(&repository().join("data/README.md"));
    chromium.wait_for(
        "document.getElementById('notice').textContent === 'README.md is no picture that this browser can read.'",
    );

    chromium.wait_for("navigator.serviceWorker.controller");
    chromium.server.kill().unwrap();
    chromium.value("document.title = 'before'");
    chromium.call("Page.reload", json!({ "ignoreCache": false }));
    chromium.wait_for("document.title !== 'before' && document.getElementById('verdict')?.textContent === 'deer'");
    chromium.end();
}

/// A file for Chromium's camera: each picture for some frames, every pixel of it 8×8 pixels of the video.
fn write_video(path: &Path, pictures: &[&Picture], frames: usize) {
    let mut video = b"YUV4MPEG2 W256 H256 F10:1 Ip A1:1 C420jpeg\n".to_vec();
    for picture in pictures {
        // ITU-R BT.601, as video has it.
        let plane = |side: usize, offset: f32, [red, green, blue]: [f32; 3]| {
            (0..side * side).map(move |at| {
                let (x, y) = (at % side * 32 / side, at / side * 32 / side);
                let [r, g, b] = [0, 1, 2].map(|colour| f32::from(picture.pixels[3 * (32 * y + x) + colour]) / 255.0);
                (offset + red * r + green * g + blue * b).round() as u8
            })
        };
        let frame: Vec<u8> = plane(256, 16.0, [65.481, 128.553, 24.966])
            .chain(plane(128, 128.0, [-37.797, -74.203, 112.0]))
            .chain(plane(128, 128.0, [112.0, -93.786, -18.214]))
            .collect();
        for _ in 0..frames {
            video.extend(b"FRAME\n");
            video.extend(&frame);
        }
    }
    fs::write(path, video).unwrap();
}

#[test]
fn a_camera_is_used_after_a_key_and_the_classes_of_its_video_are_named_in_turn() {
    let images = test_images(1000);
    let blob = committed();
    let model = Model::load(&blob).unwrap();
    // Of each class the picture that the network has the least doubt about.
    let mut arena = vec![0; model.fast_arena_len()];
    let mut interpreter = Interpreter::new(&model, &mut arena).unwrap();
    let mut probability =
        |class: u8, picture: &Picture| interpreter.classify(&picture.pixels).unwrap().probability(class.into());
    let pictures = (0..10).map(|class| {
        let of_class = images.iter().filter(|(label, _)| *label == class);
        &of_class.max_by_key(|(label, picture)| probability(*label, picture)).unwrap().1
    });
    let pictures: Vec<&Picture> = pictures.collect();
    let folder = tempfile::tempdir().unwrap();
    let video = folder.path().join("classes.y4m");
    write_video(&video, &pictures, 12);

    let flags = ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"].map(str::to_owned);
    let file = format!("--use-file-for-fake-video-capture={}", video.display());
    let mut chromium = Chromium::start(&[&flags[..], &[file]].concat());
    assert_eq!(chromium.value("document.getElementById('video').srcObject"), Value::Null);
    chromium.value("document.getElementById('camera').focus()");
    for kind in ["keyDown", "keyUp"] {
        let key = json!({ "type": kind, "key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13, "text": "\r" });
        chromium.call("Input.dispatchKeyEvent", key);
    }
    chromium.wait_for("!document.getElementById('live').hidden && document.getElementById('rate').textContent !== '–'");

    let names: Vec<&str> = model.graph().labels.iter().collect();
    let mut named: Vec<String> = Vec::new();
    let start = Instant::now();
    // The first one may be that of the picture before, and the second one comes in the middle of its turn.
    while named.len() < names.len() + 3 {
        let verdict = chromium.text("verdict");
        if named.last() != Some(&verdict) {
            named.push(verdict);
        }
        assert!(start.elapsed() < PATIENCE, "{named:?}");
        thread::sleep(Duration::from_millis(20));
    }
    let index = |name: &String| names.iter().position(|label| label == name).unwrap();
    for pair in named[1..].windows(2) {
        assert_eq!(index(&pair[1]), (index(&pair[0]) + 1) % names.len(), "{named:?}");
    }
    let rate: f64 = chromium.text("rate").parse().unwrap();
    println!("{rate} frames a second of a video that has ten");
    assert!((3.0..=12.0).contains(&rate), "{rate}");

    chromium.value("document.getElementById('camera').click()");
    assert_eq!(chromium.value("document.getElementById('video').srcObject"), Value::Null);
    chromium.end();
}

#[test]
fn any_blob_is_taken_and_one_that_is_damaged_or_computes_otherwise_is_refused_in_the_loaders_words() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    };
    let operations = [convolution(8, true), convolution(5, false), vec![Plain::Dense(3, false)]].concat();
    let mut described = network(7, Shape::new(20, 28, 1), &operations);
    described.name = "insects";
    described.labels = ["ant", "bee", "<b>wasp</b>"].map(str::to_owned).to_vec();
    described.decision.threshold = u16::MAX;
    let other = encode(&described).unwrap();
    let mut chromium = Chromium::start(&[]);

    let mut damaged = other.to_vec();
    *damaged.last_mut().unwrap() ^= 1;
    let mut altered = other.to_vec();
    let biases = Model::load(&other).unwrap().steps().last().unwrap().biases.as_ptr().addr() - other.as_ptr().addr();
    altered[biases + 1] ^= 0x40;
    repair_crc(&mut altered);
    let crc32 = Model::load(&AlignedBytes::from(altered.as_slice())).unwrap().crc32();
    let words = |bytes: &[u8]| Model::load(&AlignedBytes::from(bytes)).err().map(|error| error.to_string());
    for (name, bytes, expected) in [
        ("damaged.blob", &damaged[..], words(&damaged).unwrap()),
        ("short.blob", &other[..100], words(&other[..100]).unwrap()),
        ("text.blob", b"no model at all", words(b"no model at all").unwrap()),
        ("altered.blob", &altered, BootError::KnownAnswer { crc32 }.to_string()),
    ] {
        chromium.drop_file(&write(name, bytes));
        let notice = format!("{name} is refused: {expected}. vgg3-full goes on.");
        chromium.wait_for(&format!("document.getElementById('notice').textContent === {}", json!(notice)));
        assert_eq!(chromium.text("verdict"), "deer");
        assert!(chromium.text("card").contains("vgg3-full"));
    }

    chromium.drop_file(&write("insects.blob", &other));
    chromium.wait_for("document.getElementById('verdict').textContent === 'not sure'");
    assert_eq!(chromium.value("document.getElementById('notice').hidden"), true);
    let model = Model::load(&other).unwrap();
    let card = chromium.text("card");
    let crc32 = format!("{:08x}", model.crc32());
    for part in ["insects", "28×20, grey", "ant, bee, <b>wasp</b>", "49.50\u{a0}%", &crc32] {
        assert!(card.contains(part), "{part}: {card}");
    }
    assert_eq!(chromium.value("document.querySelectorAll('#bars li').length"), 3);

    let mut numbers = shared_model::testing::Numbers(3);
    let sizes = [(28, 20), (61, 47), (30, 90), (1, 1), (640, 480)];
    let pictures = sizes.map(|(width, height)| {
        let pixels = numbers.picture(Shape::new(height, width, 3));
        Picture { width, height, pixels }
    });
    let pictures: Vec<&Picture> = pictures.iter().collect();
    let (logits, _) = chromium.logits(&other, &pictures);
    assert_eq!(logits, host_logits(&other, &pictures));
    chromium.end();
}

#[test]
fn the_page_is_small() {
    let site = tempfile::tempdir().unwrap();
    let written = Command::new(env!("CARGO_BIN_EXE_browser")).arg("--output").arg(site.path()).status();
    assert!(written.unwrap().success());
    let mut bytes = 0;
    let mut folders = vec![site.path().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            match entry.file_type().unwrap().is_dir() {
                true => folders.push(entry.path()),
                false => bytes += entry.metadata().unwrap().len(),
            }
        }
    }
    println!("the page has {bytes} bytes, its model among them");
    assert!(bytes < 1_500_000, "{bytes}");
}
