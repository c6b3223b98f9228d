//! The control loop: one task owns the one `Switch`. An input, then a drain of everything it caused, then the next input.

use crate::clock::Clock;
use crate::forecaster::Forecaster;
use crate::forks::{Forks, Said};
use crate::lookup::LookUps;
use crate::media::Plane;
use crate::metrics::Metrics;
use crate::net::{BATCH_MAX, Inbox, Net, StreamEvent, Unsent};
use crate::recorder::Recorder;
use crate::resolver::{Resolved, Resolver};
use crate::timer::Timer;
use crate::trace::Tracer;
use busyhour_acd::Foreseen;
use busyhour_ivr::LookUpAnswer;
use busyhour_media as media;
use busyhour_model::{CallId, Fact, Time, What};
use busyhour_sip::Counters;
use busyhour_switch::{Denied, Entry, Reply, Request, Switch, Vitals};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::{Receiver, UnboundedReceiver};
use tokio::sync::oneshot;

/// Media events taken before anybody else gets a turn.
const MEDIA_BATCH: usize = 256;
/// Failures to send that one drain may feed back, so that a dead network cannot keep it busy for ever.
const FAILURES_MAX: usize = 10_000;

/// How long the end waits for registrars to hear that we are registered no more.
const LEAVE_MAX: Duration = Duration::from_secs(2);

/// A question to the control loop, answered at once.
pub enum Ask {
    /// A person's wish.
    Request(Request, oneshot::Sender<Result<Reply, Denied>>),
    /// How it is.
    State(oneshot::Sender<State>),
    /// End the loop.
    Stop,
}

/// How the switch is.
#[derive(Clone, Debug)]
pub struct State {
    /// When.
    pub now: Time,
    /// What is alive.
    pub vitals: Vitals,
    /// What went over the wire.
    pub counters: Counters,
}

/// Everything the loop holds.
pub struct Control {
    /// The machine.
    pub switch: Switch,
    /// SIP sockets.
    pub net: Net,
    /// What its connections have to say.
    pub streams: Receiver<StreamEvent>,
    /// Media threads.
    pub plane: Arc<Plane>,
    /// What they tell. Unbounded because a media thread must never wait for control; a leg tells little more than its
    /// keys, and legs are bounded.
    pub events: UnboundedReceiver<media::Event>,
    /// Questions.
    pub asks: Receiver<Ask>,
    /// Where facts go.
    pub recorder: Recorder,
    /// For what only the shell can measure.
    pub metrics: Arc<Metrics>,
    /// Time.
    pub clock: Clock,
    /// Rings when the switch wants it.
    pub timer: Timer,
    /// Foresees waits.
    pub forecaster: Forecaster,
    /// Asks other programs for dialplans.
    pub lookups: LookUps,
    /// Programs that hear calls.
    pub forks: Forks,
    /// What bots say to us.
    pub bots: UnboundedReceiver<Said>,
    /// Looks names of trunks up.
    pub resolver: Resolver,
    /// Keeps what goes over the wire.
    pub tracer: Option<Tracer>,
}

/// What the loop woke for.
enum Woken {
    Ask(Option<Ask>),
    Media,
    Stream(StreamEvent),
    Datagrams,
    LookUp(CallId, u32, LookUpAnswer),
    Bot(Said),
    Resolved(Resolved),
    Forecast(Vec<Foreseen>),
    Due,
}

impl Control {
    /// Runs until told to stop, or until nobody can ask any more; then until registrars have let us go, or do not answer.
    pub async fn run(mut self) {
        let mut inbox = Inbox::default();
        let mut events = Vec::with_capacity(MEDIA_BATCH);
        let mut end: Option<Instant> = None;
        self.net.writable().await;
        self.drain(Instant::now());
        loop {
            let due = self.switch.poll_timeout();
            let looks = self.forecaster.due(&self.switch);
            let deadline = due.into_iter().chain(looks).map(|at| self.clock.instant(at)).chain(end).min();
            let woken = tokio::select! {
                ask = self.asks.recv(), if end.is_none() => Woken::Ask(ask),
                _ = self.events.recv_many(&mut events, MEDIA_BATCH) => Woken::Media,
                Some(event) = self.streams.recv() => Woken::Stream(event),
                () = self.net.readable() => Woken::Datagrams,
                (call, id, answer) = self.lookups.answer() => Woken::LookUp(call, id, answer),
                Some(said) = self.bots.recv() => Woken::Bot(said),
                resolved = self.resolver.answer() => Woken::Resolved(resolved),
                classes = self.forecaster.answer() => Woken::Forecast(classes),
                () = self.timer.until(deadline) => Woken::Due,
            };
            match woken {
                Woken::Ask(None | Some(Ask::Stop)) => {
                    end = Some(Instant::now() + LEAVE_MAX);
                    self.input(Switch::handle_end);
                }
                Woken::Ask(Some(ask)) => self.answer(ask),
                Woken::Media => {
                    for event in events.drain(..) {
                        self.input(|switch, now| switch.handle_media(now, event));
                    }
                }
                Woken::Stream(event) => self.stream(event),
                Woken::Datagrams => self.datagrams(&mut inbox),
                Woken::LookUp(call, id, answer) => {
                    self.input(|switch, now| switch.handle_lookup(now, call, id, answer));
                }
                Woken::Bot((fork, said)) => self.input(|switch, now| switch.handle_bot(now, fork, said)),
                Woken::Resolved((wanted, outcome)) => {
                    self.input(|switch, now| {
                        switch.handle_resolved(now, &wanted, outcome.as_ref().map_err(|why| *why))
                    });
                }
                Woken::Forecast(classes) => self.input(|switch, now| switch.handle_forecast(now, classes)),
                Woken::Due => {}
            }
            if due.is_some_and(|at| at <= self.clock.now()) {
                self.input(Switch::handle_timeout);
            }
            if end.is_some_and(|end| end <= Instant::now() || !self.switch.is_leaving()) {
                return self.recorder.take(self.switch.mark());
            }
            self.forecaster.look(self.clock.now(), &self.switch);
            if let Some(tracer) = &mut self.tracer {
                tracer.hand_over();
            }
        }
    }

