//! What can be changed while a board runs: [`Settings`], their names and values in words ([`Key`]), and what of them is kept ([`Kept`]).
//!
//! There is one spelling of them, for a computer, for people and in flash: what a board has kept, another version of its program reads as far
//! as it knows the words.

use crate::camera::{FrameFormat, Framing, Orientation, Region, View};
use crate::pipeline::{MAX_WINDOW, Method};
use core::fmt::{self, Formatter, Write};
use core::ops::RangeInclusive;
use core::str;
use heapless::String;
use model_store::{FlashFailed, SETTINGS_LEN};
use protocol::{DEFAULT, MAX_LABEL_LEN, Setting, cut_off};
use shared_model::graph::Graph;

/// The most bytes of a value.
const VALUE_LEN: usize = MAX_LABEL_LEN + 8;
/// The most bytes of a sentence about one; longer ones are cut off.
const TEXT_LEN: usize = 384;
/// The most bytes of what is to be said of a value.
const NOTE_LEN: usize = 64;
/// The shortest side of a region, in pixels.
const LEAST_SIDE: u16 = 8;
/// Frames in a row for an output whose value names a class alone.
const USUAL_FRAMES: u8 = 3;

/// What can be changed while a board runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The least probability at which a class counts, in percent; none takes the model's.
    pub threshold: Option<u8>,
    /// How frames are combined into one verdict.
    pub smoothing: Method,
    /// A frame is begun so often at most, in milliseconds; 0 takes them as fast as they come.
    pub interval_ms: u16,
    /// Which part of a frame is looked at, and how it is turned.
    pub framing: Framing,
    /// See [`Policy::expect_motion`](crate::camera::Policy). A camera that shows colour bars is expected to show no motion in any case.
    pub expect_motion: bool,
    /// What the camera shows, if it can show something else.
    pub view: View,
    /// Which class sets the board's pin; none leaves it low.
    pub output: Option<Output>,
    /// Whether frames are followed by their pictures before a computer asks for them or for none.
    pub sends_pictures: bool,
}

/// When a board's pin is high.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Name of the class, as the model has it.
    pub class: String<MAX_LABEL_LEN>,
    /// Frames in a row that must name it before the pin rises; 0 counts as 1.
    pub rise: u8,
    /// Frames in a row that must not name it before the pin falls; 0 counts as 1.
    pub fall: u8,
}

impl Default for Settings {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl Settings {
    /// Each frame on its own, as the camera gives it and as the model has it.
    pub const DEFAULT: Self = Self {
        threshold: None,
        smoothing: Method::None,
        interval_ms: 0,
        framing: Framing::DEFAULT,
        expect_motion: true,
        view: View::Scene,
        output: None,
        sends_pictures: false,
    };
}

/// What a board is built with, and what its hardware makes of settings.
#[derive(Clone, Debug)]
pub struct Scope {
    /// What holds until a computer changes it.
    pub defaults: Settings,
    /// The camera's frame, of which a region is a part.
    pub format: FrameFormat,
    /// Whether the camera has a [`View`] to choose.
    pub has_views: bool,
    /// The longest [`Settings::interval_ms`]; 0 if the board takes frames as fast as they come and no other way.
    pub longest_interval_ms: u16,
    /// Whether the board has a pin for [`Settings::output`].
    pub has_output: bool,
}

/// A setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// [`Settings::threshold`].
    Threshold,
    /// [`Settings::smoothing`].
    Smoothing,
    /// [`Settings::interval_ms`].
    Interval,
    /// [`Framing::region`].
    Region,
    /// [`Framing::orientation`].
    Orientation,
    /// [`Settings::expect_motion`].
    Motion,
    /// [`Settings::view`].
    View,
    /// [`Settings::output`].
    Output,
    /// [`Settings::sends_pictures`].
    Pictures,
}

