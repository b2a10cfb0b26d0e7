//! What the JPEG decoder leaves open: whether a picture is whole, and tables that webcams leave out.
//!
//! Decoders fill up what is missing with grey, and go on after damage as well as they can. [`check`] reads all codes of a picture, without
//! computing a pixel, and finds whether every block is there and nothing is left over. Sections and tables are those of ITU T.81.

use std::borrow::Cow;

const SOI: u8 = 0xD8;
const EOI: u8 = 0xD9;
const SOS: u8 = 0xDA;
const DHT: u8 = 0xC4;
const DRI: u8 = 0xDD;
const FIRST_RESTART: u8 = 0xD0;

const EARLY: &str = "it ends early";
const DAMAGED: &str = "its codes make no sense";
const LEFT_OVER: &str = "there is more than its pixels need";

/// The picture with the Huffman tables of annex K.3, if it has none, as the frames of motion JPEG.
pub(super) fn with_tables(bytes: &[u8]) -> Cow<'_, [u8]> {
    let mut segments = Segments { bytes, position: 0 };
    loop {
        let position = segments.position;
        match segments.next() {
            Ok(Segment { marker: DHT | EOI, .. }) | Err(_) => return bytes.into(),
            Ok(Segment { marker: SOS, .. }) => {
                let tables =
                    TABLES.iter().flat_map(|(class, lengths, values)| [&[*class], &lengths[..], values].concat());
                let tables: Vec<u8> = tables.collect();
                let length = 2 + tables.len() as u16;
                let header = [0xFF, DHT, (length >> 8) as u8, length as u8];
                return [&bytes[..position], &header, &tables, &bytes[position..]].concat().into();
            }
            Ok(_) => {}
        }
    }
}

/// Whether all of the picture is there, for pictures whose codes are Huffman's, sequential or progressive; the decoder does not know others.
///
/// # Errors
/// What is wrong with it.
pub(super) fn check(bytes: &[u8]) -> Result<(), &'static str> {
    let mut segments = Segments { bytes, position: 0 };
    let mut frame = None;
    let mut tables = Tables::default();
    loop {
        let Segment { marker, content } = segments.next()?;
        match marker {
            EOI => {
                let complete =
                    frame.is_some_and(|frame: Frame| frame.components.iter().all(|component| component.begun));
                return if complete { Ok(()) } else { Err(EARLY) };
            }
            DHT => tables.define(content)?,
            DRI => tables.restart_interval = number(content, 0)?,
            0xC0..=0xC2 if frame.is_some() => return Err(DAMAGED),
            0xC0..=0xC2 => frame = Some(Frame::new(content, marker == 0xC2)?),
            // Lossless, hierarchical or arithmetically coded.
            0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF => return Ok(()),
            SOS => {
                let frame = frame.as_mut().ok_or(DAMAGED)?;
                let mut codes = Codes { bytes, position: segments.position, buffer: 0, bits: 0 };
                frame.scan(content, &tables, &mut codes)?;
                segments.position = codes.position;
            }
            _ => {}
        }
    }
}

/// The big-endian number of 16 bits at `position`.
fn number(content: &[u8], position: usize) -> Result<usize, &'static str> {
    let bytes = content.get(position..position + 2).ok_or(DAMAGED)?;
    Ok(usize::from(bytes[0]) << 8 | usize::from(bytes[1]))
}

/// A marker and what follows it in its segment.
struct Segment<'a> {
    marker: u8,
    content: &'a [u8],
}

struct Segments<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Segments<'a> {
    fn next(&mut self) -> Result<Segment<'a>, &'static str> {
        // Bytes between segments are passed over, as all decoders do.
        let marker = loop {
            let rest = self.bytes.get(self.position..).ok_or(EARLY)?;
            let [first, second, ..] = *rest else { return Err(EARLY) };
            self.position += 1;
            if first == 0xFF && !matches!(second, 0 | 0xFF) {
                self.position += 1;
                break second;
            }
        };
        if matches!(marker, SOI | EOI | 0x01 | FIRST_RESTART..=0xD7) {
            return Ok(Segment { marker, content: &[] });
        }
        let length = number(self.bytes, self.position).map_err(|_| EARLY)?;
        let content = self.bytes.get(self.position + 2..self.position + length.max(2)).ok_or(EARLY)?;
        self.position += length.max(2);
        Ok(Segment { marker, content })
    }
}

/// Length and symbol of the code that the next 16 bits begin with; a length of 0 where there is none.
type Codebook = Vec<(u8, u8)>;

#[derive(Default)]
struct Tables {
    dc: [Codebook; 4],
    ac: [Codebook; 4],
    /// MCUs between two restart markers; 0 for none.
    restart_interval: usize,
}

