//! One file over HTTP, continued where an earlier attempt ended.

use std::fs::{self, OpenOptions};
use std::io::{self, Read};
use std::path::Path;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use ureq::Agent;
use ureq::http::{StatusCode, header};

use super::error::DatasetError;

/// How long to wait for a name server, a connection or the beginning of an answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(8);
/// How long a running download may stand still.
const STALL_TIMEOUT: Duration = Duration::from_secs(20);

/// Downloads `bytes` bytes from `url` into `part`, which may hold the beginning already. A connection that breaks is
/// made again as long as each one brings the download forward; what has arrived stays in `part` in any case.
/// The content is the caller's to verify.
///
/// # Errors
/// [`DatasetError::Download`] if the site does not deliver, [`DatasetError::Io`] if `part` cannot be written.
pub(super) fn download(url: &str, part: &Path, bytes: u64) -> Result<(), DatasetError> {
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
    let progress = progress_bar(bytes);
    loop {
        let start = length(part);
        progress.set_position(start);
        if start >= bytes {
            progress.finish_and_clear();
            return Ok(());
        }
        let outcome = transfer(&agent, url, part, start, bytes, &progress);
        if length(part) <= start {
            progress.finish_and_clear();
            let nothing = || DatasetError::Download {
                url: url.into(),
                reason: "the answer was empty".into(),
            };
            return Err(outcome.err().unwrap_or_else(nothing));
        }
    }
}

/// One request, for everything after the first `start` bytes.
fn transfer(
    agent: &Agent,
    url: &str,
    part: &Path,
    start: u64,
    bytes: u64,
    progress: &ProgressBar,
) -> Result<(), DatasetError> {
    let failed = |reason: String| DatasetError::Download {
        url: url.into(),
        reason,
    };
    let mut request = agent.get(url);
    if start > 0 {
        request = request.header(header::RANGE, format!("bytes={start}-"));
    }
    let response = request.call().map_err(|error| failed(error.to_string()))?;
    let continues = response.status() == StatusCode::PARTIAL_CONTENT;
    if continues {
        let range = response
            .headers()
            .get(header::CONTENT_RANGE)
            .and_then(|value| value.to_str().ok());
        if !range.is_some_and(|range| range.starts_with(&format!("bytes {start}-"))) {
            return Err(failed(format!(
                "asked for the bytes from {start} on, the site sent {range:?}"
            )));
        }
    }
    // A site that ignores the range sends everything: then the file begins anew.
    let mut file = OpenOptions::new()
        .create(true)
        .write(true)
        .append(continues)
        .truncate(!continues)
        .open(part)
        .map_err(DatasetError::io("open", part))?;
    let already = if continues { start } else { 0 };
    progress.set_position(already);
    // One byte more than expected is enough to see that this is another file.
    let body = response.into_body().into_reader().take(bytes + 1 - already);
    io::copy(&mut progress.wrap_read(body), &mut file)
        .map_err(|error| failed(error.to_string()))?;
    Ok(())
}

/// Length of a file, 0 if there is none.
fn length(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |metadata| metadata.len())
}

fn progress_bar(bytes: u64) -> ProgressBar {
    let template =
        "{bar:30} {decimal_bytes}/{decimal_total_bytes}, {decimal_bytes_per_sec}, {eta} left";
    let style = ProgressStyle::with_template(template)
        .expect("the template is a constant that the tests use");
    ProgressBar::new(bytes).with_style(style)
}