impl Key {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Threshold,
        Self::Smoothing,
        Self::Interval,
        Self::Region,
        Self::Orientation,
        Self::Motion,
        Self::View,
        Self::Output,
        Self::Pictures,
    ];

    /// What it is called.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Threshold => "threshold",
            Self::Smoothing => "smoothing",
            Self::Interval => "interval",
            Self::Region => "region",
            Self::Orientation => "orientation",
            Self::Motion => "motion",
            Self::View => "view",
            Self::Output => "output",
            Self::Pictures => "pictures",
        }
    }

    const fn meaning(self) -> &'static str {
        match self {
            Self::Threshold => "the least probability of a class; below it the board is not sure",
            Self::Smoothing => "how frames are combined into one verdict",
            Self::Interval => "the time from one frame to the next, at least; the processor sleeps meanwhile",
            Self::Region => "the part of the camera's frame that is looked at",
            Self::Orientation => "how the picture is turned",
            Self::Motion => "whether a frame that repeats bit for bit is a fault of the camera",
            Self::View => "what the camera shows; color-bars test everything behind it",
            Self::Output => "the class for which the board's pin is high",
            Self::Pictures => "which frames are followed by their pictures before a computer asks for them",
        }
    }

    /// The values that it can have, with the classes of `graph`.
    fn write_allowed(self, scope: &Scope, graph: Option<&Graph<'_>>, text: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Threshold => write!(text, "model, or 0 to 100 (percent)"),
            Self::Smoothing => write!(
                text,
                "none, majority:1 to majority:{MAX_WINDOW} (frames), or exponential:1 to exponential:255 (the newest frame's weight of 256)"
            ),
            Self::Interval => write!(text, "none, or 1 to {} (ms)", scope.longest_interval_ms),
            Self::Region => {
                let FrameFormat { width, height, .. } = scope.format;
                write!(
                    text,
                    "all, or LEFT,TOP,WIDTH,HEIGHT within {width}×{height} pixels and at least {LEAST_SIDE}×{LEAST_SIDE}"
                )
            }
            Self::Orientation => write!(text, "upright, rotated, mirrored, or flipped"),
            Self::Motion => write!(text, "expected, or any"),
            Self::View => write!(text, "scene, or color-bars"),
            Self::Output => {
                write!(text, "off, CLASS, or CLASS:RISE:FALL with 1 to 255 frames in a row each")?;
                let labels = graph.into_iter().flat_map(|graph| graph.labels.iter());
                labels.zip(0..).try_for_each(|(label, index)| {
                    write!(text, "{}{label}", if index == 0 { "; classes: " } else { ", " })
                })
            }
            Self::Pictures => write!(text, "off, or every"),
        }
    }

    /// Its value, as [`Self::read_value`] takes it.
    fn write_value(self, settings: &Settings, text: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Threshold => match settings.threshold {
                None => write!(text, "model"),
                Some(percent) => write!(text, "{percent}"),
            },
            Self::Smoothing => match settings.smoothing {
                Method::None => write!(text, "none"),
                Method::Majority { window } => write!(text, "majority:{window}"),
                Method::Exponential { weight } => write!(text, "exponential:{weight}"),
            },
            Self::Interval => match settings.interval_ms {
                0 => write!(text, "none"),
                interval => write!(text, "{interval}"),
            },
            Self::Region => match settings.framing.region {
                None => write!(text, "all"),
                Some(Region { left, top, width, height }) => write!(text, "{left},{top},{width},{height}"),
            },
            Self::Orientation => text.write_str(match settings.framing.orientation {
                Orientation::Upright => "upright",
                Orientation::Rotated => "rotated",
                Orientation::Mirrored => "mirrored",
                Orientation::Flipped => "flipped",
            }),
            Self::Motion => text.write_str(if settings.expect_motion { "expected" } else { "any" }),
            Self::View => text.write_str(match settings.view {
                View::Scene => "scene",
                View::ColorBars => "color-bars",
            }),
            Self::Output => match &settings.output {
                None => write!(text, "off"),
                Some(Output { class, rise, fall }) => write!(text, "{class}:{rise}:{fall}"),
            },
            Self::Pictures => text.write_str(if settings.sends_pictures { "every" } else { "off" }),
        }
    }

    /// Copies it alone.
    fn copy(self, from: &Settings, to: &mut Settings) {
        match self {
            Self::Threshold => to.threshold = from.threshold,
            Self::Smoothing => to.smoothing = from.smoothing,
            Self::Interval => to.interval_ms = from.interval_ms,
            Self::Region => to.framing.region = from.framing.region,
            Self::Orientation => to.framing.orientation = from.framing.orientation,
            Self::Motion => to.expect_motion = from.expect_motion,
            Self::View => to.view = from.view,
            Self::Output => to.output.clone_from(&from.output),
            Self::Pictures => to.sends_pictures = from.sends_pictures,
        }
    }

    /// Takes a value; `None` if it cannot be that. A class is looked for in `graph`, if there is one.
    fn read_value(self, text: &str, scope: &Scope, graph: Option<&Graph<'_>>, settings: &mut Settings) -> Option<()> {
        match self {
            Self::Threshold => {
                settings.threshold = match text {
                    "model" => None,
                    percent => Some(number(percent.trim_end_matches('%'), 0..=100)? as u8),
                };
            }
            Self::Smoothing => {
                settings.smoothing = match text.split_once(':') {
                    None if text == "none" => Method::None,
                    Some(("majority", window)) => {
                        Method::Majority { window: number(window, 1..=MAX_WINDOW as u16)? as u8 }
                    }
                    Some(("exponential", weight)) => Method::Exponential { weight: number(weight, 1..=255)? as u8 },
                    Some(_) | None => return None,
                };
            }
            Self::Interval => {
                settings.interval_ms = match text {
                    "none" => 0,
                    interval => number(interval, 1..=scope.longest_interval_ms)?,
                };
            }
            Self::Region => {
                settings.framing.region = match text {
                    "all" => None,
                    numbers => Some(region(numbers).filter(|region| {
                        region.is_within(&scope.format) && region.width.min(region.height) >= LEAST_SIDE
                    })?),
                };
            }
            Self::Orientation => {
                settings.framing.orientation = match text {
                    "upright" => Orientation::Upright,
                    "rotated" => Orientation::Rotated,
                    "mirrored" => Orientation::Mirrored,
                    "flipped" => Orientation::Flipped,
                    _other => return None,
                };
            }
            Self::Motion => settings.expect_motion = one_of(text, ["expected", "any"])?,
            Self::View => {
                settings.view = if one_of(text, ["scene", "color-bars"])? { View::Scene } else { View::ColorBars };
            }
            Self::Output => {
                settings.output = match text {
                    "off" => None,
                    rule => Some(output(rule, graph)?),
                };
            }
            Self::Pictures => settings.sends_pictures = one_of(text, ["every", "off"])?,
        }
        Some(())
    }

    /// What is to be said of a value beside that.
    fn write_note(self, settings: &Settings, graph: &Graph<'_>, text: &mut Formatter<'_>) -> fmt::Result {
        match (self, &settings.output) {
            (Self::Threshold, _) => {
                let percent = u32::from(graph.decision.threshold) * 100 / u32::from(u16::MAX);
                write!(text, "the model's is {percent}")
            }
            (Self::Output, Some(Output { class, .. })) if graph.labels.iter().all(|label| label != class) => {
                write!(text, "this model has no such class: the pin stays low")
            }
            (
                Self::Smoothing
                | Self::Interval
                | Self::Region
                | Self::Orientation
                | Self::Motion
                | Self::View
                | Self::Output
                | Self::Pictures,
                _,
            ) => Ok(()),
        }
    }
}

