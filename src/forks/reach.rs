//! Connections to bots: WebSockets we open, plain or encrypted.

use super::BotSetup;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use std::error::Error;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderValue, header};
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

/// Bytes of one message of a program: 30 s of sound.
const MESSAGE_MAX: usize = 512 * 1024;
/// Bytes a connection keeps ready.
const BUFFER: usize = 4_096;

/// What a WebSocket runs over.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

pub(crate) type Socket = WebSocketStream<Box<dyn Stream>>;

/// What all connections share.
pub(super) struct Reach {
    tls: Arc<ClientConfig>,
}

impl Reach {
    /// Certificates are checked against those the system trusts.
    pub(super) fn new() -> Reach {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        Reach::trusting(roots)
    }

    pub(super) fn trusting(roots: RootCertStore) -> Reach {
        let tls = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        Reach { tls: Arc::new(tls) }
    }

    /// Connects to a bot; or why that is not possible.
    pub(super) async fn call(&self, bot: &BotSetup) -> Result<Socket, String> {
        let said = |error: &dyn Error| error.to_string();
        let mut request = bot.url.as_str().into_client_request().map_err(|e| said(&e))?;
        if let Some(token) = &bot.token {
            let mut bearer = HeaderValue::try_from(format!("Bearer {token}")).map_err(|e| said(&e))?;
            bearer.set_sensitive(true);
            request.headers_mut().insert(header::AUTHORIZATION, bearer);
        }
        let encrypted = request.uri().scheme_str() == Some("wss");
        let host = request.uri().host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let port = request.uri().port_u16().unwrap_or(if encrypted { 443 } else { 80 });
        let stream = TcpStream::connect((&*host, port)).await.map_err(|e| said(&e))?;
        // Frames are small and must not wait for one another.
        stream.set_nodelay(true).map_err(|e| said(&e))?;
        let stream: Box<dyn Stream> = if encrypted {
            let name = ServerName::try_from(host).map_err(|e| said(&e))?;
            Box::new(TlsConnector::from(Arc::clone(&self.tls)).connect(name, stream).await.map_err(|e| said(&e))?)
        } else {
            Box::new(stream)
        };
        let (socket, _) = client_async_with_config(request, stream, Some(limits())).await.map_err(|e| said(&e))?;
        Ok(socket)
    }
}

/// The connection of a program that came by itself.
pub(crate) async fn taken(upgraded: Upgraded) -> Socket {
    let stream: Box<dyn Stream> = Box::new(TokioIo::new(upgraded));
    WebSocketStream::from_raw_socket(stream, Role::Server, Some(limits())).await
}

/// What a program may send at once.
fn limits() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(BUFFER)
        .write_buffer_size(0)
        .max_message_size(Some(MESSAGE_MAX))
        .max_frame_size(Some(MESSAGE_MAX))
}