impl Tables {
    fn define(&mut self, mut content: &[u8]) -> Result<(), &'static str> {
        while let Some((&[class, ref lengths @ ..], rest)) = content.split_first_chunk::<17>() {
            let symbols: usize = lengths.iter().map(|&count| usize::from(count)).sum();
            let (symbols, rest) = rest.split_at_checked(symbols).ok_or(DAMAGED)?;
            let mut book = Vec::with_capacity(1 << 16);
            let mut symbols = symbols.iter();
            for (length, &count) in (1..).zip(lengths) {
                for symbol in symbols.by_ref().take(count.into()) {
                    book.extend(std::iter::repeat_n((length, *symbol), 1 << (16 - length)));
                }
            }
            if book.len() > 1 << 16 {
                return Err(DAMAGED);
            }
            book.resize(1 << 16, (0, 0));
            let books = if class < 16 { &mut self.dc } else { &mut self.ac };
            *books.get_mut(usize::from(class & 15)).ok_or(DAMAGED)? = book;
            content = rest;
        }
        Ok(())
    }
}

struct Component {
    id: u8,
    /// Blocks of an MCU, horizontally and vertically.
    sampling: [usize; 2],
    /// Blocks of the component, horizontally and vertically.
    blocks: [usize; 2],
    /// Which coefficients of each block have become other than zero in the scans of a progressive picture.
    coefficients: Vec<u64>,
    begun: bool,
}

struct Frame {
    progressive: bool,
    /// Of the picture, in scans of several components, horizontally and vertically.
    mcus: [usize; 2],
    components: Vec<Component>,
}

impl Frame {
    fn new(content: &[u8], progressive: bool) -> Result<Self, &'static str> {
        let [height, width] = [number(content, 1)?, number(content, 3)?];
        let components = content.get(6..).ok_or(DAMAGED)?.as_chunks::<3>().0;
        let samplings: Vec<_> =
            components.iter().map(|[_, factors, _]| [factors >> 4, factors & 15].map(usize::from)).collect();
        let largest = |axis: usize| samplings.iter().map(|sampling| sampling[axis]).max().unwrap_or(0);
        if samplings.iter().flatten().any(|&factor| !(1..=4).contains(&factor)) || components.is_empty() {
            return Err(DAMAGED);
        }
        let per_axis = |axis: usize, side: usize| side.div_ceil(8 * largest(axis));
        let components = components.iter().zip(&samplings).map(|(&[id, ..], &sampling)| {
            let blocks = |axis: usize, side: usize| (side * sampling[axis]).div_ceil(largest(axis)).div_ceil(8);
            let blocks = [blocks(0, width), blocks(1, height)];
            let coefficients = vec![0; if progressive { blocks[0] * blocks[1] } else { 0 }];
            Component { id, sampling, blocks, coefficients, begun: false }
        });
        Ok(Self { progressive, mcus: [per_axis(0, width), per_axis(1, height)], components: components.collect() })
    }

    /// Reads the codes of a scan, whose header is `content`.
    fn scan(&mut self, content: &[u8], tables: &Tables, codes: &mut Codes) -> Result<(), &'static str> {
        let (&count, selectors) = content.split_first().ok_or(DAMAGED)?;
        let (selectors, parameters) = selectors.split_at_checked(2 * usize::from(count)).ok_or(DAMAGED)?;
        let &[from, to, successive, ..] = parameters else { return Err(DAMAGED) };
        let band = Band { from: from.min(63), to: to.min(63), refines: successive >> 4 != 0 };
        let mut parts = Vec::new();
        for &[id, books] in selectors.as_chunks::<2>().0 {
            let index = self.components.iter().position(|component| component.id == id).ok_or(DAMAGED)?;
            self.components[index].begun |= from == 0;
            let (dc, ac) = (tables.dc.get(usize::from(books >> 4)), tables.ac.get(usize::from(books & 15)));
            parts.push((index, dc.ok_or(DAMAGED)?, ac.ok_or(DAMAGED)?));
        }
        let alone = parts.len() == 1;
        let [columns, rows] = if alone { self.components[parts[0].0].blocks } else { self.mcus };
        let mut zero_blocks = 0;
        for mcu in 0..columns * rows {
            if tables.restart_interval > 0 && mcu > 0 && mcu % tables.restart_interval == 0 {
                codes.restart(mcu / tables.restart_interval - 1)?;
                zero_blocks = 0;
            }
            for &(index, dc, ac) in &parts {
                let component = &mut self.components[index];
                let [horizontal, vertical] = component.sampling;
                for _ in 0..if alone { 1 } else { horizontal * vertical } {
                    if !self.progressive {
                        codes.sequential_block(dc, ac)?;
                    } else if from > 0 {
                        let block = component.coefficients.get_mut(mcu).ok_or(DAMAGED)?;
                        codes.progressive_block(ac, band, block, &mut zero_blocks)?;
                    } else if band.refines {
                        codes.read(1)?;
                    } else {
                        codes.difference(dc)?;
                    }
                }
            }
        }
        codes.end()
    }
}

