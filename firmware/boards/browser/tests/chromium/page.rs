//! The browser as a board: pictures, a webcam and models.

use super::*;

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

    // Its pictures become training data as well: those of the camera, and not what the network sees of them.
    chromium.value("document.getElementById('capture').open = true");
    chromium.value("document.getElementById('class-name').value = 'mug'");
    chromium.value("document.getElementById('new-class').requestSubmit()");
    chromium.click("burst");
    chromium.wait_for(&format!("{} === 10", board::taken("mug")));
    let folder = tempfile::tempdir().unwrap();
    for (name, picture) in board::download(&mut chromium, folder.path(), 10) {
        assert!(name.starts_with("photos/mug/") && picture.dimensions() == (256, 256), "{name}");
    }

    chromium.value("document.getElementById('camera').click()");
    assert_eq!(chromium.value("document.getElementById('video').srcObject"), Value::Null);
    chromium.click("take");
    chromium.wait_for("document.getElementById('taking').textContent === 'start the camera first'");
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
