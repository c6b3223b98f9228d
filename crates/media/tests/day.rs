//! A day of sound in virtual time: calls come and go with holds, new terms, moves, keys, tapes and supervisors. Nothing is left of
//! them, nobody hears another call, numbers have no gaps, every count is right. `BUSYHOUR_MEDIA_HOURS=24` for a whole one.
#![allow(clippy::unwrap_used)]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "the environment says how long, and it is told what happened"
)]
#![allow(unsafe_code, reason = "a global allocator cannot be written otherwise")]

#[path = "day/centre.rs"]
mod centre;
#[path = "day/phone.rs"]
mod phone;

use centre::Centre;
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Bytes a leg may take with all that is on it: two tapes' seconds, a mix of two, a play.
const LEG_BYTES_MAX: usize = 64 << 10;
/// Buffers that have grown, kept for ever.
const KEPT_BYTES_MAX: usize = 256 << 10;
/// What the counts of two legs grow by, written out: a byte or two each.
const COUNTS_BYTES: usize = 96;
/// What buffers may grow by after the first look.
const BUFFERS_BYTES: usize = 16 << 10;
/// In a run that is not told how long.
const HOURS: f64 = 0.1;

struct Counted;

static IN_USE: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes unchanged to the system's allocator.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        IN_USE.fetch_add(layout.size(), Relaxed);
        // SAFETY: the caller keeps alloc's contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        IN_USE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the pointer came from the system's allocator.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counted = Counted;

#[test]
fn after_a_day_of_calls_nothing_is_left_of_them_and_every_count_is_right() {
    let hours = std::env::var("BUSYHOUR_MEDIA_HOURS").ok().map_or(HOURS, |hours| hours.parse().unwrap());
    let mut centre = Centre::new(7);
    // Eight looks at what is left of the calls, whatever the length.
    let mut quiet = Vec::new();
    let before = IN_USE.load(Relaxed);
    for _ in 0..8 {
        let mut most = 0;
        for _ in 0..(hours * 3600.0 / 8.0) as u64 {
            centre.second();
            let of_legs = IN_USE.load(Relaxed) - before;
            most = most.max(of_legs.saturating_sub(KEPT_BYTES_MAX) / centre.legs().max(1));
        }
        assert!(most < LEG_BYTES_MAX, "{most} bytes a leg");
        let state = centre.calm_down();
        quiet.push((state, IN_USE.load(Relaxed) - before));
    }
    let told = centre.close();
    println!("{hours} h: {told:?}; bytes of state and in use with one call left: {quiet:?}");
    let (state, in_use) = quiet[0];
    let grows = |(now, used): &(usize, usize)| *now > state + COUNTS_BYTES || *used > in_use + BUFFERS_BYTES;
    assert!(!quiet.iter().any(grows), "memory grows: {quiet:?}");
    for (what, count) in [
        ("calls", told.calls),
        ("packets", told.packets),
        ("keys", told.keys),
        ("tapes", told.tapes),
        ("mixes", told.mixes),
        ("plays", told.plays),
        ("silences", told.silences),
        ("restarts", told.restarts),
        ("moves", told.moves),
        ("lost", told.lost),
    ] {
        assert!(count > 0, "no {what} in {hours} h");
    }
}
