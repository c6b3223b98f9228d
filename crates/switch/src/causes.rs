//! Why a leg of a trunk ends, as the trunk says it and as it is told: statuses and causes of Q.850, changed by small tables.

use busyhour_model::Release;
use busyhour_sip::{Reason, cause_of, status_of};
use serde::{Deserialize, Serialize};

/// Causes that are the callee's answer whatever the status beside them: unallocated, busy, rejected, changed, incomplete.
const CALLEES: [u8; 5] = [1, 17, 21, 22, 28];

/// Rules in order: the first that fits changes what a leg ends with, and no other does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Causes(pub Vec<CauseRule>);

/// Which ends of legs are told differently, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CauseRule {
    /// Only with this status; `None`: with any.
    pub status: Option<u16>,
    /// Only with this cause of Q.850, said or stood for (RFC 3398).
    pub cause: Option<u8>,
    /// This status instead.
    pub to_status: Option<u16>,
    /// This cause instead.
    pub to_cause: Option<u8>,
}

impl Causes {
    fn rule(&self, status: u16, cause: u8) -> Option<&CauseRule> {
        let fits = |rule: &&CauseRule| {
            rule.status.is_none_or(|only| only == status) && rule.cause.is_none_or(|only| only == cause)
        };
        self.0.iter().find(fits)
    }

    /// What a peer says at the end of a leg: the status it means to us, and what goes on record.
    pub(crate) fn heard(&self, status: u16, reason: Reason) -> (u16, Release) {
        let cause = reason.cause.unwrap_or_else(|| cause_of(status));
        let mut release = Release { by_peer: true, cause, told: reason.cause.is_some(), sip: reason.status };
        if let Some(rule) = self.rule(status, cause) {
            release.cause = rule.to_cause.unwrap_or(cause);
            return (rule.to_status.unwrap_or(status), release);
        }
        let callees = release.told && CALLEES.contains(&cause);
        (if callees { status_of(cause) } else { status }, release)
    }

    /// What the trunk is told.
    pub(crate) fn told(&self, status: u16, cause: u8) -> (u16, u8) {
        let rule = self.rule(status, cause);
        let status = rule.and_then(|rule| rule.to_status).unwrap_or(status);
        (status, rule.and_then(|rule| rule.to_cause).unwrap_or(cause))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_rule_that_fits_decides() {
        let rule = |status, cause, to_status, to_cause| CauseRule { status, cause, to_status, to_cause };
        let table = Causes(vec![
            rule(Some(480), Some(19), Some(408), None),
            rule(None, Some(34), Some(486), Some(42)),
            rule(Some(480), None, Some(503), None),
        ]);
        for (status, cause, told) in
            [(480, 19, (408, 19)), (503, 34, (486, 42)), (480, 34, (486, 42)), (480, 1, (503, 1)), (404, 1, (404, 1))]
        {
            assert_eq!(table.told(status, cause), told, "{status} {cause}");
        }
    }

    #[test]
    fn a_callees_cause_counts_for_more_than_a_gateways_status() {
        let table = Causes::default();
        let heard = |status, cause| table.heard(status, Reason { cause, status: None });
        assert_eq!(heard(503, Some(17)).0, 486);
        assert_eq!(heard(500, Some(1)).0, 404);
        assert_eq!(heard(503, Some(34)).0, 503, "no circuit is the trunk's own fault");
        let (status, release) = heard(480, None);
        assert_eq!((status, release.cause, release.told), (480, 18, false));
    }
}
