//! What a file or a text is known by: SHA-256 in hex.

use ring::digest::{Context, SHA256};
use std::fmt::Write as _;
use std::io::{self, Read};

/// Of nothing.
pub(crate) const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// Of all there is to read.
pub(crate) fn digest(mut source: impl Read) -> io::Result<String> {
    let mut hash = Context::new(&SHA256);
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match source.read(&mut buffer)? {
            0 => break,
            read => hash.update(&buffer[..read]),
        }
    }
    Ok(hex(hash.finish().as_ref()))
}

/// Two digits a byte.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut hex = String::new();
    for byte in bytes {
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}
