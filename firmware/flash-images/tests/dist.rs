//! The images of all boards hold what the linker put into flash, by readers that share nothing with the writers.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::Path;
use std::process::{Command, Output};

use dfufile::{Content, DfuFile, dfuse};
use flash_images::board::{BOARDS, Board, Format};
use flash_images::esp::TABLE_ADDRESS;
use flash_models::NorFlashModel;
use md5::Md5;
use model_store::{Layout, Slot};
use object::{Object, ObjectSymbol};
use sha2::{Digest, Sha256};

/// Bytes by address.
type Memory = BTreeMap<u32, u8>;

fn flash_images(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_flash-images")).args(arguments).output().unwrap()
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

/// What `readelf --program-headers` would list as LOAD with a size in the file, at its physical address.
fn in_elf(elf: &[u8]) -> Memory {
    let half = |at: usize| usize::from(u16::from_le_bytes(elf[at..at + 2].try_into().unwrap()));
    let (table, entry, count) = (word(elf, 28) as usize, half(42), half(44));
    let mut memory = Memory::new();
    for header in (0..count).map(|index| table + index * entry) {
        let [kind, offset, _, address, len] = [0, 4, 8, 12, 16].map(|field| word(elf, header + field));
        if kind == 1 {
            let bytes = &elf[offset as usize..(offset + len) as usize];
            memory.extend((address..).zip(bytes.iter().copied()));
        }
    }
    memory
}

fn in_uf2(file: &[u8], family: u32) -> Memory {
    let mut memory = Memory::new();
    assert_eq!(file.len() % 512, 0);
    for (number, block) in file.chunks(512).enumerate() {
        assert_eq!([word(block, 0), word(block, 4), word(block, 508)], [0x0a324655, 0x9e5d5157, 0x0ab16f30]);
        assert_eq!([word(block, 8), word(block, 16), word(block, 28)], [0x2000, 256, family]);
        assert_eq!([word(block, 20), word(block, 24)], [number as u32, (file.len() / 512) as u32]);
        let address = word(block, 12);
        assert_eq!(address % 256, 0);
        memory.extend((address..).zip(block[32..288].iter().copied()));
    }
    memory
}

fn in_dfuse(path: &Path) -> Memory {
    let mut file = DfuFile::open(path).unwrap();
    assert_eq!(file.calc_crc().unwrap(), file.suffix.dwCRC);
    let suffix = &file.suffix;
    assert_eq!((suffix.idVendor, suffix.idProduct, suffix.bcdDFU), (0x0483, 0xdf11, 0x011a));
    let Content::Dfuse(content) = &file.content else { panic!("no DfuSe file") };
    let bytes = fs::read(path).unwrap();
    elements(content).into_iter().fold(Memory::new(), |mut memory, (address, start, len)| {
        memory.extend((address..).zip(bytes[start..start + len].iter().copied()));
        memory
    })
}

/// Address, position in the file, and length of each.
fn elements(content: &dfuse::Content) -> Vec<(u32, usize, usize)> {
    assert_eq!(content.images.len(), 1);
    let image = &content.images[0];
    let elements = image.image_elements.iter();
    elements
        .map(|element| (element.dwElementAddress, element.data_position as usize, element.dwElementSize as usize))
        .collect()
}

fn in_image(board: &Board, path: &Path, family: u32) -> Memory {
    match board.format {
        Format::Uf2 { .. } => in_uf2(&fs::read(path).unwrap(), family),
        Format::Dfuse => in_dfuse(path),
        // Of a file with a model alone.
        Format::Binary { .. } => (board.model.0..).zip(fs::read(path).unwrap()).collect(),
    }
}

/// All of `expected`, and nothing else but what rounds it up to pages.
fn assert_holds(found: &Memory, expected: &Memory, what: &str) {
    for (address, byte) in expected {
        assert_eq!(found.get(address), Some(byte), "{what}: {address:#x}");
    }
    for (address, byte) in found {
        let page = address & !255;
        let is_padding = *byte == 0xff && expected.range(page..page + 256).next().is_some();
        assert!(expected.contains_key(address) || is_padding, "{what}: {address:#x} is written for nothing");
    }
}

/// Families of a UF2 file with a program, and of one with a model alone (github.com/microsoft/uf2, utils/uf2families.json).
fn families(board: &Board) -> (u32, u32) {
    match board.name {
        "rp2040" => (0xe48bff56, 0xe48bff56),
        _ => (0xe48bff59, 0xe48bff57),
    }
}

/// What an ESP32-C6 has where its processor sees it, after its boot loader has done what the image at the beginning of `file` says: what is copied into RAM,
/// and what is mapped, from places in flash that must be as far into a page of 64 KB as the addresses are.
fn in_esp_image(file: &[u8], start: usize) -> Memory {
    let mut memory = Memory::new();
    let (mut place, mut sum) = (start + 24, 0xef);
    for _ in 0..file[start + 1] {
        let (address, len) = (word(file, place), word(file, place + 4) as usize);
        place += 8;
        let bytes = &file[place..place + len];
        sum = bytes.iter().fold(sum, |sum, byte| sum ^ byte);
        if (0x4200_0000..0x4300_0000).contains(&address) {
            assert_eq!(address % 0x1_0000, (place as u32 + TABLE_ADDRESS) % 0x1_0000, "{address:#x}");
        }
        if address > 0 {
            memory.extend((address..).zip(bytes.iter().copied()));
        }
        place += len;
    }
    place += 15 - (place - start) % 16;
    assert_eq!(file[place], sum);
    let hash = Sha256::digest(&file[start..place + 1]);
    assert_eq!(hash[..], file[place + 1..place + 33]);
    memory
}

/// Name, address and end of each partition in a table.
fn partitions(table: &[u8]) -> Vec<(String, Range<u32>)> {
    let entries: Vec<_> = table.chunks(32).take_while(|entry| entry[..2] == [0xaa, 0x50]).collect();
    let sum = 32 * entries.len();
    assert_eq!(table[sum..sum + 2], [0xeb, 0xeb]);
    assert_eq!(table[sum + 16..sum + 32], Md5::digest(&table[..sum])[..]);
    let text = |bytes: &[u8]| String::from_utf8(bytes.iter().copied().take_while(|byte| *byte != 0).collect()).unwrap();
    entries.iter().map(|entry| (text(&entry[12..28]), word(entry, 4)..word(entry, 4) + word(entry, 8))).collect()
}

/// The files of a board whose boot loader is in flash as well, and stays: with the partition table, which says what the linker knows, and the program as it
/// loads it; with the model; and with both.
fn assert_binaries(board: &Board, file: impl Fn(&str) -> Vec<u8>, elf: &[u8], blob: &[u8]) {
    let object = object::File::parse(elf).unwrap();
    let symbol = |name: &str| object.symbol_by_name(name).unwrap().address() as u32;
    let flash = symbol("_flash_start");
    let place = |name: &str| symbol(&format!("_{name}_start")) - flash..symbol(&format!("_{name}_end")) - flash;
    let (whole, program) = (file(""), file("-program"));
    let in_file = |address: u32| (address - TABLE_ADDRESS) as usize;
    let expected = [("program", "program"), ("model", "model"), ("other", "other_model"), ("record", "record")];
    let found = partitions(&program[..0x1000]);
    assert_eq!(found[1..], expected.map(|(name, symbol)| (name.to_owned(), place(symbol))));
    assert!(found.is_sorted_by(|(_, one), (_, other)| one.end <= other.start), "{found:x?}");
    assert_eq!(found.last().unwrap().1.end, 4 << 20);
    Layout::new::<NorFlashModel<Vec<u8>, 256, 4096>>(
        [place("model"), place("other_model")],
        place("record"),
        256,
        4096,
    );
    let start = in_file(place("program").start);
    assert!(program.len() <= in_file(place("program").end));
    let elf = in_elf(elf);
    // A segment ends at a whole word.
    let mut image = in_esp_image(&program, start);
    image.retain(|address, byte| *byte != 0 || elf.contains_key(address));
    assert_holds(&image, &elf, board.name);
    assert_eq!(word(&program, start + 32), 0xabcd_5432, "the descriptor comes first");

    let model = in_file(place("model").start);
    assert_eq!(board.model, (place("model").start, place("model").len()));
    assert_eq!(file("-model"), blob);
    assert!(whole.starts_with(&program) && whole[program.len()..model].iter().all(|byte| *byte == 0xff));
    assert_eq!(&whole[model..], blob);
}

/// What the boot ROM of an RP2040 calls a second boot loader: 252 bytes and their checksum (RP2040 datasheet, section 2.8.1.3.1).
fn is_second_boot_loader(bytes: &[u8]) -> bool {
    let crc = bytes[..252].iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte) << 24, |crc, _| crc << 1 ^ if crc >> 31 == 1 { 0x04c1_1db7 } else { 0 })
    });
    crc == word(bytes, 252)
}

