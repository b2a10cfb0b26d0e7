//! UF2: blocks of 512 bytes, each of which says where its 256 bytes belong (github.com/microsoft/uf2). The boot ROMs of an RP2040
//! and an RP2350 show a drive that takes such a file (RP2040 datasheet, section 2.8.4; RP2350 datasheet, section 5.5, "USB mass storage
//! interface").

use std::collections::BTreeMap;

use crate::Segment;

/// For which part a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Family {
    /// Data at a fixed address, whatever else is in flash (RP2350 datasheet, section 5.5.3, "UF2 targeting rules").
    Absolute = 0xe48b_ff57,
    /// A program for an RP2040, or data for its flash.
    Rp2040 = 0xe48b_ff56,
    /// A program for an RP2350 as Arm, in the Secure state, and what it brings along.
    Rp2350ArmSecure = 0xe48b_ff59,
}

/// What the boot ROM writes at a time: a page of flash.
pub const PAGE_LEN: usize = 256;
const BLOCK_LEN: usize = 512;
const FIRST_MAGIC: [u32; 2] = [0x0a32_4655, 0x9e5d_5157];
const LAST_MAGIC: u32 = 0x0ab1_6f30;
/// A block names its family.
const FAMILY_PRESENT: u32 = 0x2000;
/// Of erased flash.
const ERASED: u8 = 0xff;

/// A file with these segments, whole pages by ascending address. What a page holds beside a segment is left erased.
pub fn image(segments: &[Segment], family: Family) -> Vec<u8> {
    let mut pages = BTreeMap::<u32, [u8; PAGE_LEN]>::new();
    for segment in segments {
        for (address, byte) in (segment.address..).zip(&segment.bytes) {
            let offset = address as usize % PAGE_LEN;
            pages.entry(address - offset as u32).or_insert([ERASED; PAGE_LEN])[offset] = *byte;
        }
    }
    let mut file = Vec::with_capacity(pages.len() * BLOCK_LEN);
    for (number, (address, page)) in pages.iter().enumerate() {
        let numbers = [FAMILY_PRESENT, *address, PAGE_LEN as u32, number as u32, pages.len() as u32, family as u32];
        file.extend(FIRST_MAGIC.iter().chain(&numbers).flat_map(|number| number.to_le_bytes()));
        file.extend(page);
        file.resize((number + 1) * BLOCK_LEN - 4, 0);
        file.extend(LAST_MAGIC.to_le_bytes());
    }
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_that_share_a_page_and_cross_pages_become_whole_pages() {
        let segments = [
            Segment { address: 0x1000_00f0, bytes: vec![1; 8] },
            Segment { address: 0x1000_00fc, bytes: vec![2; 8] },
            Segment { address: 0x1010_0000, bytes: vec![3; PAGE_LEN] },
        ];
        let file = image(&segments, Family::Absolute);
        assert_eq!(file.len(), 3 * BLOCK_LEN);
        let mut first = [ERASED; PAGE_LEN];
        first[0xf0..0xf8].fill(1);
        first[0xfc..].fill(2);
        let mut second = [ERASED; PAGE_LEN];
        second[..4].fill(2);
        let expected = [(0x1000_0000_u32, first), (0x1000_0100, second), (0x1010_0000, [3; PAGE_LEN])];
        for (number, (block, (address, page))) in file.chunks(BLOCK_LEN).zip(expected).enumerate() {
            assert_eq!(block[..8], *b"UF2\nWQ]\x9e");
            let word = |at: usize| u32::from_le_bytes(block[at..at + 4].try_into().unwrap());
            assert_eq!([8, 12, 16, 20, 24, 28].map(word), [0x2000, address, 256, number as u32, 3, 0xe48b_ff57]);
            assert_eq!(block[32..32 + PAGE_LEN], page);
            assert!(block[32 + PAGE_LEN..508].iter().all(|&byte| byte == 0));
            assert_eq!(word(508), 0x0ab1_6f30);
        }
    }
}
