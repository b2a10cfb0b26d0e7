//! The page at the other end of a board's line: [`board_client`] for a page that has a port, a clock and a screen.
//!
//! An instance of the module is one client; boards may come and go on its line. The page calls [`client_time`] before anything else,
//! hands over what came, sends what [`client_advance`] gives, and shows what [`client_view`] says.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use board_client::capture::{Album, Capture, file_name, png};
use board_client::deployment::{Deployment, Offer, Task};
use board_client::diagnosis::{Check, Diagnosis, OFF, checks};
use board_client::line::{Asked, Event, Receiver, Step, wire};
use board_client::state::{Connection, Picture, State};
use board_client::text::{date_time, faults, fraction, stages, thousands, time};
use protocol::{Message, Request, Shape, TimeUnit, Verdict};
use serde::Serialize;

use crate::memory;
use crate::zip::{MOST_FILES, Zip};

/// The most bytes of all pictures: a zip file of them is made beside them.
const MOST_BYTES: usize = 512 << 20;
/// The folder in the zip file, which the trainer takes.
const FOLDER: &str = "photos";
/// Lines of the log that are shown.
const LOG_LINES: usize = 8;

/// Pictures that the page keeps.
struct Pages {
    classes: BTreeMap<String, Vec<(String, Vec<u8>)>>,
    /// Bytes of all pictures.
    len: usize,
    /// Since 1970.
    date: Duration,
    /// What the names of all files begin with, so that unpacking them beside others replaces none: the date when the page began.
    prefix: String,
    /// Bursts have it in their names, and a count.
    random: u32,
    bursts: u32,
}

impl Album for Pages {
    fn count(&self, class: &str) -> u64 {
        self.classes.get(class).map_or(0, |pictures| pictures.len() as u64)
    }

    fn add(&mut self, class: &str, picture: &Picture, burst: Option<&str>) -> Result<String, String> {
        if self.len >= MOST_BYTES || self.files() >= MOST_FILES {
            return Err("the page has no room for more: download the pictures, and load it anew".to_owned());
        }
        let png = png(picture, self.date, burst)?;
        if self.prefix.is_empty() {
            self.prefix = date_time(self.date).replace([':', '-'], "").chars().take("20260228T235959".len()).collect();
        }
        self.len += png.len();
        let pictures = self.classes.entry(class.to_owned()).or_default();
        // Behind the last one: those before it may have been removed.
        let number = pictures.last().and_then(|(name, _)| name.rsplit(['-', '.']).nth(1)?.parse().ok()).unwrap_or(0);
        let name = format!("{}-{}", self.prefix, file_name(number + 1));
        pictures.push((name.clone(), png));
        Ok(name)
    }

    fn remove(&mut self, class: &str, name: &str) -> Result<(), String> {
        if let Some(pictures) = self.classes.get_mut(class) {
            pictures.retain(|(other, _)| other != name);
        }
        self.classes.retain(|_, pictures| !pictures.is_empty());
        self.len = self.classes.values().flatten().map(|(_, png)| png.len()).sum();
        Ok(())
    }

    fn new_burst(&mut self) -> String {
        self.bursts += 1;
        format!("{}-{:08x}-{}", date_time(self.date), self.random, self.bursts)
    }
}

impl Pages {
    fn files(&self) -> usize {
        self.classes.values().map(Vec::len).sum()
    }

    fn zip(&self) -> Vec<u8> {
        let mut zip = Zip::default();
        for (class, pictures) in &self.classes {
            for (name, png) in pictures {
                zip.add(&format!("{FOLDER}/{class}/{name}"), png);
            }
        }
        zip.finish()
    }
}

