//! The sensor's parallel port: DCMI, whose data DMA writes to a frame.

use embassy_stm32::dcmi::{self, Dcmi, HSyncDataInvalidLevel, PixelClockPolarity, VSyncDataInvalidLevel};
use embassy_stm32::pac::{self, dcmi::regs::Cr};
use embassy_stm32::peripherals::{DCMI, DMA1_CH0, PA4, PA6, PB7, PC6, PC7, PD3, PE0, PE1, PE4, PE5, PE6};
use embassy_stm32::{Peri, bind_interrupts, dma};
use firmware::camera::ParallelCapture;
use firmware::fault::Fault;

bind_interrupts!(struct Interrupts {
    DCMI => dcmi::InterruptHandler<DCMI>;
    DMA1_STREAM0 => dma::InterruptHandler<DMA1_CH0>;
});

/// Eight data lines and three for synchronization, as WeAct's schematic V1.2 has them on the camera's socket.
pub struct CameraPort {
    dcmi: Dcmi<'static, DCMI>,
}

impl CameraPort {
    /// D0 … D7, VSYNC, HSYNC (the sensor's HREF) and PIXCLK.
    #[expect(clippy::too_many_arguments, reason = "so many pins")]
    pub fn new(
        dcmi: Peri<'static, DCMI>,
        dma: Peri<'static, DMA1_CH0>,
        d0: Peri<'static, PC6>,
        d1: Peri<'static, PC7>,
        d2: Peri<'static, PE0>,
        d3: Peri<'static, PE1>,
        d4: Peri<'static, PE4>,
        d5: Peri<'static, PD3>,
        d6: Peri<'static, PE5>,
        d7: Peri<'static, PE6>,
        vsync: Peri<'static, PB7>,
        hsync: Peri<'static, PA4>,
        pixclk: Peri<'static, PA6>,
    ) -> Self {
        let mut config = dcmi::Config::default();
        // The signal processor raises VSYNC for the time of a frame. Register COM10 and the timing diagrams of the datasheet
        // (2.1, figure 14), in which it is a short pulse between frames, are about the sensor without it. Drivers in use agree:
        // WeAct's for this board (05-DCMI_UVC: VSPolarity LOW), OpenMV's, and esp32-camera, whose I2S takes data while it is high.
        config.vsync_level = VSyncDataInvalidLevel::Low;
        config.hsync_level = HSyncDataInvalidLevel::Low;
        config.pixclk_polarity = PixelClockPolarity::RisingEdge;
        Self {
            dcmi: Dcmi::new_8bit(dcmi, dma, Interrupts, d0, d1, d2, d3, d4, d5, d6, d7, vsync, hsync, pixclk, config),
        }
    }
}

impl ParallelCapture for CameraPort {
    /// DCMI does not count: a shorter frame never ends, which the driver's time limit ends; a longer one overruns.
    async fn capture(&mut self, bytes: &mut [u8]) -> Result<usize, Fault> {
        let len = bytes.len();
        let words = bytemuck::try_cast_slice_mut(bytes).map_err(|_| Fault::Bus)?;
        restart();
        match self.dcmi.capture(words).await {
            Ok(()) => Ok(len),
            Err(dcmi::Error::Overrun) => Err(Fault::Overrun),
            Err(_) => Err(Fault::Bus),
        }
    }
}

/// Resets the peripheral and configures it as before: a capture that was dropped is still going on, and what it has left
/// in the FIFO would come before the next frame.
fn restart() {
    let configuration = pac::DCMI.cr().read();
    pac::RCC.ahb2rstr().modify(|reset| reset.set_dcmirst(true));
    pac::RCC.ahb2rstr().modify(|reset| reset.set_dcmirst(false));
    pac::DCMI.cr().write_value(Cr(configuration.0));
    pac::DCMI.cr().modify(|control| {
        control.set_capture(false);
        control.set_enable(false);
    });
}
