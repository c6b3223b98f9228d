//! What is counted of a trunk's calls (E.425, RFC 6076).

use busyhour_ledger::Traffic;

/// How often something happened at a trunk.
pub(super) type Count = fn(&Traffic) -> u64;

/// What is counted of a trunk's calls: name, help, count.
pub(super) const TRAFFIC: [(&str, &str, Count); 9] = [
    ("bids", "Attempts, those that met a limit of ours too (E.425: ABR = answered / bids).", |t| t.bids),
    ("invites", "INVITEs; those refused at a limit too (RFC 6076: of all requests).", |t| t.invites),
    ("seizures", "Attempts that took a channel (E.425: ASR = answered / seizures).", |t| t.seizures),
    ("answered_calls", "Calls answered with 200 (RFC 6076 4.6: SER = answered / (invites - redirected)).", |t| {
        t.answered
    }),
    ("reached_calls", "Answered, busy, no answer, rejected by people (E.425: NER = reached / seizures).", |t| {
        t.reached
    }),
    ("effective_calls", "200, 480, 486, 600, 603 (RFC 6076 4.7: SEER = effective / (invites - redirected)).", |t| {
        t.effective
    }),
    ("ineffective_calls", "408, 500, 503, 504 (RFC 6076 4.8: ISA = ineffective / invites).", |t| t.ineffective),
    ("redirected_calls", "3xx.", |t| t.redirected),
    ("completed_calls", "Answered and ended by a BYE (RFC 6076 4.9: SCR = completed / invites).", |t| t.completed),
];
