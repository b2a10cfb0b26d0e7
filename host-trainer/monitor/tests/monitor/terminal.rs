//! A person at a terminal: keys in, a screen out.

use std::io::{Read, Write};
use std::num::NonZero;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use protocol::{PictureMode, Request};
use vt100::{Color, Parser};

use super::board::{Image, PATIENCE, listen, sample};

/// Pixels of a sample picture in each direction.
const SIDE: usize = 32;
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
        let command = format!("stty rows {ROWS} cols {COLUMNS}; exec '{program}' {arguments}");
        let mut child = Command::new("script")
            .args([
                "--quiet",
                "--return",
                "--flush",
                "--command",
                &command,
                "/dev/null",
            ])
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
        Self {
            keys: child.stdin.take().unwrap(),
            child,
            output,
            parser: Parser::new(ROWS, COLUMNS, 0),
        }
    }

    fn press(&mut self, key: &str) {
        self.keys.write_all(key.as_bytes()).unwrap();
        self.keys.flush().unwrap();
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

    /// Upper and lower colour of every cell of the picture, which begins below the header and inside its frame.
    fn picture(&self) -> Vec<[Color; 2]> {
        let cells = (0..SIDE as u16 / 2)
            .flat_map(|row| (0..SIDE as u16).map(move |column| (row + 2, column + 1)));
        cells
            .map(|(row, column)| {
                let cell = self.parser.screen().cell(row, column).unwrap();
                assert!(["▀", "", " "].contains(&cell.contents()), "{}", self.text());
                [cell.fgcolor(), cell.bgcolor()]
            })
            .collect()
    }

    /// The rest of the output, after the program has ended by itself.
    fn finish(mut self) -> (Option<i32>, String) {
        let status = self.child.wait().unwrap();
        let rest: Vec<u8> = self.output.iter().flatten().collect();
        self.parser.process(&rest);
        let screen = self.parser.screen();
        assert!(!screen.alternate_screen() && !screen.hide_cursor());
        (status.code(), screen.contents())
    }
}

/// Rows of pixels in pairs, as half blocks show them.
fn half_blocks(image: &Image, colour: impl Fn([u8; 3]) -> Color) -> Vec<[Color; 2]> {
    let pixel = |row: usize, column: usize| {
        let start = 3 * (row * SIDE + column);
        colour([image[start], image[start + 1], image[start + 2]])
    };
    (0..SIDE / 2)
        .flat_map(|row| (0..SIDE).map(move |column| (row, column)))
        .map(|(row, column)| [pixel(2 * row, column), pixel(2 * row + 1, column)])
        .collect()
}

#[test]
fn a_person_sees_the_picture_and_its_class_records_and_quits() {
    let folder = tempfile::tempdir().unwrap();
    let (port, board) = listen([|board| board.stream_frames(0, "deer")]);
    let record = folder.path().to_str().unwrap();
    let mut terminal = Terminal::start(&format!("{port} --record {record}"), "truecolor");
    terminal.await_text("DEER");
    terminal.await_text("vgg3-full, CRC ");
    terminal.await_text("● recording ");
    let expected = half_blocks(&sample("deer"), |[r, g, b]| Color::Rgb(r, g, b));
    terminal.await_screen("deer in colour", |terminal| terminal.picture() == expected);
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
fn a_terminal_without_true_colour_gets_its_256() {
    let (port, board) = listen([|board| board.stream_frames(0, "ship")]);
    let mut terminal = Terminal::start(&port, "");
    terminal.await_text("SHIP");
    terminal.await_screen("indexed colours", |terminal| {
        let picture = terminal.picture();
        let is_indexed = |colour: &Color| matches!(colour, Color::Idx(16..));
        picture.iter().flatten().all(is_indexed)
    });
    terminal.press("\u{3}");
    let (code, text) = terminal.finish();
    assert_eq!(code, Some(0), "{text}");
    board.join().unwrap();
}

#[test]
fn a_lost_board_is_said_and_its_last_picture_stays() {
    let (port, board) = listen([|mut board| {
        board.await_request(Request::Pictures(PictureMode::Every));
        board.frame(41, "deer");
    }]);
    let mut terminal = Terminal::start(&port, "truecolor");
    terminal.await_text("○ connection lost");
    terminal.await_text("next attempt in");
    terminal.await_text("frame 41, the last one");
    let expected = half_blocks(&sample("deer"), |[r, g, b]| Color::Rgb(r, g, b));
    assert_eq!(terminal.picture(), expected);
    board.join().unwrap();
    terminal.press("\u{1b}");
    let (code, text) = terminal.finish();
    assert_eq!(code, Some(0), "{text}");
}
