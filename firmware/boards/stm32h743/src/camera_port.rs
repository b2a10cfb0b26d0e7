//! The sensor's parallel port: DCMI, whose data DMA writes to a frame.

use embassy_stm32::dcmi::{self, Dcmi, HSyncDataInvalidLevel, PixelClockPolarity, VSyncDataInvalidLevel};
use embassy_stm32::pac;
use embassy_stm32::peripherals::{DCMI, DMA1_CH0, PA4, PA6, PB7, PC6, PC7, PD3, PE0, PE1, PE4, PE5, PE6};
use embassy_stm32::{Peri, bind_interrupts, dma};
use firmware::camera::{ParallelCapture, Progress};
use firmware::fault::Fault;

bind_interrupts!(struct Interrupts {
    DCMI => dcmi::InterruptHandler<DCMI>;
    DMA1_STREAM0 => dma::InterruptHandler<DMA1_CH0>;
});

/// Eight data lines and three for synchronization, as WeAct's schematic V1.2 has them on the camera's socket.
pub struct CameraPort {
    dcmi: Dcmi<'static, DCMI>,
    /// Words of the last capture.
    words: usize,
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
            words: 0,
            dcmi: Dcmi::new_8bit(dcmi, dma, Interrupts, d0, d1, d2, d3, d4, d5, d6, d7, vsync, hsync, pixclk, config),
        }
    }
}

impl ParallelCapture for CameraPort {
    /// DCMI does not count: a shorter frame never ends, which the driver's time limit ends; a longer one overruns.
    async fn capture(&mut self, bytes: &mut [u8]) -> Result<(), Fault> {
        let words = bytemuck::try_cast_slice_mut(bytes).map_err(|_| Fault::Bus)?;
        self.words = words.len();
        restart();
        self.dcmi.capture(words).await.map_err(|_| Fault::Bus)
    }

    /// Both flags stay until the next capture begins, and DMA's count is what it was when the stream stopped (RM0433: DCMI_RIS,
    /// DMA_SxNDTR). An overrun in the middle of a frame is a frame that is too short, for embassy-stm32 clears its flag and waits for the rest.
    fn progress(&self) -> Progress {
        let flags = pac::DCMI.ris().read();
        let left = usize::from(pac::DMA1.st(0).ndtr().read().ndt());
        Progress {
            has_begun: flags.vsync_ris(),
            bytes: (4 * self.words.saturating_sub(left)) as u32,
            is_overrun: flags.ovr_ris(),
        }
    }
}

/// Resets the peripheral and configures it as before: a capture that was dropped is still going on, and what it has left
/// in the FIFO would come before the next frame.
fn restart() {
    // A capture that is going on has both bits set, and would go on if they were written back.
    let mut configuration = pac::DCMI.cr().read();
    configuration.set_capture(false);
    configuration.set_enable(false);
    pac::RCC.ahb2rstr().modify(|reset| reset.set_dcmirst(true));
    pac::RCC.ahb2rstr().modify(|reset| reset.set_dcmirst(false));
    pac::DCMI.cr().write_value(configuration);
}
