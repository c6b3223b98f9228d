//! Certificates: ours, chosen by the name a peer asks for, and those of trunks. Replaced whole by a reload, while connections go on.

use super::names::is_for;
use busyhour_model::Name;
use bytes::Bytes;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ClientHello, ResolvesServerCert, ServerSessionMemoryCache, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, Error, InconsistentKeys, RootCertStore,
    ServerConfig, SignatureScheme,
};
use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// TLS sessions that phones may resume without a new key exchange.
const SESSIONS_MAX: usize = 4_096;

/// A certificate chain and its key, as PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    /// The certificate, then those that signed it.
    pub chain: Bytes,
    /// Its private key.
    pub key: Bytes,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({} bytes)", self.chain.len())
    }
}

/// What a trunk wants of TLS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrunkTls {
    /// Which.
    pub trunk: Name,
    /// Who signs the carrier's certificates, as PEM; `None`: whom the system trusts.
    pub ca: Option<Bytes>,
    /// The name its server has to show; `None`: its address.
    pub server_name: Option<String>,
    /// What we show when its server asks.
    pub identity: Option<Identity>,
    /// Names one of which its client certificate has to have; empty: it is not known by a certificate.
    pub client_names: Vec<String>,
}

/// Everything about TLS that is configured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsSetup {
    /// What we show phones and carriers; the first to whoever names none of them.
    pub identities: Vec<Identity>,
    /// What trunks want.
    pub trunks: Vec<TrunkTls>,
}

/// The certificates in use; every clone sees a replacement at once.
#[derive(Clone)]
pub struct Certificates(Arc<Mutex<Arc<InUse>>>);

struct InUse {
    server: Option<Arc<ServerConfig>>,
    trunks: BTreeMap<Name, Line>,
    /// For connections to nobody's trunk.
    plain: Option<Arc<ClientConfig>>,
}

struct Line {
    client: Arc<ClientConfig>,
    server_name: Option<String>,
    /// Whose certificates are the trunk's, when it is known by one.
    known_by: Option<Arc<dyn ClientCertVerifier>>,
    client_names: Vec<String>,
}

impl Certificates {
    /// # Errors
    /// Something in it is no certificate, no key or does not fit together.
    pub fn new(setup: &TlsSetup) -> Result<Certificates, String> {
        Ok(Certificates(Arc::new(Mutex::new(Arc::new(InUse::new(setup)?)))))
    }

    /// New connections use these from now on.
    ///
    /// # Errors
    /// As [`Certificates::new`]; the old ones stay.
    pub fn replace(&self, setup: &TlsSetup) -> Result<(), String> {
        let fresh = Arc::new(InUse::new(setup)?);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }

    fn in_use(&self) -> Arc<InUse> {
        Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// How peers are answered; `None`: no certificate is configured.
    pub(super) fn server(&self) -> Option<Arc<ServerConfig>> {
        self.in_use().server.clone()
    }

    /// How a trunk is called, and the name its server has to show.
    pub(super) fn client(
        &self,
        trunk: Option<&Name>,
        address: IpAddr,
    ) -> Option<(Arc<ClientConfig>, ServerName<'static>)> {
        let in_use = self.in_use();
        let line = trunk.and_then(|trunk| in_use.trunks.get(trunk));
        let config = line.map(|line| Arc::clone(&line.client)).or_else(|| in_use.plain.clone())?;
        let name = line.and_then(|line| line.server_name.clone()).and_then(|name| ServerName::try_from(name).ok());
        Some((config, name.unwrap_or(ServerName::from(address))))
    }

    /// The trunks whose certificate this is.
    pub(super) fn trunks_of(&self, shown: Option<&[CertificateDer<'_>]>) -> Vec<Name> {
        let Some([certificate, others @ ..]) = shown else { return Vec::new() };
        let in_use = self.in_use();
        let its = |line: &Line| {
            let known = line
                .known_by
                .as_ref()
                .is_some_and(|known_by| known_by.verify_client_cert(certificate, others, UnixTime::now()).is_ok());
            known && line.client_names.iter().any(|name| is_for(certificate, name))
        };
        in_use.trunks.iter().filter(|(_, line)| its(line)).map(|(trunk, _)| trunk.clone()).collect()
    }
}

impl InUse {
    fn new(setup: &TlsSetup) -> Result<InUse, String> {
        let keys = setup.identities.iter().map(|identity| identity.key().map(Arc::new));
        let keys = keys.collect::<Result<Vec<_>, _>>()?;
        let trunks = setup.trunks.iter().map(|tls| Ok((tls.trunk.clone(), Line::new(tls)?)));
        let trunks = trunks.collect::<Result<BTreeMap<_, _>, String>>()?;
        let asks = trunks.values().any(|line| line.known_by.is_some());
        let server = (!keys.is_empty()).then(|| answering(keys, asks)).transpose()?;
        let plain = calling(&authorities(None)?, None).ok().map(Arc::new);
        Ok(InUse { server, trunks, plain })
    }
}

impl Line {
    fn new(tls: &TrunkTls) -> Result<Line, String> {
        let roots = authorities(tls.ca.as_ref())?;
        let known_by = (!tls.client_names.is_empty()).then(|| client_verifier(&roots)).transpose()?;
        let client = Arc::new(calling(&roots, tls.identity.as_ref())?);
        Ok(Line { client, server_name: tls.server_name.clone(), known_by, client_names: tls.client_names.clone() })
    }
}

impl Identity {
    /// # Errors
    /// One sentence about what is wrong with chain or key.
    pub fn check(&self) -> Result<(), String> {
        self.key().map(drop)
    }

    fn key(&self) -> Result<CertifiedKey, String> {
        let chain = certificates(&self.chain)?;
        let key = PrivateKeyDer::from_pem_slice(&self.key)
            .map_err(|_| "the key is no PEM file with a PRIVATE KEY in it; encrypted keys are not read")?;
        CertifiedKey::from_der(chain, key, &default_provider()).map_err(|error| match error {
            Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => "the key is not that of the certificate".into(),
            error => format!("certificate and key cannot be used: {error}"),
        })
    }
}

/// The certificates in a PEM file, at least one.
///
/// # Errors
/// One sentence about what is there instead.
pub fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let found = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
    let found = found.map_err(|error| format!("this is no PEM file: {error}"))?;
    if found.is_empty() { Err("no CERTIFICATE is in this file".into()) } else { Ok(found) }
}

/// Whom to believe: those in `ca`, or those the system trusts.
fn authorities(ca: Option<&Bytes>) -> Result<Arc<RootCertStore>, String> {
    let mut roots = RootCertStore::empty();
    match ca {
        Some(ca) => {
            for certificate in certificates(ca)? {
                roots.add(certificate).map_err(|error| format!("a certificate in `ca` cannot be used: {error}"))?;
            }
        }
        None => drop(roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs)),
    }
    Ok(Arc::new(roots))
}

