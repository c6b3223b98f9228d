//! One connection in its own task: handshake, reading, writing. Encryption happens here, never in the control task.

use super::websocket;
use super::{Manners, Refusal, StreamEvent};
use busyhour_model::Name;
use busyhour_sip::{Flow, Transport};
use bytes::{Bytes, BytesMut};
use socket2::{SockRef, TcpKeepalive};
use std::io;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc::{Receiver, Sender};
use tokio::time::timeout;
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// Bytes read from a connection at a time.
const READ_MAX: usize = 16_384;
/// Bytes an idle encrypted connection keeps ready.
const READ_MIN: usize = 2_048;
/// A peer that takes longer to accept a connection, a handshake or one message is gone.
pub(super) const PEER_TIMEOUT: Duration = Duration::from_secs(5);
/// Whoever connects says something within this time.
const FIRST_BYTES: Duration = Duration::from_secs(30);
/// A silent peer is asked by the system whether it is still there, this often once it is silent for so long.
const PROBE_AFTER: Duration = Duration::from_secs(60);
const PROBE_EVERY: Duration = Duration::from_secs(15);
const PROBES_MAX: u32 = 4;

/// What the task of a connection has to do with the rest.
pub(super) struct Line {
    pub(super) flow: Flow,
    pub(super) writes: Receiver<Bytes>,
    pub(super) events: Sender<StreamEvent>,
    pub(super) manners: Manners,
}

impl Line {
    pub(super) async fn tell(&self, event: StreamEvent) {
        // Control that has ended hears nothing any more.
        let _ = self.events.send(event).await;
    }

    /// Serves a connection a peer opened, to its end.
    pub(super) async fn answer(mut self, stream: io::Result<TcpStream>) {
        let flow = self.flow;
        if let Err(refusal) = self.answered(stream).await {
            tracing::info!(remote = %flow.remote, "a connection by {} is refused: {refusal}", flow.transport.via());
            self.tell(StreamEvent::Refused(flow, refusal)).await;
        }
        self.tell(StreamEvent::Closed(flow)).await;
    }

    async fn answered(&mut self, stream: io::Result<TcpStream>) -> Result<(), Refusal> {
        let stream = stream.map_err(Refusal::Io)?;
        tune(&stream);
        match self.flow.transport {
            Transport::Ws => return websocket::serve(self, stream, Vec::new()).await,
            Transport::Udp | Transport::Tcp => {
                self.serve_plain(stream, Some(FIRST_BYTES)).await;
                return Ok(());
            }
            Transport::Tls | Transport::Wss => {}
        }
        let config = self.manners.certificates.server().ok_or(Refusal::NoCertificate)?;
        let accepting = TlsAcceptor::from(config).accept(stream);
        let stream =
            timeout(self.manners.patience, accepting).await.map_err(|_| Refusal::Slow)?.map_err(Refusal::Tls)?;
        let trunks = self.manners.certificates.trunks_of(stream.get_ref().1.peer_certificates());
        if self.flow.transport.is_websocket() {
            return websocket::serve(self, stream, trunks).await;
        }
        self.tell(StreamEvent::Opened(self.flow, trunks)).await;
        self.serve(stream, Some(FIRST_BYTES)).await;
        Ok(())
    }

    /// Opens a connection, for a trunk or without one, and serves it to its end.
    pub(super) async fn call(mut self, trunk: Option<Name>) {
        let flow = self.flow;
        if let Err(refusal) = self.called(trunk.as_ref()).await {
            let trunk = trunk.as_deref().unwrap_or("no trunk");
            tracing::warn!(trunk, "{} to {} cannot be opened: {refusal}", flow.transport.via(), flow.remote);
            self.tell(StreamEvent::Refused(flow, refusal)).await;
            // Both names of it: what was asked for, and the connection given to it.
            self.tell(StreamEvent::Unreachable(Flow { connection: 0, ..flow })).await;
        }
        self.tell(StreamEvent::Closed(flow)).await;
    }

    async fn called(&mut self, trunk: Option<&Name>) -> Result<(), Refusal> {
        let remote = self.flow.remote;
        let stream = timeout(self.manners.patience, TcpStream::connect(remote)).await.map_err(|_| Refusal::Slow)?;
        let stream = stream.map_err(Refusal::Io)?;
        tune(&stream);
        if !self.flow.transport.is_secure() {
            self.serve_plain(stream, None).await;
            return Ok(());
        }
        let (config, name) = self.manners.certificates.client(trunk, remote.ip()).ok_or(Refusal::NoCertificate)?;
        let connecting = TlsConnector::from(config).connect(name, stream);
        let stream =
            timeout(self.manners.patience, connecting).await.map_err(|_| Refusal::Slow)?.map_err(Refusal::Tls)?;
        self.tell(StreamEvent::Opened(self.flow, Vec::new())).await;
        self.serve(stream, None).await;
        Ok(())
    }

    /// Without encryption an idle connection needs no buffer.
    async fn serve_plain(&mut self, stream: TcpStream, patience: Option<Duration>) {
        let (mut reader, writer) = stream.into_split();
        let (flow, events) = (self.flow, &self.events);
        let read = async {
            if !within(patience, async { reader.readable().await.is_ok() }).await {
                return;
            }
            while reader.readable().await.is_ok() && take(&mut reader, READ_MAX, flow, events).await {}
        };
        tokio::select! {
            () = read => {}
            () = write(writer, &mut self.writes) => {}
        }
    }

    async fn serve<S: AsyncRead + AsyncWrite>(&mut self, stream: S, patience: Option<Duration>) {
        let (mut reader, writer) = tokio::io::split(stream);
        let (flow, events) = (self.flow, &self.events);
        let read = async {
            if !within(patience, take(&mut reader, READ_MIN, flow, events)).await {
                return;
            }
            while take(&mut reader, READ_MIN, flow, events).await {}
        };
        tokio::select! {
            () = read => {}
            () = write(writer, &mut self.writes) => {}
        }
    }
}

async fn within(patience: Option<Duration>, begun: impl Future<Output = bool>) -> bool {
    match patience {
        Some(patience) => timeout(patience, begun).await.unwrap_or(false),
        None => begun.await,
    }
}

/// Messages go out at once, and a peer that is gone is noticed. A socket that cannot do it serves all the same.
fn tune(stream: &TcpStream) {
    let _ = stream.set_nodelay(true);
    let probes = TcpKeepalive::new().with_time(PROBE_AFTER).with_interval(PROBE_EVERY).with_retries(PROBES_MAX);
    let _ = SockRef::from(stream).set_tcp_keepalive(&probes);
}

/// Passes on what there is to read; false when that was the last.
async fn take(reader: &mut (impl AsyncRead + Unpin), room: usize, flow: Flow, events: &Sender<StreamEvent>) -> bool {
    let mut buffer = BytesMut::with_capacity(room);
    match reader.read_buf(&mut buffer).await {
        Ok(0) | Err(_) => false,
        Ok(_) => events.send(StreamEvent::Bytes(flow, buffer.freeze())).await.is_ok(),
    }
}

/// Writes what comes until nobody can send any more, then says good-bye.
async fn write(mut writer: impl AsyncWrite + Unpin, writes: &mut Receiver<Bytes>) {
    while let Some(bytes) = writes.recv().await {
        let writing = async {
            writer.write_all(&bytes).await?;
            writer.flush().await
        };
        if !matches!(timeout(PEER_TIMEOUT, writing).await, Ok(Ok(()))) {
            return;
        }
    }
    let _ = timeout(PEER_TIMEOUT, writer.shutdown()).await;
}