/// A board's chip: where its flash lies and how long it is, and the layout that its flash driver makes of two places for a model and one for the
/// record. Figures of the datasheets, as `memory.x` and the driver have them.
type Chip = (Range<u32>, fn([Range<u32>; 2], Range<u32>) -> Layout);

fn chip(board: &Board) -> Chip {
    match board.format {
        Format::Uf2 { .. } => {
            (0x1000_0000..if board.name == "rp2040" { 0x1020_0000 } else { 0x1040_0000 }, |slots, record| {
                Layout::new::<NorFlashModel<Vec<u8>, 256, 4096>>(slots, record, 256, 4096)
            })
        }
        Format::Binary { .. } => unreachable!("its flash is not where its addresses are"),
        Format::Dfuse => (0x0800_0000..0x0820_0000, |slots, record| {
            Layout::new::<NorFlashModel<Vec<u8>, 32, { 128 << 10 }>>(slots, record, 32, 128 << 10)
        }),
    }
}

/// What a board's driver makes its layout of are the symbols that memory.x gives. It must be one that the driver takes, since it panics otherwise at
/// every boot, and its places must be in the chip, apart from each other and from the program, and empty but for the model.
fn assert_layout(board: &Board, symbol: impl Fn(&str) -> u32, content: &Memory) {
    let (flash, layout) = chip(board);
    let place = |name: &str| symbol(&format!("_{name}_start"))..symbol(&format!("_{name}_end"));
    let names = ["program", "model", "other_model", "record"];
    let [program, model, other, record] = names.map(place);
    let offset = |place: &Range<u32>| place.start - flash.start..place.end - flash.start;
    let layout = layout([offset(&model), offset(&other)], offset(&record));
    assert_eq!(layout.slot(Slot::A), offset(&model), "{}", board.name);
    let mut places = [program.clone(), model.clone(), other, record];
    places.sort_by_key(|place| place.start);
    for pair in places.windows(2) {
        assert!(pair[0].start < pair[0].end && pair[0].end <= pair[1].start, "{}: {places:x?}", board.name);
    }
    assert!(flash.start <= places[0].start && places[3].end <= flash.end, "{}: {places:x?}", board.name);
    for address in content.keys() {
        let is_in_place = program.contains(address) || model.contains(address);
        assert!(is_in_place, "{}: {address:#x} is written outside of program and model", board.name);
    }
}

