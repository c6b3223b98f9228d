//! busyhour: a telephony switching and ACD engine for contact-centre hotlines.
fn main() {}
