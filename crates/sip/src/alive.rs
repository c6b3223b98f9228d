//! Keep-alives of connections to trunks: a ping in time, a pong soon after, or the connection is given up (RFC 5626 section 4.4.1).

use crate::event::Flow;
use crate::stack::Stack;
use crate::timer::Timer;
use crate::transaction::Alarm;
use crate::{HeaderName, Response};
use busyhour_model::{Time, TrunkId};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A pong that takes longer does not come any more.
const PONG_MAX: Duration = Duration::from_secs(10);
/// No carrier is pinged more or less often, whatever it asks for.
const PERIOD_MIN: Duration = Duration::from_secs(10);
const PERIOD_MAX: Duration = Duration::from_secs(3_600);

/// The keep-alives of one connection.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Pings {
    trunk: TrunkId,
    timer: Timer,
    /// When the last ping was sent, while its pong is awaited.
    sent: Option<Time>,
}

impl Stack {
    /// A trunk has answered our REGISTER or OPTIONS over a connection: from now on it is kept alive.
    pub(crate) fn keep_alive(&mut self, now: Time, trunk: TrunkId, flow: &Flow, response: &Response) {
        if let Some(line) = self.lines.get_mut(&trunk)
            && let Some(period) = asked_period(response)
        {
            line.ping_every = Some(period);
        }
        let unkept = self.net.connections.get(&flow.connection).is_some_and(|connection| connection.pings.is_none());
        if unkept && flow.transport.is_stream() && !flow.transport.is_websocket() {
            self.ping_at(now, trunk, flow.connection);
        }
    }

    /// Sets the next ping of a connection, unless its trunk wants none: between 80 % and all of the period.
    fn ping_at(&mut self, now: Time, trunk: TrunkId, connection: u64) {
        let period = self.line_config(trunk).and_then(|line| line.keep_alive);
        let asked = self.lines.get(&trunk).and_then(|line| line.ping_every);
        let Some(period) = period.map(|own| asked.unwrap_or(own).clamp(PERIOD_MIN, PERIOD_MAX)) else { return };
        let wait = period * (800 + self.net.random.below(201) as u32) / 1_000;
        let timer = self.net.timers.set(now + wait, Alarm::Ping(connection));
        if let Some(connection) = self.net.connections.get_mut(&connection) {
            connection.pings = Some(Pings { trunk, timer, sent: None });
        }
    }

    /// A ping is due, or its pong.
    pub(crate) fn ping(&mut self, now: Time, id: u64) {
        let Some(connection) = self.net.connections.get_mut(&id) else { return };
        let (flow, heard) = (connection.flow, connection.heard);
        let Some(mut pings) = connection.pings.take() else { return };
        match pings.sent {
            // Whatever came since shows life as well.
            Some(sent) if heard > sent => self.ping_at(now, pings.trunk, id),
            Some(_) => self.lose_flow(now, pings.trunk, flow),
            None => {
                connection.framer.expect_pong();
                pings.timer = self.net.timers.set(now + PONG_MAX, Alarm::Ping(id));
                pings.sent = Some(now);
                connection.pings = Some(pings);
                self.net.transmit(flow, Bytes::from_static(b"\r\n\r\n"));
            }
        }
    }

    /// Section 4.5: the flow has failed. Calls take another peer first, and the registration is made anew.
    fn lose_flow(&mut self, now: Time, trunk: TrunkId, flow: Flow) {
        self.net.counters.pongs_missed += 1;
        self.avoid_peer(now, trunk, &flow, None);
        self.close(now, flow);
        self.probe_again(now, trunk);
        let Some(line) = self.lines.get_mut(&trunk) else { return };
        if line.registrar.take_if(|at| at.transport == flow.transport && at.address == flow.remote).is_some() {
            self.register_line_at(trunk, now);
        }
    }
}

impl Pings {
    pub(crate) fn timer(self) -> Timer {
        self.timer
    }
}

/// How often the peer wants to hear of us: Flow-Timer (RFC 5626 section 5.4), or `keep` in our Via (RFC 6223 section 4.3).
fn asked_period(response: &Response) -> Option<Duration> {
    let by_header =
        response.headers.named("Flow-Timer").and_then(|value| std::str::from_utf8(value).ok()?.trim().parse().ok());
    let by_via = || response.headers.top_via().ok()?.param("keep")?.parse().ok();
    by_header.or_else(by_via).filter(|secs| *secs > 0).map(Duration::from_secs)
}

/// The `keep` of a request that asks for it; empty as long as nothing is agreed (RFC 6223 section 4.1).
pub(crate) fn ask_to_keep(request: &mut crate::Request) {
    if let Ok(mut via) = request.headers.top_via() {
        via.set_param("keep", None);
        request.headers.set_top(HeaderName::Via, via.to_string());
    }
}