    fn datagrams(&mut self, inbox: &mut Inbox) {
        let mut longest = None;
        for index in 0..self.net.udp_sockets() {
            for _ in 0..BATCH_MAX {
                let Some((flow, waited, bytes)) = self.net.datagram(index, inbox) else { break };
                longest = longest.max(Some(waited));
                if let Some(tracer) = &mut self.tracer {
                    tracer.datagram(self.clock.now(), flow, bytes);
                }
                self.input(|switch, now| switch.handle_datagram(now, flow, bytes));
            }
        }
        if let Some(longest) = longest {
            self.input(|switch, now| switch.handle_wait(now, longest));
        }
    }

    fn stream(&mut self, event: StreamEvent) {
        match event {
            StreamEvent::Accepted(transport, local, stream, remote) => {
                if let Err(refusal) = self.net.accept(transport, local, stream, remote) {
                    self.metrics.refused(transport, &refusal);
                }
            }
            StreamEvent::Opened(flow, trunks) => {
                if self.net.opened(flow) && !trunks.is_empty() {
                    self.input(|switch, now| switch.handle_certified(now, flow, &trunks));
                }
            }
            StreamEvent::Refused(flow, refusal) => self.metrics.refused(flow.transport, &refusal),
            StreamEvent::Bytes(flow, bytes) if self.net.knows(flow) => {
                if let Some(tracer) = &mut self.tracer {
                    tracer.stream(self.clock.now(), flow, bytes.clone());
                }
                self.input(|switch, now| switch.handle_stream(now, flow, &bytes));
            }
            StreamEvent::Bytes(..) => {}
            StreamEvent::Undelivered(quoted) => self.input(|switch, now| switch.handle_undelivered(now, &quoted)),
            StreamEvent::Unreachable(flow) => self.input(|switch, now| switch.handle_unreachable(now, flow)),
            StreamEvent::Closed(flow) => {
                if let Some(tracer) = &mut self.tracer {
                    tracer.closed(flow);
                }
                if self.net.close(flow) {
                    self.input(|switch, now| switch.handle_closed(now, flow));
                }
            }
        }
    }

    fn answer(&mut self, ask: Ask) {
        // Whoever asked may have left: then the answer is for nobody.
        match ask {
            Ask::Stop => {}
            Ask::Request(request, reply) => {
                let mut answer = Ok(Reply::Done);
                self.input(|switch, now| answer = switch.handle_request(now, request));
                let _ = reply.send(answer);
            }
            Ask::State(reply) => {
                let counters = self.switch.counters().clone();
                let _ = reply.send(State { now: self.clock.now(), vitals: self.switch.vitals(), counters });
            }
        }
    }

    fn input(&mut self, input: impl FnOnce(&mut Switch, Time)) {
        let began = Instant::now();
        input(&mut self.switch, self.clock.now());
        self.drain(began);
    }

    /// Everything to `None`; what could not be sent is the next input.
    fn drain(&mut self, began: Instant) {
        let mut failures = VecDeque::new();
        for _ in 0..FAILURES_MAX {
            self.drain_once(began, &mut failures);
            let now = self.clock.now();
            match failures.pop_front() {
                None => return,
                Some(Unsent::Dropped) => {}
                Some(Unsent::Unreachable(flow)) => self.switch.handle_unreachable(now, flow),
                Some(Unsent::Closed(flow)) => self.switch.handle_closed(now, flow),
            }
        }
        tracing::error!("a drain did not end after {FAILURES_MAX} failures to send");
    }

    fn drain_once(&mut self, began: Instant, failures: &mut VecDeque<Unsent>) {
        while let Some(transmit) = self.switch.poll_transmit() {
            if let Some(tracer) = &mut self.tracer {
                tracer.sent(self.clock.now(), &transmit);
            }
            let trunk = transmit.trunk.map(|trunk| self.switch.trunk_name(trunk));
            if let Err(unsent) = self.net.send(transmit, trunk) {
                self.metrics.unsent.inc();
                failures.push_back(unsent);
            }
        }
        while let Some(flow) = self.switch.poll_close() {
            self.net.close(flow);
        }
        let sent = began.elapsed();
        // Only now: whoever is woken must not take the CPU from an INVITE that is ready to go.
        while let Some(command) = self.switch.poll_media() {
            self.plane.send(command);
        }
        while let Some((call, lookup)) = self.switch.poll_lookup() {
            self.lookups.ask(call, lookup);
        }
        while let Some((fork, news)) = self.switch.poll_fork() {
            self.forks.tell(fork, news);
        }
        while let Some(wanted) = self.switch.poll_wanted() {
            self.resolver.ask(wanted);
        }
        while let Some(entry) = self.switch.poll_entry() {
            if let Entry::Fact(Fact { what: What::Offered { .. }, .. }) = &entry {
                self.metrics.matching.observe(sent.as_secs_f64());
            }
            if let (Some(tracer), Entry::Fact(fact)) = (&mut self.tracer, &entry) {
                tracer.fact(fact);
            }
            self.recorder.take(entry);
        }
    }
}
