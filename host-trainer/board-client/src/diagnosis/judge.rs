//! From what is known to what is the matter, and what to try next.

use protocol::{Marks, ResetCause, Subject, TimeUnit};
use serde::Serialize;

use super::bars::{self, Bars};
use super::card::Turn;
use super::evidence::{Evidence, Examined, Outcome, Register, Seen};
use crate::state::{Connection, Device, Picture};
use crate::text::{printable, thousands, time};

/// How good a stage is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// As it should be.
    Good,
    /// It may be as it should be, or not.
    Doubtful,
    /// Not as it should be.
    Bad,
    /// It could not be looked at, or nobody wanted it.
    LeftOut,
}

impl Verdict {
    /// For people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Doubtful => "doubtful",
            Self::Bad => "BAD",
            Self::LeftOut => "left out",
        }
    }
}

/// A stage.
#[derive(Clone, Debug, Serialize)]
pub struct Check {
    #[serde(rename = "check")]
    pub name: &'static str,
    pub verdict: Verdict,
    /// What was found.
    pub text: String,
    /// What to try, if something is not good.
    pub next: Option<String>,
}

impl Check {
    fn new(name: &'static str, verdict: Verdict, text: impl Into<String>) -> Self {
        Self { name, verdict, text: text.into(), next: None }
    }

    fn good(name: &'static str, text: impl Into<String>) -> Self {
        Self::new(name, Verdict::Good, text)
    }

    fn bad(name: &'static str, text: impl Into<String>, next: impl Into<String>) -> Self {
        Self::new(name, Verdict::Bad, text).next(next)
    }

    fn doubtful(name: &'static str, text: impl Into<String>, next: impl Into<String>) -> Self {
        Self::new(name, Verdict::Doubtful, text).next(next)
    }

    fn left_out(name: &'static str, text: impl Into<String>) -> Self {
        Self::new(name, Verdict::LeftOut, text)
    }

    fn next(self, next: impl Into<String>) -> Self {
        Self { next: Some(next.into()), ..self }
    }
}

/// The firmware's codes of faults that are told apart here; see `firmware/src/fault.rs`.
mod code {
    pub const NACK: u16 = 1;
    pub const BUS: u16 = 2;
    pub const HANG: u16 = 10;
    pub const BUSY: u16 = 11;
    pub const NO_FRAME: u16 = 12;
    pub const STUCK_FIFO: u16 = 13;
    pub const NO_VSYNC: u16 = 14;
    pub const NO_PIXELS: u16 = 15;
    pub const WRONG_PRODUCT: u16 = 20;
    pub const REGISTER_LOST: u16 = 30;
    pub const WRONG_LENGTH: u16 = 40;
    pub const OVERRUN: u16 = 41;
    pub const TOO_LONG: u16 = 42;
    pub const BLANK: u16 = 50;
    pub const FROZEN: u16 = 51;
}

/// Boards whose inference of the reference network the README estimates: name, and milliseconds from and to.
const ESTIMATES: [(&str, u64, u64); 3] = [("stm32h743", 47, 47), ("rp2350", 150, 210), ("rp2040", 420, 570)];
/// Bytes of the reference network's blob, within which an own one of that network is.
const REFERENCE_BLOB: std::ops::Range<u32> = 555_000..572_000;
/// All that an ArduCAM Mega gives from a capture that came too early until its next reset.
const FILL: [u8; 3] = [0x08, 0x00, 0x08];
/// Frames at the end whose colours count, when exposure and white balance have settled.
const SETTLED: usize = 10;

/// Every stage, in the order in which one rests on the other.
pub fn checks(evidence: &Evidence) -> Vec<Check> {
    let mut checks = vec![connection(evidence)];
    let Some(device) = &evidence.state.device else {
        if let Some(failure) = &evidence.state.boot_failure {
            checks.push(Check::bad("model", failure, "flash a good model as the text says; then diagnose again"));
        }
        return checks;
    };
    checks.extend([start(evidence), model(evidence, device)]);
    checks.extend(values(evidence));
    checks.extend(camera(evidence, device));
    checks.push(light(evidence));
    checks.push(colours(evidence, device));
    let is_explained = checks.iter().any(|check| check.verdict == Verdict::Bad);
    checks.push(frames(evidence, device, is_explained));
    checks.push(inference(evidence, device));
    checks.push(orientation(evidence));
    checks
}

