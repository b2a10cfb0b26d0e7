use super::*;
use board_client::capture::BURST_SPACING;
use board_client::fixtures::{frame, full_frame, full_frame_pixels, image, introduction, picture};
use board_client::line::Event;
use protocol::{Message, PictureMode, Request, Verdict};
use std::collections::BTreeSet;

const MS: fn(u64) -> Duration = Duration::from_millis;
const ONCE: Option<Request<'static>> = Some(Request::FullFrames(PictureMode::Once));
const EVERY: Option<Request<'static>> = Some(Request::FullFrames(PictureMode::Every));

/// Keywords and texts of a PNG file.
type Texts = Vec<(String, String)>;

/// A board, a folder and a person; the time passes only when told to.
struct Desk {
    folder: tempfile::TempDir,
    keys: Keys,
    state: State,
    now: Duration,
    counter: u32,
}

impl Desk {
    /// A board has said what it is.
    fn new(when: Option<When>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let keys = Keys::start(folder.path(), when).unwrap();
        let now = Duration::ZERO;
        let mut desk = Self { folder, keys, state: State::new(now), now, counter: 0 };
        desk.receive(&introduction(0));
        desk
    }

    fn apply(&mut self, event: &Event<'_>) {
        self.state.apply(event, self.now);
        self.keys.capture.apply(event, &self.state, self.now);
    }

    fn receive(&mut self, messages: &[Message<'_>]) {
        for message in messages {
            self.apply(&Event::Message(message));
        }
    }

    /// The board sends a frame with its picture, and a full frame if it is asked for one; gives what it is asked for.
    fn frame(&mut self, verdict: Verdict) -> Option<Request<'static>> {
        let request = self.keys.capture.request(&self.state, self.now);
        self.counter += 1;
        self.now += MS(50);
        self.receive(&[Message::Frame(protocol::FrameReport { verdict, ..frame(self.counter) })]);
        self.receive(&picture(self.counter, &image()));
        if request.is_some() || self.keys.capture.unsorted.is_some() {
            self.receive(&full_frame(self.counter));
        }
        request
    }

    fn frames(&mut self, count: u32) {
        for _ in 0..count {
            self.frame(SURE);
        }
    }

    fn type_keys(&mut self, keys: &str) {
        for letter in keys.chars() {
            let key = if letter == '\n' { KeyCode::Enter } else { KeyCode::Char(letter) };
            assert!(self.keys.press(key, &self.state, self.now), "{letter}");
        }
    }

    /// All files, in order.
    fn files(&self) -> Vec<String> {
        let mut folders = vec![self.folder.path().to_path_buf()];
        let mut files = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    files.push(path.strip_prefix(self.folder.path()).unwrap().to_str().unwrap().to_string());
                }
            }
        }
        files.sort();
        files
    }

    /// Size and texts of a picture.
    fn png(&self, file: &str) -> ((u32, u32), Texts, Vec<u8>) {
        let file = io::BufReader::new(fs::File::open(self.folder.path().join(file)).unwrap());
        let mut reader = png::Decoder::new(file).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut pixels).unwrap();
        let info = reader.info();
        let texts = info.uncompressed_latin1_text.iter().map(|text| (text.keyword.clone(), text.text.clone()));
        (info.size(), texts.collect(), pixels)
    }

    fn burst(&self, file: &str) -> Option<String> {
        let (_, texts, _) = self.png(file);
        texts.into_iter().find(|(keyword, _)| keyword == "burst").map(|(_, text)| text)
    }

    fn class_count(&self, name: &str) -> u64 {
        self.keys.capture.classes.iter().find(|class| class.name == name).unwrap().pictures
    }
}

const SURE: Verdict = Verdict::Class { class: 1, probability: 0xe000 };

