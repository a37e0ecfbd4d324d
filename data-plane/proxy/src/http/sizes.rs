//! What connections and requests take that wait, which is what slow clients make an agent hold.

use std::rc::Rc;

use http::request::Parts;
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::connection::{self, Client, Places};
use super::inbound::Back;
use super::request::ClientBody;
use super::{h1, pipeline};
use crate::worker::Worker;
use crate::worker::run::Entrance;

type Server<F> = fn(Rc<Worker>, TcpStream, Entrance, Places) -> F;
type Pipeline<F> = fn(Rc<Worker>, Rc<Client>, Parts, ClientBody, Option<Back>) -> F;

fn of_connection<F>(_: Server<F>) -> usize {
    size_of::<F>()
}

fn of_h1<S, F>(_: fn(h1::Entered<'static, S>) -> F) -> usize {
    size_of::<F>()
}

fn of_request<F>(_: Pipeline<F>) -> usize {
    size_of::<F>()
}

#[test]
fn what_waits_is_small() {
    let sizes = [
        (
            "a silent connection",
            of_connection(connection::serve),
            2_048,
        ),
        (
            "HTTP/1.1 in cleartext",
            of_h1::<TcpStream, _>(h1::serve),
            3_072,
        ),
        (
            "HTTP/1.1 over TLS",
            of_h1::<TlsStream<TcpStream>, _>(h1::serve),
            6_144,
        ),
        ("a request", of_request(pipeline::serve), 8_192),
    ];
    for (what, size, most) in sizes {
        println!("{what}: {size} bytes");
        assert!(size <= most, "{what} takes {size} bytes: {sizes:?}");
    }
}
