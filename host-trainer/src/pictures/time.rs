//! Times that cameras and programs write into pictures.

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Seconds since 1970 of a time as EXIF (`2024:05:06 07:08:09`), ISO 8601 (`2024-05-06T07:08:09Z`) or RFC 1123
/// (`Mon, 06 May 2024 07:08:09 GMT`) write it. Zones are passed over: pictures of one clock are compared.
pub(super) fn seconds(text: &str) -> Option<i64> {
    let mut numbers =
        text.split(|character: char| !character.is_ascii_digit()).filter_map(|digits| digits.parse().ok());
    let mut next = || numbers.next().filter(|&number: &i64| number <= 9999);
    let month = MONTHS.iter().position(|month| text.contains(month));
    let [year, month, day] = match month {
        Some(month) => {
            let day = next()?;
            [next()?, month as i64 + 1, day]
        }
        None => [next()?, next()?, next()?],
    };
    if year < 1900 || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let [hour, minute, second] = [next(), next(), next()].map(|number| number.unwrap_or(0));
    Some(((days(year, month, day) * 24 + hour) * 60 + minute) * 60 + second)
}

/// Days from 1970 to a day of the Gregorian calendar. Years begin in March here, so that the leap day is their last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_they_are_written() {
        for (text, expected) in [
            ("1970:01:01 00:00:00", Some(0)),
            ("2024:02:29 07:08:09", Some(1_709_190_489)),
            ("2024-02-29T07:08:09.25Z", Some(1_709_190_489)),
            ("Thu, 29 Feb 2024 07:08:09 GMT", Some(1_709_190_489)),
            ("2000-03-01", Some(951_868_800)),
            ("0000:00:00 00:00:00", None),
            ("    :  :     :  :  ", None),
            ("yesterday", None),
            ("2024:13:01 00:00:00", None),
            ("99999999999999999999 1 1", None),
        ] {
            assert_eq!(seconds(text), expected, "{text}");
        }
    }
}