fn number(text: &str, allowed: RangeInclusive<u16>) -> Option<u16> {
    text.trim().parse().ok().filter(|number| allowed.contains(number))
}

/// Whether it is the first of two words.
fn one_of(text: &str, words: [&str; 2]) -> Option<bool> {
    words.iter().position(|word| *word == text).map(|index| index == 0)
}

fn region(text: &str) -> Option<Region> {
    let mut numbers = text.split(',').map(|text| number(text, 0..=u16::MAX));
    let mut next = || numbers.next().flatten();
    let region = Region { left: next()?, top: next()?, width: next()?, height: next()? };
    numbers.next().is_none().then_some(region)
}

fn output(text: &str, graph: Option<&Graph<'_>>) -> Option<Output> {
    let with_frames = || {
        let (rest, fall) = text.rsplit_once(':')?;
        let (class, rise) = rest.rsplit_once(':')?;
        Some((class, number(rise, 1..=255)? as u8, number(fall, 1..=255)? as u8))
    };
    let (class, rise, fall) = with_frames().unwrap_or((text, USUAL_FRAMES, USUAL_FRAMES));
    let is_known = graph.is_none_or(|graph| graph.labels.iter().any(|label| label == class));
    is_known.then_some(Output { class: class.try_into().ok()?, rise, fall })
}