#[test]
fn classes_are_folders_then_labels_and_their_keys_stay() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["deer", "_none", "_unsorted", ".git", "ant/below"] {
        fs::create_dir_all(folder.path().join(name)).unwrap();
    }
    for name in ["deer/1.PNG", "ant/a.jpeg", "ant/below/b.webp", "ant/Thumbs.db", "ant/.hidden.png", "_unsorted/1.png"]
    {
        fs::write(folder.path().join(name), "").unwrap();
    }
    let mut desk = Desk { keys: Keys::start(folder.path(), Some(When::Unsure)).unwrap(), folder, ..Desk::new(None) };
    let named = |desk: &Desk| -> Vec<(char, String, u64)> {
        desk.keys.capture.keys().map(|(key, class)| (key.unwrap(), class.name.clone(), class.pictures)).collect()
    };
    let before = named(&desk);
    let list =
        |list: &[(char, &str, u64)]| list.iter().map(|(key, name, count)| (*key, name.to_string(), *count)).collect();
    let folders: Vec<_> = list(&[('1', "_none", 0), ('2', "ant", 2), ('3', "deer", 1)]);
    assert_eq!(before, folders);
    assert_eq!(desk.keys.capture.unsorted, Some(1));
    // The label that would command the terminal is none that a folder had.
    desk.receive(&introduction(0));
    desk.receive(&introduction(0));
    let labels: Vec<_> = list(&[('4', "cat", 0), ('5', "automobile", 0)]);
    assert_eq!(named(&desk), [folders, labels].concat());
    desk.type_keys("nzebra\n");
    assert_eq!(desk.keys.capture.chosen, Some(5));
    desk.type_keys("3");
    assert_eq!(desk.keys.capture.chosen, Some(2));
    desk.keys.press(KeyCode::Down, &desk.state, desk.now);
    desk.keys.press(KeyCode::Down, &desk.state, desk.now);
    assert_eq!(desk.keys.capture.chosen, Some(4));
    desk.keys.press(KeyCode::Up, &desk.state, desk.now);
    assert_eq!(desk.keys.capture.chosen, Some(3));
    // No key has two meanings.
    let keys: BTreeSet<char> = CLASS_KEYS.chars().chain("bnqu".chars()).collect();
    assert_eq!(keys.len(), CLASS_KEYS.len() + 4);
}

#[test]
fn a_data_set_that_is_split_already_is_no_folder_of_classes() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("train")).unwrap();
    let error = Keys::start(folder.path(), None).unwrap_err().to_string();
    assert!(error.contains("such as --capture ") && error.ends_with("/train"), "{error}");
    Keys::start(&folder.path().join("train"), None).unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let error = Keys::start(&file, None).unwrap_err().to_string();
    assert!(error.starts_with("cannot take pictures into "), "{error}");
}

#[test]
fn one_picture_is_the_next_full_frame_with_its_time() {
    let mut desk = Desk::new(None);
    // The first one only shows how long they take.
    assert_eq!(desk.frame(SURE), ONCE);
    desk.frames(3);
    assert_eq!(desk.keys.capture.request(&desk.state, desk.now), None);
    desk.type_keys(" ");
    assert!(desk.keys.capture.notice.is_bad, "no class is chosen");
    desk.type_keys("1 ");
    assert_eq!(desk.files(), [""; 0]);
    assert_eq!(desk.frame(SURE), ONCE);
    desk.frames(3);
    assert_eq!(desk.files(), ["cat/000001.png"]);
    assert_eq!(desk.class_count("cat"), 1);
    let (size, texts, pixels) = desk.png("cat/000001.png");
    assert_eq!((size, pixels), full_frame_pixels());
    let [(keyword, time)] = &texts[..] else { panic!("{texts:?}") };
    assert_eq!((keyword.as_str(), time.len()), ("Creation Time", "2026-02-28T23:59:59.250Z".len()));
    assert!(time.starts_with("20") && time.ends_with('Z'), "{time}");
}

