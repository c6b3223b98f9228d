//! Dialogs: the state two peers share (RFC 3261 section 12).

use crate::event::{Flow, Transport};
use crate::expiry::min_se;
use crate::transaction::cseq;
use crate::uri::param;
use crate::{Contacts, Fault, HeaderName, Headers, Host, Method, NameAddr, Request, Response, Uri};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::time::Duration;

/// Hops of a route set; a longer one is refused.
const ROUTES_MAX: usize = 16;

/// One dialog, early or confirmed, seen from our end.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Dialog {
    pub(crate) call_id: String,
    pub(crate) local_tag: String,
    /// Empty for a peer of RFC 2543, and before the first response.
    pub(crate) remote_tag: String,
    /// From of our requests, tag included.
    local: String,
    /// To of our requests, tag included.
    remote: String,
    /// Contact of ours.
    pub(crate) contact: String,
    target: Uri,
    routes: Vec<NameAddr>,
    /// Of our last request.
    pub(crate) local_cseq: u32,
    /// Of their last request; `None` before the first.
    pub(crate) remote_cseq: Option<u32>,
    /// Where the peer was met.
    flow: Flow,
    /// The peer is a phone and may sit behind a NAT: where it was met counts for more than what it says of itself.
    nat: bool,
    /// We sent the INVITE, and so own the Call-ID (section 14.1).
    pub(crate) caller: bool,
    /// Why it ends, when that is to be told: ITU-T Q.850.
    pub(crate) cause: Option<u8>,
    /// The largest Min-SE heard in it (RFC 4028 section 7.4).
    pub(crate) min_se: Duration,
}

impl Dialog {
    /// Why the session ends (RFC 3326), when that is to be told.
    pub(crate) fn why(&self) -> Option<String> {
        self.cause.map(|cause| format!("Q.850;cause={cause}"))
    }

    /// Adds it.
    pub(crate) fn say_why(&self, headers: &mut Headers) {
        if let Some(why) = self.why() {
            headers.push(HeaderName::Reason, why);
        }
    }

    /// A request or a 422 says how rarely at least the session is refreshed.
    pub(crate) fn hear_min_se(&mut self, headers: &Headers) {
        self.min_se = self.min_se.max(min_se(headers));
    }

    /// The dialog that our answer to `request` makes (section 12.1.1). `None` when From, To or Contact cannot be used.
    pub(crate) fn answering(
        request: &Request,
        flow: Flow,
        local_tag: &str,
        contact: String,
        nat: bool,
    ) -> Option<Dialog> {
        let headers = &request.headers;
        let from = headers.from().ok()?;
        let mut to = headers.to().ok()?;
        to.set_param("tag", Some(local_tag));
        let routes = headers.record_routes().ok()?;
        if routes.len() > ROUTES_MAX {
            return None;
        }
        Some(Dialog {
            call_id: headers.call_id().to_owned(),
            local_tag: local_tag.to_owned(),
            remote_tag: from.tag().unwrap_or("").to_owned(),
            local: to.to_string(),
            remote: String::from_utf8_lossy(headers.first(HeaderName::From)?).into_owned(),
            contact,
            target: contact_of(headers).ok()?.unwrap_or(from.uri),
            routes,
            local_cseq: 0,
            remote_cseq: Some(headers.cseq().ok()?.0),
            flow,
            nat,
            caller: false,
            cause: None,
            min_se: min_se(headers),
        })
    }

    /// The dialog our own INVITE may make; complete once [`Dialog::adopt`] has seen a response.
    pub(crate) fn calling(request: &Request, flow: Flow, nat: bool) -> Option<Dialog> {
        let headers = &request.headers;
        Some(Dialog {
            call_id: headers.call_id().to_owned(),
            local_tag: headers.from_tag()?,
            remote_tag: headers.to_tag().unwrap_or_default(),
            local: headers.text(HeaderName::From)?.to_owned(),
            remote: headers.text(HeaderName::To)?.to_owned(),
            contact: headers.text(HeaderName::Contact).unwrap_or_default().to_owned(),
            target: request.uri.clone(),
            routes: headers.routes().ok()?,
            local_cseq: headers.cseq().ok()?.0,
            remote_cseq: None,
            flow,
            nat,
            caller: true,
            cause: None,
            min_se: min_se(headers),
        })
    }

