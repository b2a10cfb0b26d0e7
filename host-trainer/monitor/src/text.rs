//! Numbers and names for people.

use protocol::{FaultCounters, Recovery, TimeUnit};

/// `562896` as `562,896`.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
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
    let scales: &[(f64, &str)] = match unit {
        None => return thousands(time),
        Some(TimeUnit::Microseconds) => &[(1e6, "s"), (1e3, "ms"), (1.0, "µs")],
        Some(TimeUnit::Instructions) => &[(1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, "")],
    };
    let time = time as f64;
    let (scale, name) = scales
        .iter()
        .find(|(scale, _)| time >= *scale)
        .unwrap_or(&scales[scales.len() - 1]);
    let decimals = usize::from(*scale > 1.0);
    format!("{:.decimals$} {name}", time / scale)
        .trim_end()
        .to_string()
}

/// Text that came over the wire, without what would command a terminal.
pub fn printable(text: &str) -> String {
    text.chars()
        .map(|letter| {
            if letter.is_control() {
                char::REPLACEMENT_CHARACTER
            } else {
                letter
            }
        })
        .collect()
}

/// How often something went wrong, by class.
pub fn faults(counters: &FaultCounters) -> String {
    let classes: Vec<_> = counters
        .iter()
        .filter(|(_, count)| *count > 0)
        .map(|(class, count)| format!("{} {}", thousands(count.into()), class.name()))
        .collect();
    if classes.is_empty() {
        String::from("none")
    } else {
        classes.join(", ")
    }
}

/// What the board does about a fault.
pub fn recovery(recovery: Recovery) -> String {
    match recovery {
        Recovery::Retry => String::from("asks the camera for another frame"),
        Recovery::Initialize { after_ms: 0 } => String::from("initializes the camera anew"),
        Recovery::Initialize { after_ms } => {
            format!("initializes the camera anew after {after_ms} ms")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::FaultClass;

    #[test]
    fn numbers_are_grouped() {
        let cases = [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (1_234_567, "1,234,567"),
        ];
        for (number, expected) in cases {
            assert_eq!(thousands(number), expected);
        }
    }

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
            (165_600_000, None, "165,600,000"),
        ];
        for (ticks, unit, expected) in cases {
            assert_eq!(time(ticks, unit), expected);
        }
    }

    #[test]
    fn the_ends_of_the_probability_scale_are_whole() {
        assert_eq!(
            [0, u16::MAX / 2 + 1, u16::MAX].map(percent),
            ["0.0 %", "50.0 %", "100.0 %"]
        );
    }

    #[test]
    fn only_faults_that_occurred_are_listed() {
        let mut counters = FaultCounters::new();
        assert_eq!(faults(&counters), "none");
        counters.count(FaultClass::Picture);
        counters.count(FaultClass::Timeout);
        counters.count(FaultClass::Picture);
        assert_eq!(faults(&counters), "1 timeout, 2 useless picture");
    }

    #[test]
    fn control_sequences_do_not_reach_the_terminal() {
        assert_eq!(
            printable("a\u{1b}[2Jb\n\u{9b}c µ"),
            "a\u{fffd}[2Jb\u{fffd}\u{fffd}c µ"
        );
    }
}