fn answering(keys: Vec<Arc<CertifiedKey>>, asks: bool) -> Result<Arc<ServerConfig>, String> {
    let config =
        ServerConfig::builder_with_provider(Arc::new(default_provider())).with_safe_default_protocol_versions();
    let config = config.map_err(|error| error.to_string())?;
    let config = match asks {
        true => config.with_client_cert_verifier(Arc::new(Anybody)),
        false => config.with_no_client_auth(),
    };
    let mut config = config.with_cert_resolver(Arc::new(ByName(keys)));
    config.session_storage = ServerSessionMemoryCache::new(SESSIONS_MAX);
    Ok(Arc::new(config))
}

fn calling(roots: &Arc<RootCertStore>, identity: Option<&Identity>) -> Result<ClientConfig, String> {
    let inner = WebPkiServerVerifier::builder_with_provider(Arc::clone(roots), Arc::new(default_provider())).build();
    let inner = inner.map_err(|error| format!("no authority to verify servers by: {error}"))?;
    let config =
        ClientConfig::builder_with_provider(Arc::new(default_provider())).with_safe_default_protocol_versions();
    let config = config.map_err(|error| error.to_string())?;
    let config = config.dangerous().with_custom_certificate_verifier(Arc::new(SipServer(inner)));
    match identity {
        None => Ok(config.with_no_client_auth()),
        Some(identity) => {
            let key = identity.key()?;
            let resolver = rustls::sign::SingleCertAndKey::from(key);
            Ok(config.with_client_cert_resolver(Arc::new(resolver)))
        }
    }
}

fn client_verifier(roots: &Arc<RootCertStore>) -> Result<Arc<dyn ClientCertVerifier>, String> {
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::clone(roots), Arc::new(default_provider())).build();
    verifier.map_err(|error| format!("no authority to verify clients by: {error}"))
}

/// Chooses our certificate by the name asked for (SNI) and the signatures the peer can check.
#[derive(Debug)]
struct ByName(Vec<Arc<CertifiedKey>>);

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let signs = |key: &&Arc<CertifiedKey>| key.key.choose_scheme(hello.signature_schemes()).is_some();
        let asked = hello.server_name();
        let named =
            |key: &&Arc<CertifiedKey>| asked.is_some_and(|asked| key.cert.first().is_some_and(|it| is_for(it, asked)));
        let usable = || self.0.iter().filter(signs);
        usable().find(named).or_else(|| usable().next()).or(self.0.first()).cloned()
    }
}

/// Lets every client in, with or without certificate, as long as it owns the one it shows: phones have factory certificates
/// nobody knows. Whose it is, is looked at afterwards.
#[derive(Debug)]
struct Anybody;

impl ClientCertVerifier for Anybody {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = default_provider().signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, &known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = default_provider().signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, &known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        default_provider().signature_verification_algorithms.supported_schemes()
    }
}

/// Verifies a server as the web does; a certificate may also name its domain as `sip:` URI (RFC 5922 section 7.1).
#[derive(Debug)]
struct SipServer(Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for SipServer {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match self.0.verify_server_cert(certificate, others, name, ocsp, now) {
            // The name is looked at last: everything else is right.
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if is_for(certificate, &name.to_str()) => Ok(ServerCertVerified::assertion()),
            verdict => verdict,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}