fn connection(evidence: &Evidence) -> Check {
    let name = "connection";
    let traffic = evidence.state.traffic;
    let bytes = thousands(traffic.bytes);
    if let Some(version) = evidence.state.other_version {
        return Check::bad(
            name,
            format!("the board speaks version {version} of the protocol, this program version {}", protocol::VERSION),
            "flash firmware and build this program from the same sources",
        );
    }
    if evidence.state.device.is_none() && evidence.state.boot_failure.is_none() {
        return match traffic.bytes {
            0 => Check::bad(
                name,
                "nothing comes from the board",
                "press its reset button; is this its port, and does the firmware run (its LED changes with each frame)? A charging \
                 cable has no data lines",
            ),
            _ => Check::bad(
                name,
                format!("{bytes} bytes came, but no message"),
                "is this the board's port, and is its setting `port` Messages? A UART needs the right --baud-rate",
            ),
        };
    }
    if let Connection::Down { reason, .. } = &evidence.state.connection {
        return Check::bad(
            name,
            format!("{reason}; it does not come back"),
            "is the board still plugged in? Press its reset button, try another cable, and diagnose again",
        );
    }
    let corrupted = traffic.frames.corrupted;
    if evidence.lost > 0 {
        let times = if evidence.lost == 1 { String::from("once") } else { format!("{} times", evidence.lost) };
        return Check::doubtful(
            name,
            format!("lost {times}"),
            "a board that resets comes back: see its start; otherwise try another cable, or a port without a hub",
        );
    }
    match corrupted {
        0 => Check::good(name, format!("{bytes} bytes, no message damaged")),
        _ => Check::doubtful(
            name,
            format!("{} messages were damaged in {bytes} bytes", thousands(corrupted)),
            "try another cable, or a lower baud rate of a UART",
        ),
    }
}

fn start(evidence: &Evidence) -> Check {
    let name = "start";
    let Some(start) = &evidence.state.start else {
        return Check::left_out(name, "the firmware does not say what started it");
    };
    let cause = format!("by {}", start.cause.name());
    if let Some(crash) = &start.crash {
        return Check::bad(
            name,
            format!("{cause}; the run before crashed: {crash}"),
            "report it, with the page that --page writes",
        );
    }
    match start.cause {
        ResetCause::PowerOn | ResetCause::Pin | ResetCause::Software | ResetCause::Debugger | ResetCause::Unknown => {
            Check::good(name, cause)
        }
        ResetCause::Watchdog => Check::doubtful(
            name,
            format!("{cause}: for so long no frame was completed"),
            "look at the camera's checks below; they say why no frame came",
        ),
        ResetCause::BrownOut => Check::doubtful(
            name,
            format!("{cause}: the supply broke down"),
            "try another cable, port or supply; a camera draws 100 to 200 mA more when it starts",
        ),
    }
}

fn model(evidence: &Evidence, device: &Device) -> Check {
    let name = "model";
    let text = format!("{}, CRC-32 {}, {} classes", device.model, device.crc32, device.labels.len());
    match evidence.of(Subject::Board).and_then(|board| board.known_answer) {
        Some(true) => Check::good(name, format!("{text}: its known answer is reproduced")),
        Some(false) => Check::bad(
            name,
            format!("{text}: its known answer is not reproduced any more, though it was at boot"),
            "memory or flash changes while it runs: look at the supply, and whether the processor is clocked too fast",
        ),
        None => Check::good(name, format!("{text}: its known answer was reproduced at boot")),
    }
}

/// What needs no judgement.
fn values(evidence: &Evidence) -> Option<Check> {
    let values = evidence.of(Subject::Board)?.values.iter();
    let texts: Vec<_> = values.map(|(name, value)| format!("{name}: {}", thousands(*value))).collect();
    (!texts.is_empty()).then(|| Check::good("clocks", texts.join("; ")))
}

