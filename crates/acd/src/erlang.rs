//! Erlang's formulas: how many trunks and agents a traffic needs, and how it fares with those there are.
//!
//! Traffic is in erlangs: calls per second times their mean seconds. Everything is exact for Poisson arrivals and
//! exponential times, by recursion, so no factorial overflows.

use std::time::Duration;

/// Nobody asks for more servers than this.
const SERVERS_MAX: u32 = 1 << 20;

/// Erlang B: the share of calls that find all `servers` busy and go away.
pub fn blocked(servers: u32, erlangs: f64) -> f64 {
    (1..=servers).fold(1.0, |b, n| erlangs * b / (f64::from(n) + erlangs * b))
}

/// The most erlangs so many lines carry when at most this share may be blocked.
pub fn offered_at(lines: u32, share: f64) -> f64 {
    let (mut low, mut high) = (0.0, 2.0 * f64::from(lines) / (1.0 - share).max(f64::EPSILON) + 1.0);
    for _ in 0..64 {
        let middle = f64::midpoint(low, high);
        match blocked(lines, middle) <= share {
            true => low = middle,
            false => high = middle,
        }
    }
    low
}

/// The fewest trunk lines that block at most this share; `None` beyond a million.
pub fn trunks(erlangs: f64, share: f64) -> Option<u32> {
    let mut b = 1.0;
    (1..SERVERS_MAX).find(|&n| {
        b = erlangs * b / (f64::from(n) + erlangs * b);
        b <= share
    })
}

/// How callers fare.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Service {
    /// Share who wait at all.
    pub waits: f64,
    /// Mean wait of all callers, seconds.
    pub wait_mean: f64,
    /// Share who give up.
    pub abandons: f64,
    /// Share answered within the goal, of all callers.
    pub within: f64,
}

/// Erlang C: everybody waits as long as it takes. `None` when the agents cannot keep up.
pub fn patient(agents: u32, erlangs: f64, handling: Duration, goal: Duration) -> Option<Service> {
    let free = f64::from(agents) - erlangs;
    if free <= 0.0 {
        return None;
    }
    let b = blocked(agents, erlangs);
    let waits = f64::from(agents) * b / (f64::from(agents) - erlangs * (1.0 - b));
    let handling = handling.as_secs_f64();
    let within = 1.0 - waits * (-free * goal.as_secs_f64() / handling).exp();
    Some(Service { waits, wait_mean: waits * handling / free, abandons: 0.0, within })
}

/// Erlang A: callers give up after an exponential time of this mean. `within` counts those answered.
pub fn impatient(agents: u32, erlangs: f64, handling: Duration, patience: Duration, goal: Duration) -> Service {
    let (mu, theta) = (1.0 / handling.as_secs_f64(), 1.0 / patience.as_secs_f64());
    let lambda = erlangs * mu;
    // Probabilities relative to "all busy, nobody waits", by Erlang B below and by recursion above.
    let below = 1.0 / blocked(agents, erlangs) - 1.0;
    let (mut weight, mut sum, mut waiting) = (1.0, 0.0, 0.0);
    let mut within = 0.0;
    let capacity = f64::from(agents) * mu;
    for ahead in 0..SERVERS_MAX {
        sum += weight;
        waiting += weight * f64::from(ahead);
        within += weight * served_by(ahead, capacity, theta, goal.as_secs_f64());
        weight *= lambda / (capacity + f64::from(ahead + 1) * theta);
        if weight < 1e-14 * sum && f64::from(ahead) * theta + capacity > lambda {
            break;
        }
    }
    let all = below + sum;
    let abandons = waiting * theta / all / lambda;
    Service { waits: sum / all, wait_mean: abandons / theta, abandons, within: (below + within) / all }
}

/// The chance to be answered in time behind so many others, by Simpson's rule over the moment of the answer. The line
/// is a pure death process whose k-th exit has the rate capacity + k * theta; the last, at `capacity`, is the answer.
fn served_by(ahead: u32, capacity: f64, theta: f64, goal: f64) -> f64 {
    const PARTS: u32 = 64;
    let k = f64::from(ahead);
    let log_product: f64 = (1..=ahead).map(|i| (capacity / theta + f64::from(i)).ln() - f64::from(i).ln()).sum();
    let density = |s: f64| {
        let gone = -(-theta * s).exp_m1();
        let log = log_product - (capacity + theta) * s + if ahead == 0 { 0.0 } else { k * gone.ln() };
        capacity * log.exp()
    };
    let step = goal / f64::from(PARTS);
    let inner: f64 = (1..PARTS).map(|i| density(step * f64::from(i)) * if i % 2 == 1 { 4.0 } else { 2.0 }).sum();
    (step / 3.0 * (density(0.0) + inner + density(goal))).clamp(0.0, 1.0)
}

