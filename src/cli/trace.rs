//! `busyhour trace CALL`: what was sent and received for a call.

use crate::client::{Server, escaped};
use clap::Args;
use std::io::Write;

#[derive(Args)]
pub(super) struct Trace {
    /// Call, like c42
    call: String,
    /// As a ladder for the terminal, a picture, a capture for Wireshark, or JSON
    #[arg(long, default_value = "text", value_parser = ["text", "svg", "pcap", "json"])]
    format: String,
    /// Show whole messages
    #[arg(long)]
    full: bool,
    /// Show telephone numbers; passwords and PINs stay hidden
    #[arg(long)]
    unmasked: bool,
    /// HTTP address of the running server
    #[arg(long, env = "BUSYHOUR_URL", default_value = "http://127.0.0.1:9595")]
    url: String,
}

pub(super) fn run(trace: &Trace) -> Result<(), String> {
    let Trace { call, format, full, unmasked, url } = trace;
    let path = format!("/api/calls/{}/trace?format={format}&full={full}&unmasked={unmasked}", escaped(call));
    let shown = Server(url.clone()).bytes(&path).map_err(|e| e.to_string())?;
    let mut out = std::io::stdout().lock();
    // Whoever reads may have enough.
    let _ = out.write_all(&shown).and_then(|()| if format == "json" { out.write_all(b"\n") } else { out.flush() });
    Ok(())
}