/// What goes on with the board beside its frames.
enum Talk {
    /// What models it has.
    List(Deployment<'static>),
    /// Another one, of so many bytes if it is sent.
    Change(Deployment<'static>, u32),
    Diagnosis(Box<Diagnosis>),
}

impl Talk {
    fn apply(&mut self, event: &Event<'_>, now: Duration) {
        match self {
            Self::List(deployment) | Self::Change(deployment, _) => deployment.apply(event, now),
            Self::Diagnosis(diagnosis) => diagnosis.apply(event, now),
        }
    }

    /// At its end, what has failed.
    fn advance(&mut self, now: Duration) -> Step<'static, Option<String>> {
        match self {
            Self::List(deployment) | Self::Change(deployment, _) => {
                deployment.advance(now).map_end(|end| end.err().map(|problem| problem.to_string()))
            }
            Self::Diagnosis(diagnosis) => diagnosis.advance(now).map_end(|()| None),
        }
    }
}

/// What is known of the board's models.
#[derive(Default, Serialize)]
struct Models {
    /// What there are, and what the board takes; or why that is not known.
    listed: Option<String>,
    /// Results of what was asked for last.
    said: Vec<String>,
    /// Why that has failed.
    problem: Option<String>,
}

#[derive(Default, Serialize)]
struct Diagnosed {
    /// What is going on.
    said: Option<String>,
    checks: Vec<Check>,
}

struct Client {
    now: Duration,
    receiver: Receiver,
    state: State,
    asked: Asked,
    capture: Capture<Pages>,
    /// Pictures are taken of the page's own camera, and not of a board's.
    has_page_camera: bool,
    talk: Option<Talk>,
    /// The board shall be asked for its models by itself.
    wants_list: bool,
    models: Models,
    diagnosed: Diagnosed,
    /// What is to be sent first.
    due: Vec<Request<'static>>,
    outgoing: Vec<u8>,
}

impl Client {
    fn new(random: u32) -> Self {
        let album =
            Pages { classes: BTreeMap::new(), len: 0, date: Duration::ZERO, prefix: String::new(), random, bursts: 0 };
        let mut state = State::new(Duration::ZERO);
        // A reason follows with the first try.
        state.connection = Connection::Down { reason: String::new(), retry_at: None };
        Self {
            now: Duration::ZERO,
            receiver: Receiver::default(),
            state,
            asked: Asked::default(),
            capture: Capture::start(album, &[], false),
            has_page_camera: false,
            talk: None,
            wants_list: false,
            models: Models::default(),
            diagnosed: Diagnosed::default(),
            due: Vec::new(),
            outgoing: Vec::new(),
        }
    }

    fn happen(&mut self, event: &Event<'_>) {
        self.state.apply(event, self.now);
        if !self.has_page_camera {
            self.capture.apply(event, &self.state, self.now);
        }
        if let Some(talk) = &mut self.talk {
            talk.apply(event, self.now);
        }
        match event {
            Event::Connected => {
                self.asked = Asked::default();
                self.wants_list = true;
            }
            // Another model may run now.
            Event::Message(Message::Start(_)) => self.wants_list = true,
            Event::Message(_) | Event::Lost { .. } | Event::OtherVersion(_) | Event::Received(_) => {}
        }
    }

    fn receive(&mut self, bytes: &[u8]) {
        let mut receiver = std::mem::take(&mut self.receiver);
        receiver.receive(bytes, |event| self.happen(&event));
        self.receiver = receiver;
    }

    /// Begins to talk about something that a person wants; the list of models can wait, nothing else does.
    fn begin(&mut self, talk: Talk) {
        if !self.is_busy() {
            // Pictures would keep a slow line from what is sent; they are asked for again at the end.
            self.due.extend(OFF);
            (self.talk, self.wants_list) = (Some(talk), true);
        }
    }

    /// Whether there is a talk that a person wanted.
    fn is_busy(&self) -> bool {
        match &self.talk {
            Some(Talk::Change(..) | Talk::Diagnosis(_)) => true,
            Some(Talk::List(_)) | None => false,
        }
    }