/// Why a setting is as it was; see [`Kept::explain`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The board has none of that name.
    Name,
    /// It cannot be that.
    Value(Key),
    /// What is kept has only so many bytes.
    Room,
    /// It cannot be kept.
    Flash(FlashFailed),
}

/// A [`Setting`] with bytes of its own.
pub(crate) struct Description {
    key: Key,
    index: u8,
    count: u8,
    value: String<VALUE_LEN>,
    default: String<VALUE_LEN>,
    allowed: String<TEXT_LEN>,
    note: String<NOTE_LEN>,
}

impl Description {
    pub(crate) fn setting(&self) -> Setting<'_> {
        Setting {
            index: self.index,
            count: self.count,
            key: self.key.name(),
            value: &self.value,
            default: &self.default,
            allowed: &self.allowed,
            meaning: self.key.meaning(),
            note: &self.note,
        }
    }
}

/// The settings of a board: what its program was built with, but for those that a computer has changed.
#[derive(Clone, Debug)]
pub struct Kept {
    scope: Scope,
    present: Settings,
    /// Which a computer has changed, in the order of [`Key::ALL`].
    is_changed: [bool; Key::ALL.len()],
}

impl Kept {
    /// Reads what [`Self::encode`] has written, of this or another program. Settings that this one does not know or cannot have are as it was
    /// built with; the first of them is given too, or what stands in its place.
    pub(crate) fn open(scope: Scope, bytes: &[u8; SETTINGS_LEN]) -> (Self, Option<String<VALUE_LEN>>) {
        let mut kept = Self { present: scope.defaults.clone(), scope, is_changed: [false; Key::ALL.len()] };
        let mut unknown = None;
        let mut rest = &bytes[..];
        // Erased flash is the end.
        while let Some((&len @ 0..=0xFE, behind)) = rest.split_first() {
            let entry = behind.split_at_checked(len.into());
            let text = entry.and_then(|(entry, _)| str::from_utf8(entry).ok()).unwrap_or("damaged");
            let is_taken = text.split_once('=').is_some_and(|(key, value)| kept.read(key, value));
            if !is_taken && unknown.is_none() {
                unknown = Some(cut_off(text));
            }
            rest = entry.map_or(&[], |(_, rest)| rest);
        }
        (kept, unknown)
    }

    fn read(&mut self, name: &str, value: &str) -> bool {
        let Some(key) = self.keys().find(|key| key.name() == name) else { return false };
        let is_taken = key.read_value(value, &self.scope, None, &mut self.present).is_some();
        self.is_changed[key as usize] |= is_taken;
        is_taken
    }

