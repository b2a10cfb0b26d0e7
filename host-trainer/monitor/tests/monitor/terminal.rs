//! A person at a terminal: keys in, a screen out.

use std::io::{Read, Write};
use std::num::NonZero;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use vt100::{Color, Parser};

use super::board::{EVERY, PATIENCE, listen};
use super::fixtures::image;

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
    /// `script` makes the pseudo-terminal and passes everything through.
    fn start(arguments: &str, colorterm: &str) -> Self {
        let program = env!("CARGO_BIN_EXE_monitor");
        // The settings that are left in the end are shown.
        let command = format!("stty rows {ROWS} cols {COLUMNS}; '{program}' {arguments}; code=$?; stty -a; exit $code");
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
