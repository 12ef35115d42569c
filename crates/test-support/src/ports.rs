use std::io;
use std::net::{Ipv4Addr, TcpStream};
use std::ops::RangeInclusive;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};

use anyhow::{Context as _, bail};

/// Below the range from which Linux takes the ports of outgoing connections (32768 on): a port in
/// that range can be taken while its server restarts.
const RANGE: RangeInclusive<u16> = 20_000..=32_767;

/// A free loopback TCP port, reserved until this value is dropped.
///
/// The reservation is an abstract Unix socket named after the port. The kernel releases it with
/// the process, so concurrent tests never share a port, even while its server is down.
#[derive(Debug)]
pub struct ReservedPort {
    port: u16,
    _claim: UnixListener,
}

impl ReservedPort {
    /// Finds a port that no other test has claimed and that nothing listens on.
    ///
    /// # Errors
    /// If there is none.
    pub fn reserve() -> anyhow::Result<Self> {
        let start = rand::random_range(RANGE);
        for port in (start..=*RANGE.end()).chain(*RANGE.start()..start) {
            // Do not probe by listening: a program that is forked at the same time would inherit
            // the listener and hold the port until its `exec`.
            if let Some(claim) = claim(port).with_context(|| format!("cannot claim port {port}"))?
                && TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err()
            {
                return Ok(Self { port, _claim: claim });
            }
        }
        bail!("no port from {} to {} is free", RANGE.start(), RANGE.end())
    }

    /// The port's number.
    pub const fn get(&self) -> u16 {
        self.port
    }
}

/// The claim to a port, or `None` if another test has it.
fn claim(port: u16) -> io::Result<Option<UnixListener>> {
    let name = SocketAddr::from_abstract_name(format!("mymonit-test-port-{port}"))?;
    match UnixListener::bind_addr(&name) {
        Ok(claim) => Ok(Some(claim)),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Ok(None),
        Err(error) => Err(error),
    }
}