    /// Writes down what is to be sent now.
    fn advance(&mut self) {
        self.outgoing.clear();
        self.outgoing.extend(self.due.drain(..).flat_map(|request| wire(&request)));
        if self.wants_list && self.talk.is_none() && self.state.is_connected() && self.state.device.is_some() {
            self.wants_list = false;
            self.talk = Some(Talk::List(Deployment::new(Task::List, self.now)));
        }
        while let Some(talk) = &mut self.talk {
            match (talk.advance(self.now), &talk) {
                (Step::Send(request), _) => self.outgoing.extend(wire(&request)),
                (Step::Say(text), Talk::List(_)) => self.models.listed = Some(text),
                (Step::Say(text), Talk::Change(..)) => self.models.said.push(text),
                (Step::Say(text), Talk::Diagnosis(_)) => self.diagnosed.said = Some(text),
                (Step::Wait, _) => break,
                (Step::End(problem), talk) => {
                    match talk {
                        Talk::List(_) => self.models.listed = problem.or(self.models.listed.take()),
                        Talk::Change(..) => self.models.problem = problem,
                        Talk::Diagnosis(diagnosis) => {
                            self.diagnosed = Diagnosed { said: None, checks: checks(diagnosis.evidence()) };
                        }
                    }
                    self.talk = None;
                }
            }
        }
        if !self.is_busy() && self.state.is_connected() {
            let requests = self.asked.due(self.now, self.state.requests());
            self.outgoing.extend(requests.iter().flat_map(wire));
            if !self.has_page_camera {
                self.outgoing.extend(self.capture.request(&self.state, self.now).iter().flat_map(wire));
            }
        }
    }

