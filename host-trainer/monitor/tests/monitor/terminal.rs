//! A person at a terminal: keys in, a screen out.

use std::fs;
use std::io::{Read, Write};
use std::num::NonZero;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use vt100::{Color, Parser};

use super::board::{EVERY, PATIENCE, listen};
use board_client::fixtures::{full_frame_pixels, image};

const ROWS: NonZero<u16> = NonZero::new(24).unwrap();
const COLUMNS: NonZero<u16> = NonZero::new(80).unwrap();

/// The monitor in a pseudo-terminal of 80×24, and what is on its screen.
struct Terminal {
    child: Child,
    keys: ChildStdin,
    output: Receiver<Vec<u8>>,
    parser: Parser,
}

impl Terminal {
    fn start(arguments: &str, colorterm: &str) -> Self {
        Self::start_after("", arguments, colorterm)
    }

    /// `script` makes the pseudo-terminal and passes everything through; `before` is a command of the shell.
    fn start_after(before: &str, arguments: &str, colorterm: &str) -> Self {
        let program = env!("CARGO_BIN_EXE_monitor");
        // The settings that are left in the end are shown.
        let command =
            format!("stty rows {ROWS} cols {COLUMNS}; {before} '{program}' {arguments}; code=$?; stty -a; exit $code");
        let mut child = Command::new("script")
            .args(["--quiet", "--return", "--flush", "--command", &command, "/dev/null"])
            .env("TERM", "xterm-256color")
            .env("COLORTERM", colorterm)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("`script` is missing: apt-get install bsdutils");
        let mut stdout = child.stdout.take().unwrap();
        let (sender, output) = mpsc::channel();
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(len @ 1..) = stdout.read(&mut bytes) {
                let _ = sender.send(bytes[..len].to_vec());
            }
        });
        Self { keys: child.stdin.take().unwrap(), child, output, parser: Parser::new(ROWS, COLUMNS, 0) }
    }

    fn press(&mut self, key: &str) {
        self.keys.write_all(key.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    /// Sends the monitor a signal.
    fn signal(&self, name: &str) {
        let child = |process: &str| {
            let children = std::fs::read_to_string(format!("/proc/{process}/task/{process}/children")).unwrap();
            children.trim().to_owned()
        };
        // The child of the shell that is `script`'s.
        let monitor = child(&child(&self.child.id().to_string()));
        assert!(Command::new("kill").args(["-s", name, &monitor]).status().unwrap().success());
    }

    fn text(&self) -> String {
        self.parser.screen().contents()
    }

    /// Waits until the screen is as it should be.
    fn await_screen(&mut self, what: &str, is_there: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            if let Ok(bytes) = self.output.recv_timeout(Duration::from_millis(100)) {
                self.parser.process(&bytes);
            }
            if is_there(self) {
                return;
            }
        }
        panic!("no {what} on the screen:\n{}", self.text());
    }

    fn await_text(&mut self, text: &str) {
        self.await_screen(text, |terminal| terminal.text().contains(text));
    }

    /// Colours of the picture's pixels, two in a cell, which begin below the header and inside its frame.
    fn picture(&self) -> Vec<Color> {
        let pixels = (0..32).flat_map(|y| (0..32).map(move |x| (x, y)));
        let pixels = pixels.map(|(x, y)| {
            let cell = self.parser.screen().cell(y / 2 + 2, x + 1).unwrap();
            assert!(["▀", "", " "].contains(&cell.contents()), "{}", self.text());
            if y % 2 == 0 { cell.fgcolor() } else { cell.bgcolor() }
        });
        pixels.collect()
    }

    /// The rest of the output, after the program has ended by itself.
    fn finish(mut self) -> (Option<i32>, String) {
        let status = self.child.wait().unwrap();
        let rest: Vec<u8> = self.output.iter().flatten().collect();
        self.parser.process(&rest);
        let screen = self.parser.screen();
        assert!(!screen.alternate_screen() && !screen.hide_cursor());
        let text = screen.contents();
        for setting in ["icanon", "echo", "isig"] {
            assert!(text.split_whitespace().any(|word| word == setting), "{setting}: {text}");
        }
        (status.code(), text)
    }
}