/// The coefficients that a scan is about.
#[derive(Clone, Copy)]
struct Band {
    from: u8,
    to: u8,
    /// Whether it adds a bit to coefficients that were there before.
    refines: bool,
}

/// The codes of a scan, bit by bit.
struct Codes<'a> {
    bytes: &'a [u8],
    /// Of the next byte.
    position: usize,
    /// The next bits, in the lowest of `buffer`.
    buffer: u64,
    bits: u32,
}

impl Codes<'_> {
    /// The next byte, unless a marker is next.
    fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.position)?;
        if byte == 0xFF {
            if *self.bytes.get(self.position + 1)? != 0 {
                return None;
            }
            self.position += 1;
        }
        self.position += 1;
        Some(byte)
    }

    fn read(&mut self, count: u32) -> Result<u32, &'static str> {
        while self.bits < count {
            self.buffer = self.buffer << 8 | u64::from(self.byte().ok_or(EARLY)?);
            self.bits += 8;
        }
        self.bits -= count;
        Ok((self.buffer >> self.bits) as u32 & ((1 << count) - 1))
    }

    fn symbol(&mut self, book: &Codebook) -> Result<u8, &'static str> {
        while self.bits < 16 {
            let Some(byte) = self.byte() else { break };
            self.buffer = self.buffer << 8 | u64::from(byte);
            self.bits += 8;
        }
        let ahead = if self.bits < 16 { self.buffer << (16 - self.bits) } else { self.buffer >> (self.bits - 16) };
        let &(length, symbol) = book.get(ahead as usize & 0xFFFF).ok_or(DAMAGED)?;
        match u32::from(length) {
            0 => Err(DAMAGED),
            length if length > self.bits => Err(EARLY),
            length => {
                self.bits -= length;
                Ok(symbol)
            }
        }
    }

    /// F.2.2.1.
    fn difference(&mut self, dc: &Codebook) -> Result<(), &'static str> {
        let size = self.symbol(dc)?;
        if size > 16 {
            return Err(DAMAGED);
        }
        self.read(size.into()).map(drop)
    }

    /// F.2.2.2.
    fn sequential_block(&mut self, dc: &Codebook, ac: &Codebook) -> Result<(), &'static str> {
        self.difference(dc)?;
        let mut index = 1;
        while index < 64 {
            let symbol = self.symbol(ac)?;
            let (run, size) = (symbol >> 4, symbol & 15);
            match (run, size) {
                (15, 0) => index += 16,
                (_, 0) => return Ok(()),
                _ => {
                    self.read(size.into())?;
                    index += run + 1;
                }
            }
        }
        if index == 64 { Ok(()) } else { Err(DAMAGED) }
    }

    /// G.1.2.2 and G.1.2.3: `coefficients` are those of the block, `zero_blocks` the length of the run of blocks without more codes.
    fn progressive_block(
        &mut self,
        ac: &Codebook,
        band: Band,
        coefficients: &mut u64,
        zero_blocks: &mut u32,
    ) -> Result<(), &'static str> {
        let mut index = band.from;
        while *zero_blocks == 0 && index <= band.to {
            let symbol = self.symbol(ac)?;
            let (mut run, size) = (symbol >> 4, symbol & 15);
            if size == 0 && run < 15 {
                *zero_blocks = (1 << run) + self.read(run.into())?;
                break;
            }
            if size > 0 {
                self.read(if band.refines { 1 } else { size.into() })?;
            }
            // Coefficients that were there take no part in the run, and a bit each.
            while index <= band.to {
                if band.refines && *coefficients >> index & 1 == 1 {
                    self.read(1)?;
                } else if run == 0 {
                    break;
                } else {
                    run -= 1;
                }
                index += 1;
            }
            if size > 0 {
                if index > band.to {
                    return Err(DAMAGED);
                }
                *coefficients |= 1 << index;
            }
            index += 1;
        }
        if *zero_blocks > 0 {
            *zero_blocks -= 1;
            for _ in (index..=band.to).filter(|&index| band.refines && *coefficients >> index & 1 == 1) {
                self.read(1)?;
            }
        }
        Ok(())
    }

    /// Goes on after restart marker number `index`.
    fn restart(&mut self, index: usize) -> Result<(), &'static str> {
        self.end()?;
        let expected = FIRST_RESTART + (index % 8) as u8;
        match self.bytes.get(self.position + 1) {
            Some(&marker) if marker == expected => self.position += 2,
            Some(_) => return Err(DAMAGED),
            None => return Err(EARLY),
        }
        Ok(())
    }

    /// Goes to the marker that ends these codes. Some cameras fill up with zeros or ones.
    fn end(&mut self) -> Result<(), &'static str> {
        let bits = self.bits % 8;
        self.read(bits)?;
        while self.bits > 0 {
            if !matches!(self.read(8)?, 0 | 0xFF) {
                return Err(LEFT_OVER);
            }
        }
        while let Some(byte) = self.byte() {
            if !matches!(byte, 0 | 0xFF) {
                return Err(LEFT_OVER);
            }
        }
        while let [0xFF, 0xFF, ..] = self.bytes.get(self.position..).unwrap_or_default() {
            self.position += 1;
        }
        Ok(())
    }
}

