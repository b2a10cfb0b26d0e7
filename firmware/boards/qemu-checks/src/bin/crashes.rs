//! Crashes in every way that a program can, one after the other, and says after each reset what the crash before was.
#![no_std]
#![no_main]

use cortex_m::asm;
use cortex_m_rt::entry;
use semihosting::process::ExitCode;
use semihosting::{print, println};

/// In one piece, whose characters have two bytes.
const LONG: &str = "äääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääää";

#[entry]
fn main() -> ! {
    match crash::take() {
        None => {
            println!("nothing crashed before");
            panic!("on purpose");
        }
        Some(text) if text.contains("on purpose") => {
            println!("{text}");
            assert!(crash::take().is_none(), "a crash is told once");
            // A text that is longer than what is kept.
            panic!("{LONG}");
        }
        Some(text) if text.starts_with("panicked") => {
            println!("{text}");
            asm::udf()
        }
        Some(text) => {
            print!("{text}");
            ExitCode::SUCCESS.exit_process()
        }
    }
}