fn has_true_colours(terminal: &Terminal) -> bool {
    let image = image();
    let colours = image.chunks(3).map(|pixel| Color::Rgb(pixel[0], pixel[1], pixel[2]));
    colours.eq(terminal.picture())
}

#[test]
fn a_person_sees_the_picture_and_its_class_records_and_quits() {
    let folder = tempfile::tempdir().unwrap();
    let (port, board) = listen([|board| board.stream_frames()]);
    let record = folder.path().to_str().unwrap();
    let mut terminal = Terminal::start(&format!("{port} --record {record}"), "truecolor");
    terminal.await_text("DEER");
    terminal.await_text("vgg3-full, CRC ");
    terminal.await_text("● recording ");
    terminal.await_screen("picture in colour", has_true_colours);
    terminal.press("r");
    terminal.await_text("r record");
    assert!(!terminal.text().contains("● recording "));
    terminal.press("q");
    let (code, text) = terminal.finish();
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains(" frames with pictures; messages: "), "{text}");
    board.join().unwrap();
    let pictures = folder.path().join("deer").read_dir().unwrap().count();
    assert!(pictures > 0, "{text}");
}

#[test]
fn a_lost_board_is_said_and_its_last_picture_stays() {
    for (colorterm, key) in [("truecolor", "\u{1b}"), ("", "\u{3}")] {
        let (port, board) = listen([|mut board| {
            board.await_request(EVERY);
            board.frame(41);
        }]);
        let mut terminal = Terminal::start(&port, colorterm);
        terminal.await_text("○ connection lost");
        terminal.await_text("next attempt in");
        terminal.await_text("frame 41, the last one");
        let picture = terminal.picture();
        // A terminal without true colour gets its 256.
        let is_indexed = picture.iter().all(|colour| matches!(colour, Color::Idx(16..)));
        assert_eq!(is_indexed, colorterm.is_empty(), "{}", terminal.text());
        assert!(is_indexed || has_true_colours(&terminal));
        board.join().unwrap();
        terminal.press(key);
        let (code, text) = terminal.finish();
        assert_eq!(code, Some(0), "{text}");
    }
}

#[test]
fn a_signal_leaves_board_and_terminal_as_they_were() {
    for signal in ["INT", "TERM", "HUP"] {
        let (port, board) = listen([super::lines::silent]);
        let mut terminal = Terminal::start(&port, "truecolor");
        terminal.await_text("connected");
        terminal.signal(signal);
        let (code, text) = terminal.finish();
        assert_eq!(code, Some(0), "{signal}: {text}");
        assert!(text.contains("0 frames with pictures; messages: "), "{signal}: {text}");
        board.join().unwrap();
    }
}