/// The fewest agents with whom this share of callers is answered within the goal; `None` beyond a million.
///
/// `patience` is the mean of how long callers stay; without, they stay for ever.
pub fn staff(erlangs: f64, handling: Duration, patience: Option<Duration>, goal: Duration, share: f64) -> Option<u32> {
    let enough = |agents: u32| match patience {
        Some(patience) => impatient(agents, erlangs, handling, patience, goal).within >= share,
        None => patient(agents, erlangs, handling, goal).is_some_and(|service| service.within >= share),
    };
    let most = (1..20).map(|power| 1u32 << power).find(|&agents| enough(agents))?;
    let (mut low, mut high) = (0, most);
    while high - low > 1 {
        let middle = low.midpoint(high);
        match enough(middle) {
            true => high = middle,
            false => low = middle,
        }
    }
    Some(high)
}

#[cfg(test)]
mod tests {
    use super::*;

    const AHT: Duration = Duration::from_secs(180);
    const GOAL: Duration = Duration::from_secs(20);

    fn near(measured: f64, exact: f64, digit: f64) {
        assert!((measured - exact).abs() <= digit, "{measured} is not {exact}");
    }

    #[test]
    fn lines_carry_what_the_tables_say() {
        for (lines, erlangs) in [(420, 395.04), (60, 46.95), (480, 454.27)] {
            near(offered_at(lines, 0.01), erlangs, 0.006);
            assert_eq!(trunks(erlangs - 0.01, 0.01), Some(lines));
            assert_eq!(trunks(erlangs + 0.02, 0.01), Some(lines + 1));
        }
    }

    #[test]
    fn patient_callers_wait_as_the_tables_say() {
        let table = [
            (10, 8.0, 0.40918, 36.826, 0.67235),
            (50, 45.0, 0.36386, 13.099, 0.79123),
            (100, 90.0, 0.21694, 3.905, 0.92858),
            (100, 95.0, 0.50646, 18.232, 0.70942),
            (300, 285.0, 0.27946, 3.354, 0.94722),
        ];
        for (agents, erlangs, waits, mean, within) in table {
            let service = patient(agents, erlangs, AHT, GOAL).expect("enough agents");
            near(service.waits, waits, 0.000_01);
            near(service.wait_mean, mean, 0.001);
            near(service.within, within, 0.000_01);
        }
        assert_eq!(patient(10, 10.0, AHT, GOAL), None, "the queue would grow for ever");
    }

    #[test]
    fn impatient_callers_fare_as_the_tables_say() {
        let patience = Duration::from_secs(120);
        let table = [
            (10, 10.0, 0.13746, 16.50),
            (50, 50.0, 0.06199, 7.439),
            (100, 95.0, 0.02322, 2.787),
            (100, 110.0, 0.10249, 12.30),
        ];
        for (agents, erlangs, abandons, mean) in table {
            let service = impatient(agents, erlangs, AHT, patience, GOAL);
            near(service.abandons, abandons, 0.000_01);
            near(service.wait_mean, mean, 0.005);
        }
    }

    #[test]
    fn callers_who_hardly_give_up_are_nearly_patient() {
        let patient = patient(50, 45.0, AHT, GOAL).expect("enough agents");
        let nearly = impatient(50, 45.0, AHT, Duration::from_secs(10_000_000), GOAL);
        near(nearly.within, patient.within, 0.000_1);
        near(nearly.wait_mean, patient.wait_mean, 0.01);
    }

    #[test]
    fn staff_is_just_enough() {
        for (erlangs, patience) in [(8.0, None), (95.0, None), (95.0, Some(Duration::from_secs(120))), (0.1, None)] {
            let agents = staff(erlangs, AHT, patience, GOAL, 0.8).expect("not a million");
            let within = |agents| match patience {
                Some(patience) => impatient(agents, erlangs, AHT, patience, GOAL).within,
                None => patient(agents, erlangs, AHT, GOAL).map_or(0.0, |service| service.within),
            };
            assert!(within(agents) >= 0.8 && within(agents - 1) < 0.8, "{agents} for {erlangs}");
        }
    }
}