/// From the bus to the picture of the test pattern.
fn camera(evidence: &Evidence, device: &Device) -> Vec<Check> {
    const STAGES: [&str; 4] = ["camera", "registers", "one frame", "test pattern"];
    if evidence.is_old {
        let text = "this firmware is from before examinations";
        let next = "flash the newest firmware; the frames below tell something as well";
        return STAGES.map(|stage| Check::left_out(stage, text).next(next)).to_vec();
    }
    let Some(examined) = evidence.of(Subject::Camera) else {
        return Vec::new();
    };
    let unit = Some(device.time_unit);
    // The cause is another one if the same goes well a moment later.
    let now_and_then = |check: Check| match evidence.frames.len() {
        0 => check,
        frames => Check::bad(
            check.name,
            format!("{}; but {frames} frames came later, so that it fails now and then", check.text),
            "look for a loose contact, long wires or a weak supply",
        ),
    };
    let mut checks = vec![answers(examined)];
    let leave_out =
        |stages: &[&'static str], why: &str| stages.iter().map(|stage| Check::left_out(stage, why)).collect::<Vec<_>>();
    if checks[0].verdict == Verdict::Bad {
        checks = checks.into_iter().map(now_and_then).collect();
        checks.extend(leave_out(&STAGES[1..], "the camera must answer first"));
        return checks;
    }
    checks.push(registers(examined));
    let Some(capture) = &examined.capture else {
        checks.extend(leave_out(&STAGES[2..], "the camera must start first"));
        return checks;
    };
    let frame = one_frame(examined, capture, unit);
    checks.push(if capture.trouble.is_some() { now_and_then(frame) } else { frame });
    checks.push(match evidence.of(Subject::TestPattern) {
        Some(examined) if capture.trouble.is_none() => test_pattern(examined),
        Some(_) | None => Check::left_out(STAGES[3], "a frame must come first"),
    });
    checks
}

/// What a fault on the way to the camera says about wires.
const fn bus_advice(code: u16) -> &'static str {
    match code {
        code::NACK => {
            "measure 3.3 V at the camera and, if the board gives it one, its clock: an OV2640 without it does not answer. SDA and SCL \
             may be exchanged, or have no pull-ups"
        }
        code::BUS => {
            "look for a short between the bus's wires or to ground, and shorten them; power the camera off and on"
        }
        code::HANG => {
            "something holds the bus: power the camera off and on, and look for a short; SDA and SCL of I2C must rise by themselves"
        }
        code::BUSY => {
            "the camera's controller does not get ready: does its supply hold 3.3 V when it starts, are all wires of the bus connected, \
             and as short as can be?"
        }
        _ => "check power, ground and the bus's wires against the board's README",
    }
}

fn answers(examined: &Examined) -> Check {
    let name = "camera";
    let trouble = |outcome: &Option<Outcome>| outcome.as_ref().and_then(|outcome| outcome.trouble.clone());
    // All that is read is the level of a line that nobody drives.
    let is_silent = |product: u16| matches!(product, 0 | 0xFF | 0xFFFF);
    match (examined.product, trouble(&examined.read)) {
        (Some((product, false)), _) if is_silent(product) => Check::bad(
            name,
            format!("nothing answers: all that is read is {}", if product == 0 { "zeros" } else { "ones" }),
            "is the camera's data output (MISO, or SDA) connected, and its select; has it power? Measure at the camera",
        ),
        (Some((product, false)), _) => Check::bad(
            name,
            format!("another camera answers, or one that is misunderstood: product {product:#06x}"),
            "look which sensor the module has: each needs its own driver. If it is the right one, its data wire (MISO, or SDA) is loose, or \
             the bus is disturbed: shorten the wires",
        ),
        (None, Some(trouble)) => Check::bad(name, trouble.text.clone(), bus_advice(trouble.code)),
        (None, None) if !examined.is_complete => Check::bad(
            name,
            "the board did not say how its camera is",
            "does it restart again and again? See its start; power it off and on, and diagnose again",
        ),
        (Some((product, true)), Some(trouble)) => Check::bad(
            name,
            format!("product {product:#06x} answers, but not always: {}", trouble.text),
            bus_advice(trouble.code),
        ),
        (product, None) => match trouble(&examined.start).filter(|trouble| trouble.code != code::REGISTER_LOST) {
            Some(trouble) => Check::bad(
                name,
                format!("it answers, but did not start: {}", trouble.text),
                match trouble.code {
                    code::WRONG_PRODUCT => {
                        "the bus is disturbed, since it said something else a moment later: shorten the wires"
                    }
                    _ => bus_advice(trouble.code),
                },
            ),
            None => Check::good(
                name,
                product.map_or_else(
                    || String::from("it starts; its driver does not ask what it is"),
                    |(product, _)| format!("product {product:#06x} answers and starts"),
                ),
            ),
        },
    }
}

