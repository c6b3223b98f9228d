//! Log lines on standard error, for people or as JSON. `RUST_LOG` says how much: `debug`, or `warn,busyhour=trace`.

use crate::config::LogFormat;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::layer;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Starts logging; a second start changes nothing.
pub fn start(format: LogFormat, default: &str) {
    let wanted = std::env::var("RUST_LOG").unwrap_or_else(|_| default.into());
    let filter = wanted.parse().unwrap_or_else(|e| {
        eprintln!("busyhour: RUST_LOG={wanted:?} is not understood ({e}); {default:?} holds");
        default.parse().unwrap_or_else(|_| Targets::new())
    });
    let registry = tracing_subscriber::registry().with(filter);
    let lines = layer().with_writer(std::io::stderr).with_target(false).with_ansi(false);
    // Tests and the demo may have started it already.
    let _ = match format {
        LogFormat::Text => registry.with(lines).try_init(),
        LogFormat::Json => registry.with(lines.json().flatten_event(true)).try_init(),
    };
}