    /// A length and `KEY=VALUE` for each that a computer has changed; `None` if there is no room for them.
    pub(crate) fn encode(&self) -> Option<[u8; SETTINGS_LEN]> {
        let mut bytes = [0xFF; SETTINGS_LEN];
        let mut rest = &mut bytes[..];
        for key in self.keys().filter(|key| self.is_changed(*key)) {
            let mut entry = String::<{ VALUE_LEN + 16 }>::new();
            write!(entry, "{}={}", key.name(), fmt::from_fn(|text| key.write_value(&self.present, text))).ok()?;
            let (place, behind) = rest.split_at_mut_checked(1 + entry.len())?;
            place[0] = entry.len() as u8;
            place[1..].copy_from_slice(entry.as_bytes());
            rest = behind;
        }
        Some(bytes)
    }

    /// Those that the board has.
    pub fn keys(&self) -> impl Iterator<Item = Key> + use<> {
        let Scope { has_views, has_output, longest_interval_ms, .. } = self.scope;
        Key::ALL.into_iter().filter(move |key| match key {
            Key::Interval => longest_interval_ms > 0,
            Key::View => has_views,
            Key::Output => has_output,
            Key::Threshold | Key::Smoothing | Key::Region | Key::Orientation | Key::Motion | Key::Pictures => true,
        })
    }

    /// What holds now.
    pub const fn present(&self) -> &Settings {
        &self.present
    }

    /// Whether a computer has changed this one, and not back to [`DEFAULT`].
    pub const fn is_changed(&self, key: Key) -> bool {
        self.is_changed[key as usize]
    }

    /// The settings with one of them changed, and which.
    ///
    /// # Errors
    ///
    /// If the board has no such setting, or it cannot be that.
    pub(crate) fn with(&self, name: &str, value: &str, graph: Option<&Graph<'_>>) -> Result<(Self, Key), Refusal> {
        let key = self.keys().find(|key| key.name() == name).ok_or(Refusal::Name)?;
        let mut changed = self.clone();
        if value == DEFAULT {
            key.copy(&self.scope.defaults, &mut changed.present);
            changed.is_changed[key as usize] = false;
        } else {
            key.read_value(value.trim(), &self.scope, graph, &mut changed.present).ok_or(Refusal::Value(key))?;
            changed.is_changed[key as usize] = true;
        }
        Ok((changed, key))
    }

    /// Why the setting `name` does not become `value`, as a sentence that names both and what is allowed.
    pub(crate) fn explain(
        &self,
        refusal: Refusal,
        name: &str,
        value: &str,
        graph: Option<&Graph<'_>>,
    ) -> String<TEXT_LEN> {
        match refusal {
            Refusal::Name => {
                let names = fmt::from_fn(|text| {
                    self.keys().zip(0..).try_for_each(|(key, index)| {
                        write!(text, "{}{}", if index == 0 { "" } else { ", " }, key.name())
                    })
                });
                cut_off(format_args!("this board has no setting {name:?}; it has {names}"))
            }
            Refusal::Value(key) => {
                let allowed = fmt::from_fn(|text| key.write_allowed(&self.scope, graph, text));
                cut_off(format_args!("{name} cannot be {value:?}; it can be {DEFAULT}, {allowed}"))
            }
            Refusal::Room => cut_off(format_args!(
                "there is no room to keep {value:?} as {name} beside the others: set one of them to {DEFAULT} first"
            )),
            Refusal::Flash(failed) => cut_off(format_args!("{name} does not become {value:?}: {failed}")),
        }
    }