fn registers(examined: &Examined) -> Check {
    let name = "registers";
    let compared = examined.compared;
    let text = |register: &Register| {
        let Register { bank, address, written, found } = register;
        format!("bank {bank}, {address:#04x}: {found:#04x} in place of {written:#04x}")
    };
    match examined.registers.as_slice() {
        [] if compared == 0 => Check::left_out(name, "this camera's cannot be read back"),
        [] => Check::good(name, format!("{compared} hold what was written to them")),
        [only] => Check::doubtful(
            name,
            format!("one of {compared} differs: {}", text(only)),
            "a clone of the sensor may do so; if frames are good, let it be, and report it",
        ),
        differing => Check::bad(
            name,
            format!("{} of {compared} differ, the first in {}", differing.len(), text(&differing[0])),
            "the camera forgets: its supply breaks down (measure 3.3 V at the camera while it runs), or writes are lost",
        ),
    }
}

/// Why no frame came, and what to try.
const fn capture_advice(code: u16) -> &'static str {
    match code {
        code::NO_VSYNC => "check the wires of VSYNC and PIXCLK, and that the camera has its clock (24 MHz at XCLK)",
        code::NO_PIXELS => "VSYNC arrives: check the wires of HREF and PIXCLK",
        code::NO_FRAME => "check the wires of VSYNC, HREF and PIXCLK",
        code::WRONG_LENGTH => {
            "bytes are lost or misread: shorten the camera's wires, and lay a ground beside its clock (PIXCLK of a parallel port, SCK of SPI). \
             If the number is always the same, the camera is set to another size"
        }
        code::TOO_LONG => {
            "the camera's window is set otherwise than the driver thinks, or PIXCLK rings: see the registers, and shorten the wire"
        }
        code::OVERRUN => {
            "pixels come faster than they are taken: lower the camera's clock, or give its DMA a higher priority"
        }
        code::STUCK_FIFO => {
            "the camera does not finish a picture: has it light, is its supply strong enough, and is nothing else on its bus?"
        }
        code::BLANK => "is there light, and is the lens uncovered? A sensor without its clock gives such frames too",
        code::FROZEN => "power the camera off and on",
        _ => bus_advice(code),
    }
}

fn one_frame(examined: &Examined, capture: &Outcome, unit: Option<TimeUnit>) -> Check {
    let name = "one frame";
    if let Some(trouble) = &capture.trouble {
        return Check::bad(name, trouble.text.clone(), capture_advice(trouble.code));
    }
    let took = time(capture.time, unit);
    let Some(frame) = &examined.frame else {
        return Check::doubtful(
            name,
            format!("taken in {took}, but lost on the way to this computer"),
            "diagnose again; if it is lost again, see the connection",
        );
    };
    let shape = frame.shape;
    let text = format!("{} x {} pixels in {took}", shape.width, shape.height);
    match flat(frame) {
        Some(FILL) => Check::bad(
            name,
            "the camera's fill bytes (08 01) in place of a picture: it was asked too early after its start",
            "power it off and on; in little light it needs a longer quiet after its start (QUIET_MS of its driver)",
        ),
        Some([0, 0, 0] | [255, 255, 255]) | None => Check::good(name, text),
        Some([red, green, blue]) => Check::bad(
            name,
            format!("{text}, all of the colour {red}, {green}, {blue}"),
            "the sensor behind the camera's port gives no picture: has it its clock and all its supplies?",
        ),
    }
}

/// The colour of a picture that has only one.
fn flat(picture: &Picture) -> Option<[u8; 3]> {
    let mut pixels = picture.bytes.as_chunks::<3>().0.iter();
    let first = pixels.next()?;
    pixels.all(|pixel| pixel == first).then_some(*first)
}

