//! A camera's colour bars as they arrived: what the wires between made of them.

use crate::state::Picture;

/// White, yellow, cyan, green, magenta, red, blue, black, each as which of red, green and blue it has: the top bit is red.
const ORDER: [u8; 8] = [0b111, 0b110, 0b011, 0b010, 0b101, 0b100, 0b001, 0b000];
/// Data lines of a parallel port.
const LINES: u8 = 8;
/// An edge may stand so many pixels aside at the other end of its bar.
const STRAIGHT: usize = 2;

/// What is the matter with them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bars {
    /// Nothing.
    Right,
    /// They stand from right to left.
    Mirrored,
    /// The two bytes of a pixel are exchanged, or each pixel begins a byte too late: but for the edges, that is the same.
    SwappedBytes,
    /// Red and blue are exchanged.
    SwappedColours,
    /// The data lines are connected in the opposite order.
    ReversedLines,
    /// Two data lines are exchanged.
    CrossedLines(u8, u8),
    /// Data lines never change: a bit for each.
    StuckLines {
        /// Those that are always high.
        high: u8,
        /// Those that are always low.
        low: u8,
    },
    /// Their edges lean: rows are longer or shorter than they should be.
    Leaning {
        /// How far an edge is moved from the first row to the last, in pixels to the right.
        pixels: isize,
    },
    /// Nothing that is known.
    Unknown,
}

/// Looks at the bars in `picture`.
pub fn judge(picture: &Picture) -> Bars {
    let (width, height) = (usize::from(picture.shape.width), usize::from(picture.shape.height));
    if width < 8 * 4 || height < 2 {
        return Bars::Unknown;
    }
    let pixels: Vec<u16> =
        (0..width * height).map(|pixel| rgb565(picture.pixel(pixel % width, pixel / width))).collect();
    let (high, low) = stuck_lines(&pixels);
    if (high, low) != (0, 0) {
        return Bars::StuckLines { high, low };
    }
    let repairs = [Bars::Right, Bars::SwappedBytes, Bars::SwappedColours, Bars::ReversedLines];
    let crossed = (0..LINES).flat_map(|first| (first + 1..LINES).map(move |second| Bars::CrossedLines(first, second)));
    for bars in repairs.into_iter().chain(crossed) {
        let repaired = repair(&pixels, bars);
        // At the first row, so that edges may lean.
        if let Some(is_mirrored) = order(&repaired[..width]) {
            let pixels = lean(&repaired, width);
            return match (bars, is_mirrored) {
                _ if pixels.unsigned_abs() > STRAIGHT => Bars::Leaning { pixels },
                (Bars::Right, true) => Bars::Mirrored,
                (bars, _) => bars,
            };
        }
    }
    Bars::Unknown
}

/// The 16 bits that a pixel came as.
fn rgb565([red, green, blue]: [u8; 3]) -> u16 {
    u16::from(red >> 3) << 11 | u16::from(green >> 2) << 5 | u16::from(blue >> 3)
}

/// The lines that are always high, and those that are always low: white and black have every line at both levels, in both bytes.
fn stuck_lines(pixels: &[u16]) -> (u8, u8) {
    let all = pixels.iter().flat_map(|pixel| pixel.to_be_bytes());
    let (always, ever) = all.fold((0xFF, 0x00), |(always, ever), byte| (always & byte, ever | byte));
    (always, !ever)
}

/// Undoes what would be the matter.
fn repair(pixels: &[u16], bars: Bars) -> Vec<u16> {
    let each_byte = |change: &dyn Fn(u8) -> u8| -> Vec<u16> {
        pixels.iter().map(|pixel| u16::from_be_bytes(pixel.to_be_bytes().map(change))).collect()
    };
    match bars {
        Bars::SwappedBytes => pixels.iter().map(|pixel| pixel.swap_bytes()).collect(),
        Bars::SwappedColours => pixels.iter().map(|pixel| pixel << 11 | pixel & 0x07E0 | pixel >> 11).collect(),
        Bars::ReversedLines => each_byte(&u8::reverse_bits),
        Bars::CrossedLines(first, second) => each_byte(&|byte| {
            let differ = (byte >> first ^ byte >> second) & 1;
            byte ^ (differ << first | differ << second)
        }),
        Bars::Right | Bars::Mirrored | Bars::StuckLines { .. } | Bars::Leaning { .. } | Bars::Unknown => {
            pixels.to_vec()
        }
    }
}

/// Which of red, green and blue are more than half.
const fn colour(pixel: u16) -> u8 {
    let (red, green, blue) = (pixel >> 15 & 1, pixel >> 10 & 1, pixel >> 4 & 1);
    (red << 2 | green << 1 | blue) as u8
}

/// Whether a row has the bars in order, or in the opposite order; `None` if neither. Looks at the middle of each.
fn order(row: &[u16]) -> Option<bool> {
    let middle = |bar: usize| colour(row[(2 * bar + 1) * row.len() / (2 * ORDER.len())]);
    let found: [u8; ORDER.len()] = core::array::from_fn(middle);
    if found == ORDER {
        return Some(false);
    }
    found.iter().eq(ORDER.iter().rev()).then_some(true)
}

