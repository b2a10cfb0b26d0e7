//! Numbers and names for people.

use std::time::Duration;

use protocol::{FaultCounters, FaultReport, Recovery, StageTimes, TimeUnit};

/// `562896` as `562,896`.
pub fn thousands(number: impl Into<u64>) -> String {
    let mut text = number.into().to_string();
    for place in (1..text.len()).rev().skip(2).step_by(3) {
        text.insert(place, ',');
    }
    text
}

/// A probability as a part of one.
pub fn fraction(probability: u16) -> f64 {
    f64::from(probability) / f64::from(u16::MAX)
}

/// A probability as a percentage, with one decimal.
pub fn percent(probability: u16) -> String {
    format!("{:.1} %", 100.0 * fraction(probability))
}

/// A time of a stage, in three digits or so, with its unit if that is known.
pub fn time(time: u64, unit: Option<TimeUnit>) -> String {
    let (scales, smallest): (&[_], _) = match unit {
        None => return thousands(time),
        Some(TimeUnit::Microseconds) => (&[(1e6, "s"), (1e3, "ms")], " µs"),
        Some(TimeUnit::Instructions) => (&[(1e9, "G"), (1e6, "M"), (1e3, "k")], ""),
    };
    let ticks = time as f64;
    match scales.iter().find(|(scale, _)| ticks >= *scale) {
        Some((scale, name)) => format!("{:.1} {name}", ticks / scale),
        None => format!("{time}{smallest}"),
    }
}

/// The stages of a frame and their times.
pub const fn stages(times: &StageTimes) -> [(&'static str, u64); 4] {
    [
        ("capture", times.capture),
        ("preprocess", times.preprocess),
        ("classify", times.classify),
        ("report", times.report),
    ]
}

/// Text from a wire or a file, without what would command a terminal or turn the order of what stands beside it.
pub fn printable(text: &str) -> String {
    let orders = |character: char| matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.replace(|character: char| character.is_control() || orders(character), "\u{fffd}")
}

/// A time of the calendar in UTC, in the form of RFC 3339, such as `2026-02-28T23:59:59.250Z`.
pub fn date_time(since_1970: Duration) -> String {
    let (days, second) = (since_1970.as_secs() / 86_400, since_1970.as_secs() % 86_400);
    // Years from March on, so that a leap day is the last of one; 400 of them have 146,097 days.
    let shifted = days + 719_468;
    let day = shifted % 146_097;
    let year_of_era = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, turn) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let year = 400 * (shifted / 146_097) + year_of_era + turn;
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    let millis = since_1970.subsec_millis();
    format!("{year:04}-{month:02}-{day_of_month:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

/// How often something went wrong, by class.
pub fn faults(counters: &FaultCounters) -> String {
    let classes: Vec<_> = counters
        .iter()
        .filter(|(_, count)| *count > 0)
        .map(|(class, count)| format!("{} {}", thousands(count), class.name()))
        .collect();
    if classes.is_empty() { String::from("none") } else { classes.join(", ") }
}

/// A fault, and what the board does about it.
pub fn fault(fault: &FaultReport) -> String {
    let recovery = match fault.recovery {
        Recovery::Retry => "asks the camera for another frame",
        Recovery::Initialize { after_ms: 0 } => "initializes the camera anew",
        Recovery::Initialize { after_ms } => &format!("initializes the camera anew after {after_ms} ms"),
    };
    format!("{}; the board {recovery}", printable(&fault.text))
}

/// The board's answer to a request of that kind.
pub fn unsupported(request: u32) -> String {
    format!("the board does not know request {request}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::FaultClass;

    #[test]
    fn times_take_the_largest_unit_that_fits() {
        use TimeUnit::{Instructions, Microseconds};
        let cases = [
            (0, Some(Microseconds), "0 µs"),
            (999, Some(Microseconds), "999 µs"),
            (12_345, Some(Microseconds), "12.3 ms"),
            (1_500_000, Some(Microseconds), "1.5 s"),
            (0, Some(Instructions), "0"),
            (820, Some(Instructions), "820"),
            (52_000, Some(Instructions), "52.0 k"),
            (165_600_000, Some(Instructions), "165.6 M"),
            (999, None, "999"),
            (1_000, None, "1,000"),
            (165_600_000, None, "165,600,000"),
        ];
        for (ticks, unit, expected) in cases {
            assert_eq!(time(ticks, unit), expected);
        }
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (millis, expected) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (951_868_800_000, "2000-03-01T00:00:00.000Z"),
            (1_798_761_599_250, "2026-12-31T23:59:59.250Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(date_time(Duration::from_millis(millis)), expected);
        }
    }

    #[test]
    fn only_faults_that_occurred_are_listed() {
        let mut counters = FaultCounters::new();
        assert_eq!(faults(&counters), "none");
        for class in [FaultClass::Picture, FaultClass::Timeout, FaultClass::Picture] {
            counters.count(class);
        }
        assert_eq!(faults(&counters), "1 timeout, 2 useless picture");
    }

    #[test]
    fn control_sequences_do_not_reach_the_terminal() {
        assert_eq!(printable("a\u{1b}[2Jb\n\u{9b}c µ"), "a\u{fffd}[2Jb\u{fffd}\u{fffd}c µ");
    }
}