fn test_pattern(examined: &Examined) -> Check {
    let name = "test pattern";
    if examined.has_no_pattern {
        return Check::left_out(name, "this camera has none, or its driver does not know it");
    }
    let trouble = examined.capture.as_ref().and_then(|capture| capture.trouble.as_ref());
    if let Some(trouble) = trouble {
        return Check::bad(name, trouble.text.clone(), capture_advice(trouble.code));
    }
    let Some(frame) = &examined.frame else {
        return Check::left_out(name, "no frame of it came");
    };
    if let Some([red, green, blue]) = flat(frame) {
        return Check::bad(
            name,
            format!("all of it is of the colour {red}, {green}, {blue}: no data come"),
            "is the connector of the data lines in its place, and has the sensor its clock and all its supplies?",
        );
    }
    match bars::judge(frame) {
        Bars::Right => {
            Check::good(name, "eight bars with straight edges: length of a row, order of bytes and colours are right")
        }
        Bars::Mirrored => Check::doubtful(
            name,
            "the bars stand from right to left",
            "set the orientation if pictures are mirrored; see --test-card",
        ),
        Bars::SwappedBytes => Check::bad(
            name,
            "the two bytes of a pixel are exchanged, or each begins a byte late: all colours of its frames are wrong",
            "set the other order of bytes in the driver's format, or in the camera; or a clock is lost in front of each row: check the \
             polarity of PIXCLK and HREF",
        ),
        Bars::SwappedColours => Check::bad(
            name,
            "red and blue are exchanged, in all of its frames",
            "set the order of colours in the camera, or exchange them in the driver",
        ),
        Bars::ReversedLines => Check::bad(
            name,
            "the data lines are connected in the opposite order, D0 where D7 belongs",
            "turn the connector, or exchange the wires; on some modules Y2 … Y9 are D0 … D7",
        ),
        Bars::CrossedLines(first, second) => {
            Check::bad(name, format!("data lines D{first} and D{second} are exchanged"), "exchange the two wires")
        }
        Bars::StuckLines { high, low } => Check::bad(
            name,
            [stuck(low, "low"), stuck(high, "high")].into_iter().flatten().collect::<Vec<_>>().join("; "),
            "a wire is broken, or short-circuited: check it from pin to pin",
        ),
        Bars::Leaning { pixels } => Check::bad(
            name,
            format!("the bars lean: over the frame their edges move by {pixels} pixels"),
            "rows have more or fewer pixels than the driver thinks: see the registers; PIXCLK may lose clocks",
        ),
        Bars::Unknown => Check::bad(
            name,
            "no colour bars can be made out in it",
            "look at its picture (--page); several data lines may be exchanged, or the clock's edge be the wrong one",
        ),
    }
}

/// Says that the data lines with a bit in `lines` never change.
fn stuck(lines: u8, level: &str) -> Option<String> {
    let names: Vec<_> = (0..u8::BITS).filter(|line| lines >> line & 1 == 1).map(|line| format!("D{line}")).collect();
    match names.as_slice() {
        [] => None,
        [name] => Some(format!("data line {name} is always {level}")),
        names => Some(format!("data lines {} are always {level}", names.join(", "))),
    }
}

/// What the last frames were like.
fn settled(evidence: &Evidence) -> &[Seen] {
    let frames = evidence.frames.as_slice();
    &frames[frames.len().saturating_sub(SETTLED)..]
}

fn light(evidence: &Evidence) -> Check {
    let name = "light";
    let frames = settled(evidence);
    let share = |mark| frames.iter().filter(|frame| frame.marks.contains(mark)).count() * 2 > frames.len();
    if frames.is_empty() {
        Check::left_out(name, "no frame came")
    } else if share(Marks::DARK) {
        Check::bad(
            name,
            "it is dark",
            "take the cover off the lens, or switch on a light. If there is light, the sensor gives no picture: check its clock and supplies",
        )
    } else if share(Marks::BLOWN_OUT) {
        Check::bad(
            name,
            "nearly everything is white",
            "turn it away from the light, or wait until the exposure has followed",
        )
    } else if share(Marks::STILL) {
        Check::bad(
            name,
            "frame after frame is the same, bit for bit",
            "a sensor has noise, so that this is an old frame: power the camera off and on. (Test patterns do stand still.)",
        )
    } else {
        Check::good(name, "neither dark nor white, and the frames differ")
    }
}

fn colours(evidence: &Evidence, device: &Device) -> Check {
    let name = "colours";
    let frames = settled(evidence);
    if frames.is_empty() {
        return Check::left_out(name, "no frame came");
    }
    if device.input.channels == 1 {
        return Check::left_out(name, "the network sees grey");
    }
    let mean = |channel: usize| frames.iter().map(|frame| frame.means[channel]).sum::<f64>() / frames.len() as f64;
    let means = [mean(0), mean(1), mean(2)];
    let settling = evidence.frames.iter().filter(|frame| frame.marks.contains(Marks::SETTLING)).count();
    let [red, green, blue] = means;
    let text = format!(
        "red {red:.0}, green {green:.0}, blue {blue:.0} of 255 on average; {settling} of {} frames were marked as settling",
        evidence.frames.len()
    );
    if red.max(green).max(blue) < 20.0 {
        return Check::left_out(name, format!("{text}: too dark to tell"));
    }
    let names = ["red", "green", "blue"];
    let weak = (0..3).find(|&one| (0..3).all(|other| other == one || means[one] < 0.62 * means[other]));
    let strong = (0..3).find(|&one| (0..3).all(|other| other == one || means[one] > 1.9 * means[other]));
    let next = "show it something white: if the tint stays, white balance is off or a data line is disturbed";
    match (weak, strong) {
        (Some(weak), _) => Check::doubtful(name, format!("{text}: hardly any {}", names[weak]), next),
        (None, Some(strong)) => Check::doubtful(name, format!("{text}: nearly all is {}", names[strong]), next),
        (None, None) => Check::good(name, text),
    }
}

