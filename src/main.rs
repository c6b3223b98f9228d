//! busyhour: a telephony switching and ACD engine for contact-centre hotlines.

use std::process::ExitCode;

fn main() -> ExitCode {
    busyhour::cli::run()
}