    /// Takes over what a 101-299 response to our INVITE says (section 12.1.2).
    pub(crate) fn adopt(&mut self, response: &Response) {
        let headers = &response.headers;
        self.remote_tag = headers.to_tag().unwrap_or_default();
        if let Some(to) = headers.text(HeaderName::To) {
            self.remote = to.to_owned();
        }
        if let Ok(mut routes) = headers.record_routes()
            && routes.len() <= ROUTES_MAX
        {
            routes.reverse();
            self.routes = routes;
        }
        self.refresh(headers);
    }

    /// Takes a new remote target from Contact (section 12.2).
    pub(crate) fn refresh(&mut self, headers: &Headers) {
        if let Ok(Some(target)) = contact_of(headers) {
            self.target = target;
        }
    }

    /// The peer was met elsewhere: a new connection, another port of its NAT.
    pub(crate) fn meet(&mut self, flow: Flow) {
        self.flow = flow;
    }

    /// Where it was met.
    pub(crate) fn met(&self) -> Flow {
        self.flow
    }

    /// Whether a request or response with these tags belongs here.
    pub(crate) fn matches(&self, call_id: &str, local_tag: &str, remote_tag: &str) -> bool {
        self.local_tag == local_tag && self.remote_tag == remote_tag && self.call_id == call_id
    }

    /// The next request in this dialog (section 12.2.1.1).
    pub(crate) fn request(&mut self, method: Method) -> Request {
        self.local_cseq += 1;
        let number = self.local_cseq;
        self.build(method, number)
    }

    /// The ACK to a 2xx for the request with this CSeq (section 13.2.2.4).
    pub(crate) fn ack(&self, number: u32) -> Request {
        self.build(Method::Ack, number)
    }

    fn build(&self, method: Method, number: u32) -> Request {
        let mut routes = self.routes.clone();
        let mut uri = self.target.clone();
        let strict = routes.first().is_some_and(|first| param(&first.uri.params, "lr").is_none());
        if strict {
            let first = routes.remove(0);
            routes.push(NameAddr::new(std::mem::replace(&mut uri, first.uri)));
        }
        let target_refresh = matches!(method, Method::Invite | Method::Update | Method::Notify | Method::Refer);
        let mut request = Request::new(method, uri);
        let headers = &mut request.headers;
        for route in &routes {
            headers.push(HeaderName::Route, route.to_string());
        }
        headers.push(HeaderName::MaxForwards, "70");
        headers.push(HeaderName::From, &self.local);
        headers.push(HeaderName::To, &self.remote);
        headers.push(HeaderName::CallId, &self.call_id);
        headers.push(HeaderName::CSeq, cseq(number, &request.method));
        if target_refresh {
            headers.push(HeaderName::Contact, &self.contact);
        }
        request
    }

    /// The domain the peer calls itself after, or where it is.
    pub(crate) fn peer_host(&self) -> Host {
        NameAddr::parse(self.remote.as_bytes()).map_or_else(|_| self.target.host.clone(), |remote| remote.uri.host)
    }

    /// Where the next request goes (section 8.1.2). `open` says whether a connection still is.
    pub(crate) fn hop(&self, open: impl Fn(u64) -> bool) -> Flow {
        let uri = self.routes.first().map_or(&self.target, |route| &route.uri);
        let mut flow = self.flow;
        let port = uri.port.unwrap_or(flow.transport.default_port());
        let said = uri.host.ip().filter(|ip| !ip.is_unspecified()).map(|ip| SocketAddr::new(ip, port));
        let trust_met = match flow.transport {
            Transport::Udp => {
                self.nat && self.routes.is_empty() && said.is_none_or(|said| said.ip() != flow.remote.ip())
            }
            _ => open(flow.connection),
        };
        if let Some(said) = said.filter(|said| !trust_met && said.is_ipv4() == flow.local.is_ipv4()) {
            flow.remote = said;
        }
        flow
    }
}

/// The remote target in Contact; a peer of RFC 2543 may leave it out.
fn contact_of(headers: &Headers) -> Result<Option<Uri>, Fault> {
    match headers.contacts()? {
        Contacts::List(mut list) if !list.is_empty() => Ok(Some(list.swap_remove(0).uri)),
        Contacts::List(_) => Ok(None),
        Contacts::Star => Err(Fault::Header(HeaderName::Contact)),
    }
}
