//! The test card: four quarters of one colour each, which tell how a picture is turned.

use crate::state::Picture;

/// The quarters of the card, in reading order.
const CARD: [Colour; 4] = [Colour::Red, Colour::Green, Colour::Blue, Colour::White];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Colour {
    Red,
    Green,
    Blue,
    White,
}

/// How a picture of the card is turned against the card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Not at all.
    Upright,
    /// By 180°.
    Rotated,
    /// Left and right changed.
    Mirrored,
    /// Top and bottom changed.
    Flipped,
    /// By 90°, and perhaps mirrored.
    Sideways,
}

/// How the card in `picture` is turned; `None` if it shows no card.
pub fn turn(picture: &Picture) -> Option<Turn> {
    let quarters = [(0, 0), (1, 0), (0, 1), (1, 1)].map(|(x, y)| colour(quarter(picture, x, y)));
    let [a, b, c, d] = quarters;
    let (a, b, c, d) = (a?, b?, c?, d?);
    let [red, green, blue, white] = CARD;
    let turns = [
        ([red, green, blue, white], Turn::Upright),
        ([white, blue, green, red], Turn::Rotated),
        ([green, red, white, blue], Turn::Mirrored),
        ([blue, white, red, green], Turn::Flipped),
        ([blue, red, white, green], Turn::Sideways),
        ([green, white, red, blue], Turn::Sideways),
        ([red, blue, green, white], Turn::Sideways),
        ([white, green, blue, red], Turn::Sideways),
    ];
    turns.into_iter().find_map(|(card, turn)| (card == [a, b, c, d]).then_some(turn))
}

/// The mean colour of the middle of a quarter.
fn quarter(picture: &Picture, column: usize, row: usize) -> [u32; 3] {
    let (width, height) = (usize::from(picture.shape.width), usize::from(picture.shape.height));
    // An eighth of the picture stays out at each side of the quarter.
    let range = |part: usize, size: usize| {
        let start = (4 * part + 1) * size / 8;
        start..((4 * part + 3) * size / 8).max(start + 1)
    };
    let mut sums = [0; 3];
    let mut count = 0;
    for y in range(row, height) {
        for x in range(column, width) {
            sums.iter_mut().zip(picture.pixel(x, y)).for_each(|(sum, value)| *sum += u32::from(value));
            count += 1;
        }
    }
    sums.map(|sum| sum / count)
}

/// A colour of the card, as a camera sees it: paler, and in any light.
fn colour([red, green, blue]: [u32; 3]) -> Option<Colour> {
    let (most, least) = (red.max(green).max(blue), red.min(green).min(blue));
    if most < 40 {
        return None;
    }
    if least * 10 >= most * 7 {
        return (most > 100).then_some(Colour::White);
    }
    // Well above both others.
    let leads = |one: u32, others: [u32; 2]| others.iter().all(|other| one * 4 > other * 5);
    if leads(red, [green, blue]) {
        Some(Colour::Red)
    } else if leads(green, [red, blue]) {
        Some(Colour::Green)
    } else if leads(blue, [red, green]) {
        Some(Colour::Blue)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::Shape;

    /// As a camera in warm light may see them.
    const RED: [u8; 3] = [180, 60, 50];
    const GREEN: [u8; 3] = [90, 150, 70];
    const BLUE: [u8; 3] = [70, 80, 140];
    const WHITE: [u8; 3] = [230, 215, 180];

    fn seen(width: usize, height: usize, at: impl Fn(usize, usize) -> [u8; 3]) -> Option<Turn> {
        let bytes = (0..width * height).flat_map(|index| at(index % width, index / width)).collect();
        turn(&Picture { counter: 0, shape: Shape { height: height as u16, width: width as u16, channels: 3 }, bytes })
    }

    #[test]
    fn the_card_tells_how_a_picture_is_turned() {
        for (width, height) in [(160, 120), (96, 96), (8, 8)] {
            let card = |x: usize, y: usize| [[RED, GREEN], [BLUE, WHITE]][2 * y / height][2 * x / width];
            assert_eq!(seen(width, height, card), Some(Turn::Upright));
            assert_eq!(seen(width, height, |x, y| card(width - 1 - x, height - 1 - y)), Some(Turn::Rotated));
            assert_eq!(seen(width, height, |x, y| card(width - 1 - x, y)), Some(Turn::Mirrored));
            assert_eq!(seen(width, height, |x, y| card(x, height - 1 - y)), Some(Turn::Flipped));
            let side = |x: usize, y: usize| card(y * width / height, x * height / width);
            assert_eq!(seen(width, height, side), Some(Turn::Sideways));
            assert_eq!(seen(width, height, |x, y| side(width - 1 - x, y)), Some(Turn::Sideways));
        }
    }

    #[test]
    fn other_pictures_are_no_card() {
        assert_eq!(seen(32, 32, |_, _| [0; 3]), None);
        assert_eq!(seen(32, 32, |_, _| [255; 3]), None);
        assert_eq!(seen(32, 32, |x, y| [(8 * x) as u8, (8 * y) as u8, 128]), None);
    }
}