/// Pictures of a class, in order of their names.
fn pictures(folder: &Path, class: &str) -> Vec<String> {
    let entries = fs::read_dir(folder.join(class)).into_iter().flatten();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// The texts of a PNG file, each behind its keyword, as they stand in its chunks.
fn texts(path: &Path) -> Vec<(String, String)> {
    let bytes = fs::read(path).unwrap();
    let mut rest = &bytes[8..];
    let mut texts = Vec::new();
    while let Some((head, behind)) = rest.split_first_chunk::<8>() {
        let len = u32::from_be_bytes(head[..4].try_into().unwrap()) as usize;
        if &head[4..] == b"tEXt" {
            let text = std::str::from_utf8(&behind[..len]).unwrap();
            let (keyword, text) = text.split_once('\0').unwrap();
            texts.push((keyword.to_string(), text.to_string()));
        }
        rest = &behind[len + 4..];
    }
    texts
}

/// Whether the list of classes has a line of that key, name and count.
fn has_class(terminal: &Terminal, key: char, name: &str, count: u32) -> bool {
    terminal.text().lines().any(|line| {
        let words: Vec<_> =
            line.rsplit("││").next().unwrap_or("").trim_matches(['│', '▸', ' ']).split_whitespace().collect();
        words == [key.to_string().as_str(), name, &count.to_string()]
    })
}

#[test]
fn a_person_takes_pictures_of_classes_old_and_new_and_takes_them_back() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::create_dir(folder.join("ant")).unwrap();
    fs::write(folder.join("ant/000041.png"), "mine").unwrap();
    let (port, board) = listen([|board| board.stream_frames()]);
    let mut terminal = Terminal::start(&format!("{port} --capture {}", folder.display()), "truecolor");
    // Folders are before the labels of the board.
    terminal.await_screen("counter", |terminal| has_class(terminal, '1', "ant", 1));
    terminal.await_screen("label", |terminal| has_class(terminal, '4', "automobile", 0));
    terminal.await_text("burst of 10, 0.3 s apart");
    terminal.await_text("full frames 40×30, ");
    terminal.press(" ");
    terminal.await_text("choose a class first");
    terminal.press("1 ");
    terminal.await_text("ant: 000042.png taken");
    terminal.await_screen("counter", |terminal| has_class(terminal, '1', "ant", 2));
    // Names that lead elsewhere are refused, and can be put right.
    terminal.press("n../mug\r");
    terminal.await_text("a name is that of a folder");
    terminal.press(&"\u{7f}".repeat(6));
    terminal.press("mug\r");
    terminal.await_text("mug: space takes a picture");
    terminal.press("b");
    terminal.await_text("mug: 10 pictures taken, up to");
    terminal.await_screen("counter", |terminal| has_class(terminal, '5', "mug", 10));
    let mug = pictures(folder, "mug");
    assert_eq!(mug, (1..=10).map(|number| format!("{number:06}.png")).collect::<Vec<_>>());
    let keywords = |path: &Path| texts(path).into_iter().map(|(keyword, _)| keyword).collect::<Vec<_>>();
    assert_eq!(keywords(&folder.join("ant/000042.png")), ["Creation Time"]);
    let bursts: Vec<_> = mug.iter().map(|name| texts(&folder.join("mug").join(name)).pop().unwrap()).collect();
    assert!(bursts.iter().all(|burst| burst.0 == "burst" && *burst == bursts[0]), "{bursts:?}");
    let picture = image::open(folder.join("mug/000010.png")).unwrap().to_rgb8();
    assert_eq!((picture.dimensions(), picture.into_raw()), full_frame_pixels());
    // A single one more, which alone is taken back; then the burst stays, after a question.
    terminal.press(" ");
    terminal.await_text("mug: 000011.png taken");
    terminal.press("u");
    terminal.await_text("remove mug/000011.png?");
    terminal.press("u");
    terminal.await_text("mug: 1 picture removed");
    terminal.press("u");
    terminal.await_text("mug/000010.png?");
    terminal.press("x");
    terminal.await_text("kept");
    terminal.await_screen("counter", |terminal| has_class(terminal, '5', "mug", 10));
    terminal.press("q");
    let (code, text) = terminal.finish();
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("11 pictures taken"), "{text}");
    board.join().unwrap();
    assert_eq!(pictures(folder, "mug"), mug);
    assert_eq!(pictures(folder, "ant"), ["000041.png", "000042.png"]);
    assert_eq!(fs::read(folder.join("ant/000041.png")).unwrap(), b"mine");
}

#[test]
fn a_full_disk_is_said_and_leaves_no_part_of_a_picture() {
    let folder = tempfile::tempdir().unwrap();
    let (port, board) = listen([|mut board| {
        board.is_old = true;
        board.stream_frames();
    }]);
    // No file may have a byte.
    let arguments = format!("{port} --capture {}", folder.path().display());
    let mut terminal = Terminal::start_after("trap '' XFSZ; ulimit -f 0;", &arguments, "truecolor");
    terminal.await_text("32×32, no full frames");
    terminal.press("1 ");
    terminal.await_text("nothing was taken");
    terminal.press("b");
    terminal.await_text("nothing was taken");
    terminal.press("q");
    let (code, text) = terminal.finish();
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("0 pictures taken"), "{text}");
    board.join().unwrap();
    assert_eq!(folder.path().read_dir().unwrap().count(), 0);
}
