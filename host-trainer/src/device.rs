//! Which device computes, and why.

use burn::tensor::Device;
#[cfg(feature = "wgpu")]
use burn::tensor::DeviceKind;

/// What the user asks for with `--device`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum DeviceChoice {
    /// A graphics card where there is one, the CPU otherwise.
    #[default]
    Auto,
    /// The CPU, with burn's flex backend.
    Cpu,
    /// A graphics card, with burn's wgpu backend (needs a build with `--features gpu`).
    Gpu,
    #[cfg(feature = "ndarray")]
    /// The CPU, with burn's ndarray backend: very slow, a second opinion on predictions.
    Ndarray,
    /// The CPU as a graphics card that software emulates, with burn's wgpu backend: very slow, to try a build with
    /// `--features wgpu` where there is no card (Debian: `apt-get install mesa-vulkan-drivers libvulkan1`).
    SoftwareGpu,
}

/// The device that was chosen.
pub struct SelectedDevice {
    /// Without autodiff.
    pub device: Device,
    /// Which one it is and why, for people.
    pub explanation: String,
    /// Whether it is a graphics card.
    pub is_gpu: bool,
}

/// The device that was asked for is not there.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// The build has no wgpu backend.
    #[error("this build has no GPU support: build it with `cargo run -p host-trainer --features gpu -- …`")]
    NotBuilt,
    /// No graphics card with a driver was found.
    #[error("no GPU found ({0}); install its Vulkan driver, or use --device cpu")]
    NoGpu(String),
    /// No software renderer was found.
    #[error("no software renderer found ({0}); on Debian: `apt-get install mesa-vulkan-drivers libvulkan1`")]
    NoSoftwareGpu(String),
}

/// Finds the device for `choice`.
pub fn select(choice: DeviceChoice) -> Result<SelectedDevice, DeviceError> {
    match choice {
        DeviceChoice::Auto => Ok(gpu().unwrap_or_else(|reason| SelectedDevice {
            explanation: format!("computing on the CPU (flex): {reason}"),
            ..cpu()
        })),
        DeviceChoice::Cpu => Ok(cpu()),
        DeviceChoice::Gpu => gpu(),
        #[cfg(feature = "ndarray")]
        DeviceChoice::Ndarray => Ok(SelectedDevice {
            device: ndarray(),
            explanation: "computing on the CPU (ndarray), as asked: about 40 times slower than flex".to_owned(),
            is_gpu: false,
        }),
        DeviceChoice::SoftwareGpu => software_gpu(),
    }
}

/// Whether `device` is the fast CPU backend.
pub fn is_flex(device: &Device) -> bool {
    device.clone().without_autodiff() == Device::flex()
}

#[cfg(feature = "ndarray")]
/// The reference backend. Upstream calls it deprecated; it stays here as an opinion independent of flex.
#[expect(deprecated, reason = "named by the project's users; its only use is a second opinion")]
pub fn ndarray() -> Device {
    Device::ndarray()
}

fn cpu() -> SelectedDevice {
    SelectedDevice {
        device: Device::flex(),
        explanation: "computing on the CPU (flex), as asked".to_owned(),
        is_gpu: false,
    }
}

#[cfg(not(feature = "wgpu"))]
fn gpu() -> Result<SelectedDevice, DeviceError> {
    Err(DeviceError::NotBuilt)
}

#[cfg(not(feature = "wgpu"))]
fn software_gpu() -> Result<SelectedDevice, DeviceError> {
    Err(DeviceError::NotBuilt)
}

/// The first real graphics card, discrete before integrated before virtual.
///
/// wgpu would also take a software renderer, silently: that is far slower than flex, so it does not count.
#[cfg(feature = "wgpu")]
fn gpu() -> Result<SelectedDevice, DeviceError> {
    let kinds = [DeviceKind::DiscreteGpu(0), DeviceKind::IntegratedGpu(0), DeviceKind::VirtualGpu(0)];
    // What is wrong with one kind is wrong with all: burn lists the same adapters each time.
    let mut reason = String::new();
    for kind in kinds {
        let explanation = if cfg!(feature = "gpu") {
            format!("computing on the GPU (wgpu, {kind:?}); the first step takes a minute or two: kernels are measured")
        } else {
            format!(
                "computing on the GPU (wgpu, {kind:?}), with kernels that fit every card: `--features gpu` is faster"
            )
        };
        match Device::wgpu_options().device_kind(kind).init() {
            Ok(device) => {
                return Ok(SelectedDevice { device, explanation, is_gpu: true });
            }
            Err(error) => reason = error.to_string(),
        }
    }
    Err(DeviceError::NoGpu(reason))
}

#[cfg(feature = "wgpu")]
fn software_gpu() -> Result<SelectedDevice, DeviceError> {
    let options = Device::wgpu_options().device_kind(DeviceKind::Cpu);
    match options.init() {
        Ok(device) => Ok(SelectedDevice {
            device,
            explanation: "computing on an emulated GPU (wgpu), as asked: far slower than flex, most of all in a build with `--features gpu`".to_owned(),
            is_gpu: false,
        }),
        Err(error) => Err(DeviceError::NoSoftwareGpu(error.to_string())),
    }
}