/// What is the matter with the camera `is_explained` by an earlier check, or not.
fn frames(evidence: &Evidence, device: &Device, is_explained: bool) -> Check {
    let name = "frames";
    let (frames, faults) = (evidence.frames.len(), evidence.faults.len());
    let Some(last) = evidence.faults.last() else {
        if frames == 0 && evidence.reported > 0 {
            return Check::bad(
                name,
                format!("{} came, but none with its picture", evidence.reported),
                "pictures are lost on the way: see the connection. Of more than 256 x 256 pixels none are taken here",
            );
        }
        if frames == 0 {
            return Check::bad(
                name,
                "neither a frame nor a fault came",
                "does the board restart? See its start; its setting `frame_interval` may be long",
            );
        }
        let rate = match device.time_unit {
            TimeUnit::Microseconds => {
                let rate = frames as f64 / evidence.watched.as_secs_f64().max(0.001);
                format!(", {rate:.1} a second with their pictures")
            }
            TimeUnit::Instructions => String::new(),
        };
        return Check::good(name, format!("{frames} without a fault{rate}"));
    };
    let text = format!("and {} faults, the last: {}", thousands(faults as u64), printable(&last.text));
    let next = capture_advice(last.code);
    match frames {
        0 if is_explained => Check::new(name, Verdict::Bad, format!("none came, {text}")),
        0 => Check::bad(name, format!("none came, {text}"), next),
        _ => Check::doubtful(name, format!("{frames} came, {text}"), next),
    }
}

fn inference(evidence: &Evidence, device: &Device) -> Check {
    let name = "times";
    let median = |stage: fn(&Seen) -> u64| {
        let mut times: Vec<u64> = evidence.frames.iter().map(stage).collect();
        times.sort_unstable();
        times.get(times.len() / 2).copied()
    };
    let (Some(capture), Some(preprocess), Some(classify)) = (
        median(|frame| frame.times.capture),
        median(|frame| frame.times.preprocess),
        median(|frame| frame.times.classify),
    ) else {
        return Check::left_out(name, "no frame came");
    };
    let unit = Some(device.time_unit);
    let text = format!(
        "capture {}, preprocess {}, classify {}",
        time(capture, unit),
        time(preprocess, unit),
        time(classify, unit)
    );
    let estimate = ESTIMATES.iter().find(|(board, ..)| *board == device.board);
    let is_reference = REFERENCE_BLOB.contains(&device.blob_len);
    match estimate.filter(|_| is_reference && device.time_unit == TimeUnit::Microseconds) {
        None => Check::good(name, text),
        Some((_, from, to)) => {
            let text = format!("{text}; the README estimates {from} to {to} ms for classifying");
            if (from * 700..=to * 1_400).contains(&classify) {
                Check::good(name, text)
            } else {
                Check::doubtful(
                    name,
                    text,
                    "is the processor clocked as it should be, are its caches on, and is this a release build? Report it otherwise",
                )
            }
        }
    }
}

fn orientation(evidence: &Evidence) -> Check {
    let name = "orientation";
    let setting = |how: &str| format!("set `orientation` to {how} in the board's settings, in its main.rs");
    match evidence.card {
        None => {
            Check::left_out(name, "needs --test-card: a red, a green, a blue and a white quarter before the camera")
        }
        Some(None) => Check::doubtful(
            name,
            "the test card was not seen",
            "hold it straight, so that it fills the picture, in even light (data/test-card.svg on a phone is good enough)",
        ),
        Some(Some(Turn::Upright)) => Check::good(name, "upright"),
        Some(Some(Turn::Rotated)) => Check::doubtful(name, "upside down", setting("Rotated")),
        Some(Some(Turn::Mirrored)) => Check::doubtful(name, "left and right are exchanged", setting("Mirrored")),
        Some(Some(Turn::Flipped)) => Check::doubtful(name, "top and bottom are exchanged", setting("Flipped")),
        Some(Some(Turn::Sideways)) => {
            Check::doubtful(name, "turned by 90°", "turn the camera, or train with pictures that are turned so")
        }
    }
}
