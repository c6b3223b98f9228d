//! What phones fetch for themselves: an agent's settings behind a link nobody guesses. Off unless a key is configured.

use crate::desk::Desk;
use crate::provision::{Format, Registrar, is_token, page};
use axum::Router;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use std::sync::PoisonError;

pub(super) fn routes() -> Router<Desk> {
    Router::new().route("/provision/{agent}/{token}/{file}", get(file))
}

/// Whatever is wrong, the answer is the same: there is nothing here.
async fn file(State(desk): State<Desk>, Path((agent, token, file)): Path<(String, String, String)>) -> Response {
    let site = desk.site.lock().unwrap_or_else(PoisonError::into_inner);
    let found = || {
        let key = site.shell.provision_key.as_deref()?;
        let agent = site.setup.agents.iter().find(|known| *known.number == *agent && known.bot.is_none())?;
        let format = Format::of_file(&file).filter(|_| is_token(key, agent, &token))?;
        Some(page(format, &site.setup, agent, Registrar::of(&site.setup.locals, None)?))
    };
    match found() {
        Some((kind, text)) => {
            ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-store")], text).into_response()
        }
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
