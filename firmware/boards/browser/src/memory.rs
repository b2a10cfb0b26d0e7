//! Memory that the page and the module share: what comes in, and the last answer.

use std::cell::RefCell;

use serde::Serialize;

thread_local! {
    static ROOM: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    static ANSWER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Room for `len` bytes; what was there before is lost. It is read by the next function that says so.
#[unsafe(export_name = "board_room")]
pub extern "C" fn room(len: usize) -> *mut u8 {
    ROOM.with_borrow_mut(|room| {
        room.resize(len, 0);
        room.as_mut_ptr()
    })
}

/// The last answer, as long as the function said that gave it.
#[unsafe(export_name = "board_answer")]
pub extern "C" fn answered() -> *const u8 {
    ANSWER.with_borrow(|answer| answer.as_ptr())
}

/// Reads the room.
pub fn with_room<T>(read: impl FnOnce(&[u8]) -> T) -> T {
    ROOM.with_borrow(|room| read(room))
}

/// Reads the room as text.
pub fn text() -> String {
    with_room(|room| String::from_utf8_lossy(room).into_owned())
}

/// Keeps an answer and gives its length.
pub fn answer(bytes: Vec<u8>) -> usize {
    ANSWER.set(bytes);
    ANSWER.with_borrow(Vec::len)
}

/// The same as JSON.
pub fn answer_json(answer_or_reason: &Result<impl Serialize, String>) -> usize {
    answer(serde_json::to_vec(answer_or_reason).expect("text, numbers and lists are JSON"))
}