#[test]
fn a_burst_has_one_mark_and_takes_its_time() {
    let mut desk = Desk::new(None);
    desk.frames(1);
    desk.type_keys("1bb ");
    let start = desk.now;
    while desk.files().len() < BURST_LEN as usize {
        desk.frames(1);
    }
    assert!(desk.now - start >= (BURST_LEN - 1) * BURST_SPACING);
    desk.frames(20);
    assert_eq!(desk.files().len(), BURST_LEN as usize, "keys meanwhile are of no use");
    desk.type_keys("b");
    desk.frames(100);
    let bursts: Vec<_> = desk.files().iter().map(|file| desk.burst(file).unwrap()).collect();
    let (first, second) = bursts.split_at(BURST_LEN as usize);
    assert_eq!(second.len(), BURST_LEN as usize);
    assert!(first.iter().all(|burst| *burst == first[0]) && second.iter().all(|burst| *burst == second[0]));
    assert_ne!(first[0], second[0]);
}

#[test]
fn numbers_go_on_and_nothing_is_overwritten() {
    let mut desk = Desk::new(None);
    let deer = desk.folder.path().join("deer");
    fs::create_dir(&deer).unwrap();
    for name in ["000007.png", "12.jpg", "mine.png", "000013.png.part"] {
        fs::write(deer.join(name), "mine").unwrap();
    }
    // A name that is taken, but by no picture.
    fs::create_dir(deer.join("000013.png")).unwrap();
    desk.frames(1);
    desk.type_keys("2 ");
    desk.frames(1);
    desk.type_keys(" ");
    desk.frames(1);
    let files = ["000007.png", "000013.png.part", "000014.png", "000015.png", "12.jpg", "mine.png"];
    assert_eq!(desk.files(), files.map(|name| format!("deer/{name}")));
    assert_eq!(fs::read(deer.join("000007.png")).unwrap(), b"mine");
    assert_eq!(desk.class_count("deer"), 5);
}

#[test]
fn undo_asks_first_and_removes_what_was_taken_since_the_start() {
    let mut desk = Desk::new(None);
    fs::create_dir(desk.folder.path().join("deer")).unwrap();
    fs::write(desk.folder.path().join("deer/1.png"), "mine").unwrap();
    desk.type_keys("u");
    assert!(desk.keys.dialog.is_none(), "there is nothing to be removed");
    desk.frames(1);
    desk.type_keys("2 ");
    desk.frames(1);
    desk.type_keys("1b");
    desk.frames(100);
    assert_eq!((desk.files().len(), desk.class_count("cat")), (12, 10));
    desk.type_keys("u");
    let Some(Dialog::Undo(question)) = &desk.keys.dialog else { panic!("it asks") };
    assert_eq!(question, "remove 10 pictures from cat/000001.png to cat/000010.png? u removes, any other key keeps");
    // The other key keeps, and does nothing else.
    desk.type_keys("2");
    assert_eq!((desk.files().len(), desk.keys.capture.chosen), (12, Some(0)));
    // One was sorted elsewhere meanwhile.
    fs::rename(desk.folder.path().join("cat/000003.png"), desk.folder.path().join("deer/x.png")).unwrap();
    desk.type_keys("uu");
    assert_eq!(desk.files(), ["deer/000002.png", "deer/1.png", "deer/x.png"]);
    assert!(!desk.folder.path().join("cat").exists(), "it was made for them");
    assert_eq!(desk.class_count("cat"), 0);
    desk.type_keys("uuuu");
    assert_eq!(desk.files(), ["deer/1.png", "deer/x.png"]);
    assert_eq!(desk.keys.summary(), format!("0 pictures taken into {}", desk.folder.path().display()));
    // A burst that runs is stopped first.
    desk.type_keys("1b");
    desk.frames(10);
    desk.type_keys("uu");
    desk.frames(10);
    assert_eq!(desk.files().len(), 2);
}

