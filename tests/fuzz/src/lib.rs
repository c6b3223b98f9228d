//! What must hold for any bytes from outside; each function is one fuzz target.

pub mod media;
pub mod plan;
pub mod sequence;
pub mod sip;
pub mod stack;