#[test]
fn images_of_all_boards_hold_the_load_segments_of_their_programs() {
    let folder = tempfile::tempdir().unwrap();
    let output = flash_images(&["--output", folder.path().to_str().unwrap()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    let blob = fs::read(repository.join("data/models/vgg3-full.blob")).unwrap();
    for board in &BOARDS {
        let build = Command::new(repository.join("tests/support/firmware-build"))
            .args([board.name, board.target])
            .output()
            .unwrap();
        let elf = fs::read(String::from_utf8(build.stdout).unwrap().trim()).unwrap();
        if let Format::Binary { .. } = board.format {
            let file = |what: &str| fs::read(folder.path().join(format!("{}{what}.bin", board.name))).unwrap();
            assert_binaries(board, file, &elf, &blob);
            continue;
        }
        let whole = in_elf(&elf);
        let file = |what: &str| folder.path().join(format!("{}{what}.{}", board.name, board.format.extension()));
        let (program, model) = families(board);
        assert_holds(&in_image(board, &file(""), program), &whole, board.name);
        if board.name == "rp2040" {
            let start: Vec<u8> = whole.range(0x1000_0000..).map(|(_, &byte)| byte).take(256).collect();
            assert!(is_second_boot_loader(&start));
        }

        let object = object::File::parse(elf.as_slice()).unwrap();
        let symbol = |name: &str| object.symbol_by_name(name).unwrap().address() as u32;
        assert_layout(board, symbol, &whole);
        let (start, end) = (symbol("_model_start"), symbol("_model_end"));
        assert_eq!(board.model, (start, (end - start) as usize), "{}", board.name);
        let fits = |len: usize| board.model(&vec![0; len]).is_some();
        assert!(fits(board.model.1) && !fits(board.model.1 + 1));
        let is_model = |(address, _): &(&u32, &u8)| (start..end).contains(*address);
        let part = |wanted: bool| -> Memory {
            whole.iter().filter(|byte| is_model(byte) == wanted).map(|(&address, &byte)| (address, byte)).collect()
        };
        assert_holds(&in_image(board, &file("-program"), program), &part(false), "program");
        assert_holds(&in_image(board, &file("-model"), model), &part(true), "model");
        assert!(part(true).into_values().eq(blob.iter().copied()), "the model is the committed one");
    }

    let page = fs::read_to_string(folder.path().join("README.md")).unwrap();
    let sums = fs::read_to_string(folder.path().join("SHA256SUMS")).unwrap();
    for entry in fs::read_dir(folder.path()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let is_listed = |text: &str| text.contains(&name);
        assert!(
            ["README.md", "SHA256SUMS"].contains(&name.as_str()) || (is_listed(&page) && is_listed(&sums)),
            "{name}"
        );
    }
    let check = Command::new("sha256sum").args(["--check", "--quiet", "SHA256SUMS"]).current_dir(&folder).status();
    assert!(check.unwrap().success());
}

#[test]
fn a_blob_becomes_files_beside_it_and_anything_else_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let blob = folder.path().join("photos.blob");
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/models/vgg3-full.blob");
    fs::copy(committed, &blob).unwrap();
    let output = flash_images(&["model", blob.to_str().unwrap()]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && text.contains("BOOTSEL") && text.contains("dfu-util"), "{text}");
    assert!(text.contains("espflash write-bin --chip esp32c6 0x100000 "), "{text}");
    let bytes = fs::read(&blob).unwrap();
    for board in &BOARDS {
        let file = blob.with_extension(format!("{}.{}", board.name, board.format.extension()));
        let expected = (board.model.0..).zip(bytes.iter().copied()).collect();
        assert_holds(&in_image(board, &file, families(board).1), &expected, board.name);
    }

    let damaged = folder.path().join("damaged.blob");
    fs::write(&damaged, &bytes[..bytes.len() - 1]).unwrap();
    for (path, message) in [(damaged, "damaged.blob is no model: "), (folder.path().join("none.blob"), "none.blob: ")] {
        let output = flash_images(&["model", path.to_str().unwrap()]);
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(1) && text.contains(message), "{text}");
    }
    let files = fs::read_dir(&folder).unwrap().count();
    assert_eq!(files, 2 + BOARDS.len(), "no file of a model that was refused");
}