    /// What a computer is told of one.
    pub(crate) fn describe(&self, key: Key, graph: Option<&Graph<'_>>) -> Description {
        let note = fmt::from_fn(|text| graph.map_or(Ok(()), |graph| key.write_note(&self.present, graph, text)));
        Description {
            key,
            index: self.keys().take_while(|other| *other != key).count() as u8,
            count: self.keys().count() as u8,
            value: cut_off(fmt::from_fn(|text| key.write_value(&self.present, text))),
            default: cut_off(fmt::from_fn(|text| key.write_value(&self.scope.defaults, text))),
            allowed: cut_off(fmt::from_fn(|text| key.write_allowed(&self.scope, graph, text))),
            note: cut_off(note),
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use crate::camera::ByteOrder;
    use crate::testing::network;
    use proptest::prelude::*;
    use shared_model::Model;
    use shared_model::encode::encode;
    use std::string::{String as Text, ToString};
    use std::vec::Vec;

    fn scope() -> Scope {
        Scope {
            defaults: Settings { smoothing: Method::Exponential { weight: 96 }, ..Settings::DEFAULT },
            format: FrameFormat { width: 160, height: 120, order: ByteOrder::BigEndian },
            has_views: true,
            longest_interval_ms: 4000,
            has_output: true,
        }
    }

    /// A board with settings as a new one has them.
    fn new() -> Kept {
        let (kept, unknown) = Kept::open(scope(), &[0xFF; SETTINGS_LEN]);
        assert_eq!(unknown, None);
        kept
    }

    /// The bytes of entries with their lengths.
    fn entries<E: AsRef<[u8]>>(entries: &[E]) -> [u8; SETTINGS_LEN] {
        let mut bytes = Vec::new();
        for entry in entries.iter().map(AsRef::as_ref) {
            bytes.push(entry.len() as u8);
            bytes.extend(entry);
        }
        bytes.resize(SETTINGS_LEN, 0xFF);
        bytes.try_into().expect("there is room for them")
    }

    /// What a setting can be, as it is given and as it is said, and what it cannot be.
    type Values = (&'static str, &'static [(&'static str, &'static str)], &'static [&'static str]);

    const VALUES: [Values; Key::ALL.len()] = [
        (
            "threshold",
            &[("model", "model"), ("0", "0"), ("100", "100"), (" 45% ", "45"), ("045", "45")],
            &["101", "-1", "4.5", "", "%", "modell", "70000"],
        ),
        (
            "smoothing",
            &[
                ("none", "none"),
                ("majority:1", "majority:1"),
                ("majority:15", "majority:15"),
                ("exponential:255", "exponential:255"),
            ],
            &["majority", "majority:0", "majority:16", "exponential:0", "exponential:256", "none:1", "median:3", ":"],
        ),
        ("interval", &[("none", "none"), ("1", "1"), ("4000", "4000")], &["0", "4001", "fast"]),
        (
            "region",
            &[("all", "all"), ("0,0,160,120", "0,0,160,120"), ("152, 112, 8, 8", "152,112,8,8")],
            &[
                "0,0,161,120",
                "1,0,160,120",
                "0,0,7,8",
                "0,0,8,7",
                "0,0,8",
                "0,0,8,8,8",
                "65535,0,8,8",
                "0,0,0,0",
                "-1,0,8,8",
            ],
        ),
        (
            "orientation",
            &[("upright", "upright"), ("rotated", "rotated"), ("mirrored", "mirrored"), ("flipped", "flipped")],
            &["Rotated", "90", ""],
        ),
        ("motion", &[("expected", "expected"), ("any", "any")], &["none", "0"]),
        ("view", &[("scene", "scene"), ("color-bars", "color-bars")], &["bars"]),
        (
            "output",
            &[("off", "off"), ("class 1", "class 1:3:3"), ("class 0:1:255", "class 0:1:255")],
            &["class 2", "class 1:0:1", "class 1:1:256", "class 1:1", "", ":1:1"],
        ),
        ("pictures", &[("off", "off"), ("every", "every")], &["once", "on"]),
    ];

    #[test]
    fn every_setting_takes_its_values_and_no_others() {
        let blob = encode(&network(&[0, 0])).expect("the network is valid");
        let model = Model::load(&blob).expect("the blob is good");
        let graph = Some(model.graph());
        for (key, (name, taken, refused)) in Key::ALL.into_iter().zip(VALUES) {
            assert_eq!(key.name(), name);
            for (given, said) in taken {
                let (changed, found) = new().with(name, given, graph).unwrap_or_else(|_| panic!("{name} {given}"));
                let described = changed.describe(key, graph);
                assert_eq!((found, described.setting().value, changed.is_changed(key)), (key, *said, true));
                // What is said of it is taken again, alone and from flash.
                assert_eq!(changed.with(name, said, graph).expect("it is the same").0.present(), changed.present());
                let (again, unknown) = Kept::open(scope(), &changed.encode().expect("there is room for one"));
                assert_eq!((again.present(), again.is_changed, unknown), (changed.present(), changed.is_changed, None));
                // Nothing but this one is another one, and it goes back.
                let mut other = changed.present().clone();
                key.copy(&scope().defaults, &mut other);
                assert_eq!(other, scope().defaults);
                let (back, _) = changed.with(name, DEFAULT, graph).expect("it can always be that");
                assert_eq!((back.present(), back.encode()), (&scope().defaults, Some([0xFF; SETTINGS_LEN])));
            }
            for value in refused {
                let refusal = new().with(name, value, graph).map(|_| ()).expect_err("it cannot be that");
                let reason = new().explain(refusal, name, value, graph);
                let expected = std::format!("{name} cannot be {value:?}; it can be default, ");
                let described = new().describe(key, graph);
                assert!(reason.starts_with(&expected) && reason.ends_with(described.setting().allowed), "{reason}");
            }
        }
        let refusal = new().with("treshold", "5", graph).map(|_| ()).expect_err("there is none");
        let reason = new().explain(refusal, "treshold", "5", graph);
        assert_eq!(
            reason,
            "this board has no setting \"treshold\"; it has threshold, smoothing, interval, region, orientation, motion, view, output, pictures"
        );
        let described = new().describe(Key::Output, graph);
        assert_eq!(
            described.setting().allowed,
            "off, CLASS, or CLASS:RISE:FALL with 1 to 255 frames in a row each; classes: class 0, class 1"
        );
    }

    /// What a person reads.
    #[test]
    fn every_setting_says_what_it_is() {
        let blob = encode(&network(&[0, 0])).expect("the network is valid");
        let model = Model::load(&blob).expect("the blob is good");
        let (kept, unknown) = Kept::open(scope(), &entries(&["output=cat", "smoothing=none"]));
        assert_eq!(unknown, None);
        let lines = kept.keys().map(|key| {
            let described = kept.describe(key, Some(model.graph()));
            let Setting { key, value, default, meaning, note, .. } = described.setting();
            let note = if note.is_empty() { "" } else { &std::format!("; {note}") };
            std::format!("{key} {value} ({default}): {meaning}{note}")
        });
        let expected = [
            "threshold model (model): the least probability of a class; below it the board is not sure; the model's is 9",
            "smoothing none (exponential:96): how frames are combined into one verdict",
            "interval none (none): the time from one frame to the next, at least; the processor sleeps meanwhile",
            "region all (all): the part of the camera's frame that is looked at",
            "orientation upright (upright): how the picture is turned",
            "motion expected (expected): whether a frame that repeats bit for bit is a fault of the camera",
            "view scene (scene): what the camera shows; color-bars test everything behind it",
            "output cat:3:3 (off): the class for which the board's pin is high; this model has no such class: the pin stays low",
            "pictures off (off): which frames are followed by their pictures before a computer asks for them",
        ];
        assert_eq!(lines.collect::<Vec<_>>(), expected);
        let (known, _) = new().with("output", "class 1", Some(model.graph())).expect("it has this class");
        assert_eq!(known.describe(Key::Output, Some(model.graph())).setting().note, "");
    }

    #[test]
    fn a_board_has_what_its_hardware_has_and_the_longest_values_fit() {
        let bare = Scope { has_views: false, longest_interval_ms: 0, has_output: false, ..scope() };
        let (kept, unknown) = Kept::open(bare, &entries(&["view=color-bars", "threshold=7"]));
        assert_eq!((kept.present().view, kept.present().threshold), (View::Scene, Some(7)));
        assert_eq!(unknown.as_deref(), Some("view=color-bars"));
        let names: Vec<_> = kept.keys().map(Key::name).collect();
        assert_eq!(names, ["threshold", "smoothing", "region", "orientation", "motion", "pictures"]);
        let described = kept.describe(Key::Pictures, None);
        assert_eq!((described.setting().index, described.setting().count), (5, 6));

        let wide = FrameFormat { width: u16::MAX, height: u16::MAX, ..scope().format };
        let mut kept =
            Kept::open(Scope { format: wide, longest_interval_ms: 60_000, ..scope() }, &[0xFF; SETTINGS_LEN]).0;
        let class = "ö".repeat(MAX_LABEL_LEN / 2);
        for (name, value) in [
            ("threshold", "model"),
            ("smoothing", "exponential:255"),
            ("interval", "60000"),
            ("region", "10000,10000,50000,50000"),
            ("orientation", "mirrored"),
            ("motion", "expected"),
            ("view", "color-bars"),
            ("output", &std::format!("{class}:255:255")),
            ("pictures", "every"),
        ] {
            kept = kept.with(name, value, None).unwrap_or_else(|_| panic!("{name} {value}")).0;
        }
        let bytes = kept.encode().expect("there is room for all of them");
        let (again, unknown) = Kept::open(kept.scope.clone(), &bytes);
        assert_eq!((again.present(), unknown), (kept.present(), None));
    }

    #[test]
    fn what_is_kept_of_another_program_or_damaged_leaves_the_programs_own() {
        let cases: [(&[u8; SETTINGS_LEN], Option<u8>, &str); 6] = [
            (&entries(&["colour=red", "threshold=5"]), Some(5), "colour=red"),
            (&entries(&["threshold=high", "threshold"]), None, "threshold=high"),
            (&entries(&[&b"threshold=5"[..], b"\xC3"]), Some(5), "damaged"),
            (&entries(&["threshold=5", "region=0,0,320,240"]), Some(5), "region=0,0,320,240"),
            (&[0; SETTINGS_LEN], None, ""),
            (&[0xFE; SETTINGS_LEN], None, "damaged"),
        ];
        for (bytes, threshold, first) in cases {
            let (kept, unknown) = Kept::open(scope(), bytes);
            assert_eq!(*kept.present(), Settings { threshold, ..scope().defaults });
            assert_eq!(unknown.as_deref(), Some(first));
        }
        // A class is kept whatever model there is, and what does not fit it is said.
        let (kept, unknown) = Kept::open(scope(), &entries(&["output=deer:2:4"]));
        assert_eq!(unknown, None);
        let blob = encode(&network(&[0, 0])).expect("the network is valid");
        let model = Model::load(&blob).expect("the blob is good");
        let note = |graph| kept.describe(Key::Output, graph).setting().note.to_string();
        assert_eq!(note(Some(model.graph())), "this model has no such class: the pin stays low");
        assert_eq!(note(None), "");
    }

    proptest! {
        #[test]
        fn whatever_is_in_flash_or_sent_never_panics(
            bytes in prop::collection::vec(any::<u8>(), SETTINGS_LEN), name in "[a-z]{0,12}", value in ".{0,80}",
        ) {
            let bytes: [u8; SETTINGS_LEN] = bytes.try_into().expect("so many");
            let (kept, _) = Kept::open(scope(), &bytes);
            for name in Key::ALL.map(Key::name).into_iter().chain([name.as_str()]) {
                if let Ok((changed, key)) = kept.with(name, &value, None) {
                    let text: Text = changed.describe(key, None).setting().value.into();
                    let (again, _) = changed.with(name, &text, None).expect("it is what was said");
                    prop_assert_eq!(again.present(), changed.present());
                }
            }
        }
    }
}
