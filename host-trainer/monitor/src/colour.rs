//! How a pixel becomes a colour of the terminal.

use ratatui::style::Color;

/// What the terminal can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colours {
    /// 24 bits.
    True,
    /// The 256 of xterm.
    Indexed,
}

/// Levels of a channel in xterm's cube of 6×6×6 colours.
const CUBE: [u8; 6] = [0, 95, 135, 175, 215, 255];
/// Index of the cube's first colour.
const CUBE_START: u8 = 16;
/// Index of the first grey; there are 24, with the levels 8, 18, …, 238.
const GREY_START: u8 = 232;
const GREYS: u8 = 24;

impl Colours {
    /// What the terminal can show by the value of `COLORTERM`, which terminals set that know true colour.
    pub fn from_colorterm(value: Option<&str>) -> Self {
        match value {
            Some("truecolor" | "24bit") => Self::True,
            _ => Self::Indexed,
        }
    }

    /// The colour nearest to a pixel.
    pub fn nearest(self, rgb: [u8; 3]) -> Color {
        match self {
            Self::True => Color::Rgb(rgb[0], rgb[1], rgb[2]),
            Self::Indexed => Color::Indexed(indexed(rgb)),
        }
    }
}

fn indexed(rgb: [u8; 3]) -> u8 {
    let steps = rgb.map(nearest_step);
    let cube = (
        CUBE_START + 36 * steps[0] + 6 * steps[1] + steps[2],
        distance(rgb, steps.map(|step| CUBE[usize::from(step)])),
    );
    let greys = (0..GREYS).map(|grey| (GREY_START + grey, distance(rgb, [8 + 10 * grey; 3])));
    let (index, _) = greys.fold(cube, |best, grey| if grey.1 < best.1 { grey } else { best });
    index
}

/// Index of the level in [`CUBE`] that is nearest.
fn nearest_step(channel: u8) -> u8 {
    (0..)
        .zip(CUBE)
        .min_by_key(|(_, level)| level.abs_diff(channel))
        .map_or(0, |(step, _)| step)
}

fn distance(a: [u8; 3], b: [u8; 3]) -> u32 {
    a.iter()
        .zip(b)
        .map(|(a, b)| u32::from(a.abs_diff(b)).pow(2))
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What xterm shows for an index of 16 and above.
    fn shown(index: u8) -> [u8; 3] {
        if index >= GREY_START {
            return [8 + 10 * (index - GREY_START); 3];
        }
        let index = index - CUBE_START;
        [index / 36, index / 6 % 6, index % 6].map(|step| CUBE[usize::from(step)])
    }

    #[test]
    fn no_other_indexed_colour_is_nearer() {
        for red in (0..=255).step_by(15) {
            for green in (0..=255).step_by(17) {
                for blue in (0..=255).step_by(5) {
                    let rgb = [red, green, blue];
                    let least = (CUBE_START..=255)
                        .map(|index| distance(rgb, shown(index)))
                        .min();
                    assert_eq!(Some(distance(rgb, shown(indexed(rgb)))), least, "{rgb:?}");
                }
            }
        }
    }

    #[test]
    fn only_a_terminal_that_says_so_gets_true_colour() {
        for value in ["truecolor", "24bit"] {
            let colours = Colours::from_colorterm(Some(value));
            assert_eq!(colours.nearest([1, 2, 3]), Color::Rgb(1, 2, 3));
        }
        for value in [None, Some(""), Some("yes")] {
            assert_eq!(Colours::from_colorterm(value), Colours::Indexed);
        }
    }
}