    fn view(&self) -> View<'_> {
        let state = &self.state;
        let frame = state.frame.as_ref();
        let unit = state.time_unit();
        let device = state.device.as_ref();
        let rows = device.map_or(Vec::new(), |device| {
            vec![
                ("board", format!("{}{}", device.board, state.started_by())),
                ("camera", device.camera.clone()),
                ("model", device.model.clone()),
                ("CRC-32", device.crc32.clone()),
                ("blob", format!("{} bytes", thousands(device.blob_len))),
                ("memory it works with", format!("{} bytes", thousands(device.arena_len))),
                ("messages", state.statistics()),
                ("computed", device.plan.clone()),
            ]
        });
        let verdict = frame.map(|frame| {
            let best = frame.top.first().map_or(0, |best| best.probability);
            let (label, probability) = match frame.verdict {
                Verdict::Class { class, probability } => (Some(state.label(class)), probability),
                Verdict::NotSure => (None, best),
            };
            Named {
                label,
                probability: fraction(probability),
                marks: state.marks(frame).names().collect(),
                top: frame.top.iter().map(|guess| (state.label(guess.class), fraction(guess.probability))).collect(),
            }
        });
        let times = frame.map_or(Vec::new(), |frame| {
            let stages = stages(&frame.times);
            let longest = stages.iter().map(|(_, ticks)| *ticks).max().unwrap_or(0).max(1);
            let line = |(name, ticks): (&'static str, u64)| (name, time(ticks, unit), ticks as f64 / longest as f64);
            stages.map(line).to_vec()
        });
        let capture = &self.capture;
        View {
            is_connected: state.is_connected(),
            hint: state.hint(self.now).filter(|hint| !hint.is_empty()),
            device: rows,
            verdict,
            times,
            unit: match unit {
                Some(TimeUnit::Instructions) => "instructions",
                Some(TimeUnit::Microseconds) | None => "times",
            },
            rate: state.rate(),
            faults: faults(&state.faults),
            latest_fault: state.latest_fault(),
            log: state.log.iter().take(LOG_LINES).map(|entry| state.line(entry)).collect(),
            picture: state.picture.as_ref().map(|picture| (picture.counter, picture.shape)),
            capture: Captured {
                classes: capture.keys().map(|(key, class)| (key, class.name.as_str(), class.pictures)).collect(),
                chosen: capture.chosen,
                notice: &capture.notice.text,
                is_bad: capture.notice.is_bad,
                kind: state.picture_kind(),
                files: capture.album.files(),
            },
            is_busy: self.is_busy(),
            models: &self.models,
            progress: match &self.talk {
                Some(Talk::Change(deployment, total)) => deployment.received().map(|received| (received, *total)),
                Some(Talk::List(_) | Talk::Diagnosis(_)) | None => None,
            },
            is_changing: matches!(self.talk, Some(Talk::Change(..))),
            diagnosed: &self.diagnosed,
        }
    }
}

/// All that the page shows.
#[derive(Serialize)]
struct View<'a> {
    is_connected: bool,
    /// Why there are no frames, and what to do about it.
    hint: Option<String>,
    /// What is known of the board, a line each.
    device: Vec<(&'static str, String)>,
    verdict: Option<Named>,
    /// Of each stage the name, the time, and how long it is next to the longest.
    times: Vec<(&'static str, String, f64)>,
    /// What the times are.
    unit: &'static str,
    /// Frames a second.
    rate: Option<f64>,
    /// Since the board's boot.
    faults: String,
    latest_fault: String,
    /// Newest first, each behind the counter of its frame.
    log: Vec<(Option<u32>, String)>,
    /// Counter and shape of [`client_picture`].
    picture: Option<(u32, Shape)>,
    capture: Captured<'a>,
    /// Models and diagnosis have to wait.
    is_busy: bool,
    models: &'a Models,
    /// Bytes of a model that the board has, of so many.
    progress: Option<(u32, u32)>,
    /// The board is about to run another model.
    is_changing: bool,
    diagnosed: &'a Diagnosed,
}

/// What the newest frame shows.
#[derive(Serialize)]
struct Named {
    /// Nothing if the board is not sure.
    label: Option<String>,
    /// Of that class over the last frames, or of the most probable one; 0 … 1.
    probability: f64,
    marks: Vec<&'static str>,
    /// The most probable classes of this frame alone.
    top: Vec<(String, f64)>,
}

/// Training pictures.
#[derive(Serialize)]
struct Captured<'a> {
    /// Key, name, and number of pictures.
    classes: Vec<(Option<char>, &'a str, u64)>,
    chosen: Option<usize>,
    notice: &'a str,
    is_bad: bool,
    /// What a board's pictures are like.
    kind: String,
    files: usize,
}

thread_local! {
    static CLIENT: RefCell<Option<Client>> = const { RefCell::new(None) };
}

fn with<T>(deed: impl FnOnce(&mut Client) -> T) -> T {
    CLIENT.with_borrow_mut(|client| deed(client.as_mut().expect("the page has started it")))
}

/// Nobody is connected, and there are no pictures. A random number tells this page's bursts from others'.
#[unsafe(no_mangle)]
pub extern "C" fn client_start(random: u32) {
    CLIENT.set(Some(Client::new(random)));
}

/// The time: milliseconds since the page was loaded, and since 1970.
#[unsafe(no_mangle)]
pub extern "C" fn client_time(now: f64, date: f64) {
    with(|client| {
        client.now = Duration::from_secs_f64(now.max(0.0) / 1000.0);
        client.capture.album.date = Duration::from_millis(date as u64);
    });
}

/// There is a connection.
#[unsafe(no_mangle)]
pub extern "C" fn client_connected() {
    with(|client| {
        client.receiver.begin();
        client.happen(&Event::Connected);
    });
}

/// There is none any more; the room says why.
#[unsafe(no_mangle)]
pub extern "C" fn client_lost() {
    let reason = memory::text();
    with(|client| client.happen(&Event::Lost { reason, retry_in: None }));
}

/// The person ends it, and with it what is going on with the board. The answer is what leaves that as it was.
#[unsafe(no_mangle)]
pub extern "C" fn client_leave() -> usize {
    with(|client| {
        client.talk = None;
        memory::answer(OFF.iter().flat_map(wire).collect())
    })
}

/// The bytes in the room came over the line.
#[unsafe(no_mangle)]
pub extern "C" fn client_receive() {
    memory::with_room(|bytes| with(|client| client.receive(bytes)));
}

/// Goes on with what is going on; the answer is what is to be sent, as it is.
#[unsafe(no_mangle)]
pub extern "C" fn client_advance() -> usize {
    with(|client| {
        client.advance();
        memory::answer(client.outgoing.clone())
    })
}

/// The answer is all that the page shows.
#[unsafe(no_mangle)]
pub extern "C" fn client_view() -> usize {
    with(|client| memory::answer_json(&Ok(client.view())))
}

/// The answer is the network's newest picture, in the shape that the view says; empty if there is none.
#[unsafe(no_mangle)]
pub extern "C" fn client_picture() -> usize {
    with(|client| memory::answer(client.state.picture.as_ref().map_or(Vec::new(), |picture| picture.bytes.clone())))
}

/// Has the board run the model in the room, whose name in the page is not told. The answer is empty, or says why that is no model.
#[unsafe(no_mangle)]
pub extern "C" fn client_deploy() -> usize {
    let offer = memory::with_room(|blob| Offer::new(blob, None));
    let begun = offer.map(|offer| {
        with(|client| {
            let total = offer.blob_len();
            client.models = Models { listed: client.models.listed.take(), ..Models::default() };
            // A page sends a handful of models.
            let task = Task::Install(Box::leak(Box::new(offer)));
            client.begin(Talk::Change(Deployment::new(task, client.now), total));
        });
    });
    memory::answer_json(&begun.map_err(|error| error.to_string()))
}

/// Has the board go back to its other model.
#[unsafe(no_mangle)]
pub extern "C" fn client_rollback() {
    with(|client| {
        client.models = Models { listed: client.models.listed.take(), ..Models::default() };
        client.begin(Talk::Change(Deployment::new(Task::Rollback, client.now), 0));
    });
}

/// Has the board examined, and the test card looked for if that is wanted.
#[unsafe(no_mangle)]
pub extern "C" fn client_diagnose(wants_card: bool) {
    with(|client| {
        client.diagnosed = Diagnosed::default();
        client.begin(Talk::Diagnosis(Box::new(Diagnosis::new(wants_card, client.now))));
    });
}

/// Chooses the class with that index.
#[unsafe(no_mangle)]
pub extern "C" fn client_choose(index: usize) {
    with(|client| client.capture.choose(index));
}

/// Chooses the class whose name is in the room, which may be a new one; gives whether that can be a name.
#[unsafe(no_mangle)]
pub extern "C" fn client_name_class() -> bool {
    let name = memory::text();
    with(|client| client.capture.name_class(&name))
}

/// Pictures are taken of the page's own camera from now on, or of the board's.
#[unsafe(no_mangle)]
pub extern "C" fn client_source(is_page: bool) {
    with(|client| {
        client.capture.stop("the other camera was chosen");
        client.has_page_camera = is_page;
    });
}

/// Takes so many pictures of the chosen class, if the page's camera runs or there is no need of it.
#[unsafe(no_mangle)]
pub extern "C" fn client_shoot(count: u32, is_running: bool) {
    with(|client| match client.has_page_camera {
        true if !is_running => client.capture.complain("start the camera first"),
        true => client.capture.shoot(count, true, client.now),
        false => client.capture.shoot(count, client.state.is_connected(), client.now),
    });
}

/// Whether a picture of the page's camera is to be taken now.
#[unsafe(no_mangle)]
pub extern "C" fn client_is_due() -> bool {
    with(|client| client.has_page_camera && client.capture.is_due(client.now))
}

/// Takes the picture in the room, four bytes a pixel.
#[unsafe(no_mangle)]
pub extern "C" fn client_take(width: u16, height: u16) {
    let bytes: Vec<u8> =
        memory::with_room(|room| room.as_chunks::<4>().0.iter().flat_map(|[rgb @ .., _]| *rgb).collect());
    let picture = Picture { counter: 0, shape: Shape { height, width, channels: 3 }, bytes };
    with(|client| client.capture.take(&picture, client.now));
}

/// Removes the picture or the burst that was taken last.
#[unsafe(no_mangle)]
pub extern "C" fn client_undo() {
    with(|client| {
        if client.capture.newest().is_some() {
            client.capture.undo();
        }
    });
}

/// The answer is a zip file of all pictures.
#[unsafe(no_mangle)]
pub extern "C" fn client_zip() -> usize {
    with(|client| memory::answer(client.capture.album.zip()))
}