#[test]
fn what_the_model_is_not_sure_of_is_kept_once_a_second_and_doubts_are_bursts() {
    let mut desk = Desk::new(Some(When::Unsure));
    assert_eq!(desk.frame(Verdict::NotSure), EVERY);
    for _ in 0..40 {
        assert_eq!(desk.frame(Verdict::NotSure), None, "all come");
    }
    desk.frames(30);
    let kept: Vec<_> = (1..=3).map(|number| format!("_unsorted/{number:06}.png")).collect();
    assert_eq!(desk.files(), kept);
    desk.frame(Verdict::NotSure);
    // What a person takes is not kept once more.
    desk.type_keys("1 ");
    desk.frames(30);
    desk.type_keys(" ");
    desk.frame(Verdict::NotSure);
    assert_eq!(desk.files().len(), 6);
    let bursts: Vec<_> = desk.files()[..4].iter().map(|file| desk.burst(file)).collect();
    assert!(bursts[0].is_some() && bursts[1] == bursts[0] && bursts[2] == bursts[0]);
    assert!(bursts[3].is_some() && bursts[3] != bursts[0]);
    assert_eq!((desk.keys.capture.unsorted, desk.class_count("cat")), (Some(4), 2));
    desk.type_keys("uuuuuu");
    assert_eq!(desk.files().len(), 4, "undo is for what was taken");
}

#[test]
fn a_full_frame_that_does_not_come_is_asked_for_again() {
    let mut desk = Desk::new(None);
    let mut asked = Vec::new();
    for counter in 0..10 {
        asked.push(desk.keys.capture.request(&desk.state, desk.now).is_some());
        // One of its chunks is lost.
        desk.receive(&[&[Message::Frame(frame(counter))], &full_frame(counter)[..2]].concat());
    }
    assert_eq!(asked, [true, false, false, true, false, false, true, false, false, true]);
    // A new connection forgets what was asked for.
    desk.apply(&Event::Connected);
    assert_eq!(desk.keys.capture.request(&desk.state, desk.now), ONCE);
}

#[test]
fn a_board_without_full_frames_gives_what_the_network_saw() {
    let mut desk = Desk::new(None);
    desk.receive(&[Message::Unsupported { request: 4 }]);
    desk.type_keys("1 ");
    assert_eq!(desk.frame(SURE), None);
    let (size, _, pixels) = desk.png("cat/000001.png");
    assert_eq!((size, pixels), ((32, 32), image()));
}

#[test]
fn what_goes_wrong_is_said_and_taking_goes_on() {
    let mut desk = Desk::new(None);
    desk.frames(1);
    // A connection that is lost ends a burst.
    desk.type_keys("1b");
    desk.frames(8);
    desk.apply(&Event::Lost { reason: String::from("unplugged"), retry_in: None });
    assert_eq!(desk.keys.capture.notice.text, "only 2 pictures taken: the connection was lost");
    desk.type_keys(" ");
    assert_eq!(desk.keys.capture.notice.text, "there is no connection to take a picture from");
    desk.apply(&Event::Connected);
    // A folder that is gone does not come back by itself: it may be on a disk that was taken out.
    let elsewhere = desk.folder.path().with_extension("elsewhere");
    fs::rename(desk.folder.path(), &elsewhere).unwrap();
    desk.type_keys(" ");
    desk.frames(4);
    assert!(desk.keys.capture.notice.is_bad);
    let notice = &desk.keys.capture.notice.text;
    assert!(notice.starts_with("nothing was taken: cannot make "), "{notice}");
    assert_eq!(desk.class_count("cat"), 0);
    fs::rename(&elsewhere, desk.folder.path()).unwrap();
    // But a class's folder does.
    fs::remove_dir_all(desk.folder.path().join("cat")).unwrap();
    desk.type_keys(" ");
    desk.frames(4);
    assert_eq!(desk.files(), ["cat/000001.png"]);
    assert_eq!(desk.keys.capture.notice.text, "cat: 000001.png taken");
}