/// How far the edges have moved to the right in the last row, in pixels: the shift that makes it most like the first.
fn lean(pixels: &[u16], width: usize) -> isize {
    let (first, last) = (&pixels[..width], &pixels[pixels.len() - width..]);
    let alike = |shift: usize| {
        let column = |x: usize| (x + shift) % width;
        (0..width).filter(|&x| colour(first[x]) == colour(last[column(x)])).count()
    };
    // The smallest of equals.
    let shift = (0..width).rev().max_by_key(|&shift| alike(shift)).unwrap_or_default();
    if shift > width / 2 { shift as isize - width as isize } else { shift as isize }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::Shape;

    const WIDTH: usize = 160;
    const HEIGHT: usize = 120;

    /// The bytes of bars with levels that are not full, as a sensor's signal processor may give them.
    fn bytes() -> Vec<u8> {
        let pixel = |x: usize| {
            let bar = ORDER[x * ORDER.len() / WIDTH];
            let level = |bit: u8, high: u16, low: u16| if bar >> bit & 1 == 1 { high } else { low };
            let edge = x.is_multiple_of(WIDTH / ORDER.len());
            let full = u16::from(bar == 0b111 && !edge) * 0xFFFF;
            let black = u16::from(bar == 0).wrapping_sub(1);
            (level(2, 29, 1) << 11 | level(1, 58, 3) << 5 | level(0, 28, 2)) & black | full
        };
        (0..WIDTH * HEIGHT).flat_map(|index| pixel(index % WIDTH).to_be_bytes()).collect()
    }

    fn judged(bytes: &[u8]) -> Bars {
        let expand = |pixel: &[u8; 2]| {
            let pixel = u16::from_be_bytes(*pixel);
            let (red, green, blue) = (pixel >> 11, pixel >> 5 & 0x3F, pixel & 0x1F);
            [(red << 3 | red >> 2) as u8, (green << 2 | green >> 4) as u8, (blue << 3 | blue >> 2) as u8]
        };
        let bytes = bytes.as_chunks().0.iter().flat_map(expand).collect();
        let shape = Shape { height: HEIGHT as u16, width: WIDTH as u16, channels: 3 };
        judge(&Picture { counter: 0, shape, bytes })
    }

    fn each(change: impl Fn(u8) -> u8) -> Vec<u8> {
        bytes().into_iter().map(change).collect()
    }

    #[test]
    fn what_wires_do_to_colour_bars_is_named() {
        assert_eq!(judged(&bytes()), Bars::Right);
        assert_eq!(judged(&bytes().into_iter().rev().collect::<Vec<_>>()), Bars::SwappedBytes);
        let mirrored: Vec<u8> = bytes().as_chunks::<2>().0.iter().rev().flatten().copied().collect();
        assert_eq!(judged(&mirrored), Bars::Mirrored);
        let swapped: Vec<u8> = bytes().as_chunks::<2>().0.iter().flat_map(|[high, low]| [*low, *high]).collect();
        assert_eq!(judged(&swapped), Bars::SwappedBytes);
        let colours: Vec<u8> = bytes()
            .as_chunks()
            .0
            .iter()
            .map(|pixel| u16::from_be_bytes(*pixel))
            .flat_map(|pixel| (pixel << 11 | pixel & 0x07E0 | pixel >> 11).to_be_bytes())
            .collect();
        assert_eq!(judged(&colours), Bars::SwappedColours);
        assert_eq!(judged(&each(u8::reverse_bits)), Bars::ReversedLines);
        let late = [&[0], &bytes()[..WIDTH * HEIGHT * 2 - 1]].concat();
        assert_eq!(judged(&late), Bars::SwappedBytes);
        for line in 0..LINES {
            for (high, low) in [(0, 1 << line), (1 << line, 0), (1 << line, 0x81 & !(1 << line))] {
                assert_eq!(judged(&each(|byte| (byte | high) & !low)), Bars::StuckLines { high, low });
            }
        }
        let noise: Vec<u8> = (0..WIDTH * HEIGHT * 2).map(|byte| ((byte * 167) >> 3) as u8).collect();
        assert_eq!(judged(&noise), Bars::Unknown);
    }

    /// A line that is exchanged with one that means nearly the same makes no colour another one: that may go unseen, but is never called
    /// something else.
    #[test]
    fn exchanged_lines_are_found_where_they_matter() {
        let mut found = 0;
        for first in 0..LINES {
            for second in first + 1..LINES {
                let crossed = each(|byte| {
                    let differ = (byte >> first ^ byte >> second) & 1;
                    byte ^ (differ << first | differ << second)
                });
                let bars = judged(&crossed);
                let is_found = matches!(bars, Bars::CrossedLines(..));
                assert!(is_found || bars == Bars::Right, "{first} and {second}: {bars:?}");
                found += u8::from(is_found);
            }
        }
        assert!(found >= 10, "{found}");
    }

    #[test]
    fn rows_of_another_length_lean() {
        for per_row in [-1_isize, 1] {
            let bytes = bytes();
            let moved: Vec<u8> = (0..HEIGHT)
                .flat_map(|y| {
                    let row = &bytes[..2 * WIDTH];
                    let shift = (per_row * y as isize).rem_euclid(WIDTH as isize) as usize;
                    let start = 2 * (WIDTH - shift) % (2 * WIDTH);
                    [&row[start..], &row[..start]].concat()
                })
                .collect();
            let expected = (per_row * (HEIGHT as isize - 1) + 80).rem_euclid(160) - 80;
            assert_eq!(judged(&moved), Bars::Leaning { pixels: expected });
        }
    }
}