/// Class and destination, numbers of codes of each length, and symbols: tables K.3, K.5, K.4 and K.6.
const TABLES: [(u8, [u8; 16], &[u8]); 4] = [
    (
        0x00,
        [0x00, 0x01, 0x05, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00],
        &[0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0A, 0x0B],
    ),
    (
        0x10,
        [0x00, 0x02, 0x01, 0x03, 0x03, 0x02, 0x04, 0x03, 0x05, 0x05, 0x04, 0x04, 0x00, 0x00, 0x01, 0x7D],
        &[
            0x01, 0x02, 0x03, 0x00, 0x04, 0x11, 0x05, 0x12, 0x21, 0x31, 0x41, 0x06, 0x13, 0x51, 0x61, 0x07, 0x22, 0x71,
            0x14, 0x32, 0x81, 0x91, 0xA1, 0x08, 0x23, 0x42, 0xB1, 0xC1, 0x15, 0x52, 0xD1, 0xF0, 0x24, 0x33, 0x62, 0x72,
            0x82, 0x09, 0x0A, 0x16, 0x17, 0x18, 0x19, 0x1A, 0x25, 0x26, 0x27, 0x28, 0x29, 0x2A, 0x34, 0x35, 0x36, 0x37,
            0x38, 0x39, 0x3A, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4A, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59,
            0x5A, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6A, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7A, 0x83,
            0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9A, 0xA2, 0xA3,
            0xA4, 0xA5, 0xA6, 0xA7, 0xA8, 0xA9, 0xAA, 0xB2, 0xB3, 0xB4, 0xB5, 0xB6, 0xB7, 0xB8, 0xB9, 0xBA, 0xC2, 0xC3,
            0xC4, 0xC5, 0xC6, 0xC7, 0xC8, 0xC9, 0xCA, 0xD2, 0xD3, 0xD4, 0xD5, 0xD6, 0xD7, 0xD8, 0xD9, 0xDA, 0xE1, 0xE2,
            0xE3, 0xE4, 0xE5, 0xE6, 0xE7, 0xE8, 0xE9, 0xEA, 0xF1, 0xF2, 0xF3, 0xF4, 0xF5, 0xF6, 0xF7, 0xF8, 0xF9, 0xFA,
        ],
    ),
    (
        0x01,
        [0x00, 0x03, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00],
        &[0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0A, 0x0B],
    ),
    (
        0x11,
        [0x00, 0x02, 0x01, 0x02, 0x04, 0x04, 0x03, 0x04, 0x07, 0x05, 0x04, 0x04, 0x00, 0x01, 0x02, 0x77],
        &[
            0x00, 0x01, 0x02, 0x03, 0x11, 0x04, 0x05, 0x21, 0x31, 0x06, 0x12, 0x41, 0x51, 0x07, 0x61, 0x71, 0x13, 0x22,
            0x32, 0x81, 0x08, 0x14, 0x42, 0x91, 0xA1, 0xB1, 0xC1, 0x09, 0x23, 0x33, 0x52, 0xF0, 0x15, 0x62, 0x72, 0xD1,
            0x0A, 0x16, 0x24, 0x34, 0xE1, 0x25, 0xF1, 0x17, 0x18, 0x19, 0x1A, 0x26, 0x27, 0x28, 0x29, 0x2A, 0x35, 0x36,
            0x37, 0x38, 0x39, 0x3A, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4A, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58,
            0x59, 0x5A, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6A, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7A,
            0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9A,
            0xA2, 0xA3, 0xA4, 0xA5, 0xA6, 0xA7, 0xA8, 0xA9, 0xAA, 0xB2, 0xB3, 0xB4, 0xB5, 0xB6, 0xB7, 0xB8, 0xB9, 0xBA,
            0xC2, 0xC3, 0xC4, 0xC5, 0xC6, 0xC7, 0xC8, 0xC9, 0xCA, 0xD2, 0xD3, 0xD4, 0xD5, 0xD6, 0xD7, 0xD8, 0xD9, 0xDA,
            0xE2, 0xE3, 0xE4, 0xE5, 0xE6, 0xE7, 0xE8, 0xE9, 0xEA, 0xF2, 0xF3, 0xF4, 0xF5, 0xF6, 0xF7, 0xF8, 0xF9, 0xFA,
        ],
    ),
];
