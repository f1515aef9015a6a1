//! How logs are written.

use tracing_subscriber::EnvFilter;

use crate::{LogFormat, RunArguments};

/// Starts logging to stderr.
pub fn start(arguments: &RunArguments) {
    let filter = EnvFilter::try_new(&arguments.log).unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second start (in tests) finds a subscriber in place, which is as good.
    let _ = match arguments.log_format {
        LogFormat::Json => {
            builder.json().flatten_event(true).with_current_span(true).with_span_list(false).try_init()
        }
        LogFormat::Human => builder.with_target(false).try_init(),
    };
}
