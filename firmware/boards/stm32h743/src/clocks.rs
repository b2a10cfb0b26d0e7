//! 480 MHz and the camera's 24 MHz from the board's crystal, 48 MHz for USB.

use embassy_stm32::Config;
use embassy_stm32::rcc::{
    AHBPrescaler, APBPrescaler, Hse, HseMode, Hsi48Config, Pll, PllDiv, PllMul, PllPreDiv, PllSource, Sysclk,
    VoltageScale, mux,
};
use embassy_stm32::time::Hertz;

/// X1 in WeAct's schematic V1.2.
const CRYSTAL_HZ: u32 = 25_000_000;
/// The oscillator of PLL1, at its limit.
const OSCILLATOR_HZ: u32 = CRYSTAL_HZ / 5 * 192;
/// What the board is set to, for a diagnosis.
pub const CLOCKS: [(&str, u32); 2] =
    [("processor clock in Hz", OSCILLATOR_HZ / 2), ("camera clock in Hz", OSCILLATOR_HZ / 20 / 2)];
const _: () = assert!(CLOCKS[0].1 == 480_000_000 && CLOCKS[1].1 == 24_000_000);

/// The fastest clocks of the datasheet (DS12110, general operating conditions at VOS0, silicon revision V): 480 MHz for
/// the processor, 240 MHz for AXI and AHB, 120 MHz for APB.
pub fn config() -> Config {
    let mut config = Config::default();
    let rcc = &mut config.rcc;
    rcc.voltage_scale = VoltageScale::Scale0;
    rcc.hse = Some(Hse { freq: Hertz(CRYSTAL_HZ), mode: HseMode::Oscillator });
    rcc.pll1 = Some(Pll {
        source: PllSource::HSE,
        prediv: PllPreDiv::DIV5,
        mul: PllMul::MUL192,
        fracn: None,
        divp: Some(PllDiv::DIV2),
        // 48 MHz, of which the camera gets half. Its clock must be locked to the processor's: with another source every fifth picture
        // was spoilt on a board of OpenMV's.
        divq: Some(PllDiv::DIV20),
        divr: None,
    });
    rcc.sys = Sysclk::PLL1_P;
    rcc.ahb_pre = AHBPrescaler::DIV2;
    rcc.apb1_pre = APBPrescaler::DIV2;
    rcc.apb2_pre = APBPrescaler::DIV2;
    rcc.apb3_pre = APBPrescaler::DIV2;
    rcc.apb4_pre = APBPrescaler::DIV2;
    // Kept exact by the host's start-of-frame packets (RM0433, section 9: clock recovery system).
    rcc.hsi48 = Some(Hsi48Config { sync_from_usb: true });
    rcc.mux.usbsel = mux::Usbsel::HSI48;
    config
}
