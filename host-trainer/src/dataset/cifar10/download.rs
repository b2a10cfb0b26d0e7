//! One file over HTTP, continued where an earlier attempt ended.

use std::fs::{self, OpenOptions};
use std::io::{self, Read};
use std::path::Path;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use ureq::Agent;
use ureq::http::{StatusCode, header};

use crate::dataset::error::DatasetError;

/// How long to wait for a name server, a connection or the beginning of an answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(8);
/// How long a running download may stand still.
const STALL_TIMEOUT: Duration = Duration::from_secs(20);

/// Downloads `bytes` bytes from `url` into `part`, which may hold the beginning already. A connection that breaks is
/// made again as long as each one brings the download forward; what has arrived stays in `part` in any case.
/// The content is the caller's to verify.
///
/// # Errors
/// [`DatasetError::Unavailable`] if the site does not deliver, [`DatasetError::Io`] if `part` cannot be written.
pub(super) fn download(url: &str, part: &Path, bytes: u64) -> Result<(), DatasetError> {
    let failed = |reason: String| DatasetError::Unavailable(format!("cannot download {url}: {reason}"));
    let agent = Agent::new_with_config(
        Agent::config_builder()
            .timeout_resolve(Some(ANSWER_TIMEOUT))
            .timeout_connect(Some(ANSWER_TIMEOUT))
            .timeout_recv_response(Some(ANSWER_TIMEOUT))
            .timeout_per_read(Some(STALL_TIMEOUT))
            // The archive itself, not a transport encoding of it: ranges count the archive's bytes.
            .accept_encoding("identity")
            .build(),
    );
    let template = "{bar:30} {decimal_bytes}/{decimal_total_bytes}, {decimal_bytes_per_sec}, {eta} left";
    let style = ProgressStyle::with_template(template).expect("the template is a constant that the tests use");
    let progress = ProgressBar::new(bytes).with_style(style);
    // One request, for everything after the first `start` bytes.
    let transfer = |start: u64| {
        let request = agent.get(url).header(header::RANGE, format!("bytes={start}-"));
        let response = request.call().map_err(|error| failed(error.to_string()))?;
        // A site that ignores the range sends everything: then the file begins anew.
        let continues = response.status() == StatusCode::PARTIAL_CONTENT;
        let already = if continues { start } else { 0 };
        let mut file = OpenOptions::new()
            .create(true)
            .write(true)
            .append(continues)
            .truncate(!continues)
            .open(part)
            .map_err(DatasetError::io("open", part))?;
        progress.set_position(already);
        // One byte more than expected is enough to see that this is another file.
        let body = response.into_body().into_reader().take(bytes + 1 - already);
        io::copy(&mut progress.wrap_read(body), &mut file).map_err(|error| failed(error.to_string()))
    };
    let length = || fs::metadata(part).map_or(0, |metadata| metadata.len());
    loop {
        let start = length();
        if start >= bytes {
            return Ok(());
        }
        let outcome = transfer(start);
        if length() <= start {
            outcome?;
            return Err(failed("the answer was empty".into()));
        }
    }
}
