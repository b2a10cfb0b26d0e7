//! How a pixel becomes a colour of the terminal.

use ratatui::style::Color;

/// Levels of a channel in xterm's cube of 6×6×6 colours, whose indices begin at 16.
const CUBE: [u8; 6] = [0, 95, 135, 175, 215, 255];
const CUBE_START: u8 = 16;
/// Index of the first of 24 greys.
const GREY_START: u8 = 232;

/// The colour nearest to a pixel: of all 24 bits, or of the 256 colours of xterm.
pub fn nearest(rgb: [u8; 3], has_true_colour: bool) -> Color {
    if has_true_colour {
        return Color::from(rgb);
    }
    let [red, green, blue] = rgb.map(|channel| {
        let steps = (0..).zip(CUBE);
        let nearest = steps.min_by_key(|(_, level)| level.abs_diff(channel));
        nearest.map_or(0, |(step, _)| step)
    });
    let cube = CUBE_START + 36 * red + 6 * green + blue;
    let candidates = std::iter::once(cube).chain(GREY_START..=255);
    let nearest = candidates.min_by_key(|index| distance(rgb, shown(*index)));
    Color::Indexed(nearest.unwrap_or(cube))
}

/// What xterm shows for an index of 16 and above.
fn shown(index: u8) -> [u8; 3] {
    if index >= GREY_START {
        return [8 + 10 * (index - GREY_START); 3];
    }
    let index = usize::from(index - CUBE_START);
    [index / 36, index / 6 % 6, index % 6].map(|step| CUBE[step])
}

fn distance(a: [u8; 3], b: [u8; 3]) -> u32 {
    let squares = a.iter().zip(b).map(|(a, b)| u32::from(a.abs_diff(b)).pow(2));
    squares.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_other_indexed_colour_is_nearer() {
        for red in (0..=255).step_by(15) {
            for green in (0..=255).step_by(17) {
                for blue in (0..=255).step_by(5) {
                    let rgb = [red, green, blue];
                    let Color::Indexed(index) = nearest(rgb, false) else {
                        panic!("{rgb:?} is not indexed");
                    };
                    let distances = (CUBE_START..=255).map(|index| distance(rgb, shown(index)));
                    assert_eq!(Some(distance(rgb, shown(index))), distances.min(), "{rgb:?}");
                }
            }
        }
    }
}
