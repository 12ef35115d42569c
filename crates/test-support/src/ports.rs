use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::ops::RangeInclusive;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};

use anyhow::{Context as _, bail};

/// Below the range from which Linux takes the ports of outgoing connections (32768 on): a port in that
/// range can be taken while its server restarts.
const RANGE: RangeInclusive<u16> = 20_000..=32_767;

/// A free TCP port of the loopback address, kept from all other tests for as long as this value lives.
///
/// The claim is an abstract Unix socket named after the port. Such a name can be bound once on a
/// machine, leaves no file, and is given back by the kernel when the process ends, however it ends; so
/// tests in several processes never choose the same port, not even while its server is down.
#[derive(Debug)]
pub struct ReservedPort {
    port: u16,
    _claim: UnixListener,
}

impl ReservedPort {
    /// Finds a port that no other test has claimed and that nothing listens on.
    ///
    /// # Errors
    /// Where there is none.
    pub fn reserve() -> anyhow::Result<Self> {
        let start = rand::random_range(RANGE);
        for port in (start..=*RANGE.end()).chain(*RANGE.start()..start) {
            if let Some(claim) = claim(port).with_context(|| format!("cannot claim port {port}"))?
                && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
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

/// The claim to a port, or none where another test has it.
fn claim(port: u16) -> io::Result<Option<UnixListener>> {
    let name = SocketAddr::from_abstract_name(format!("mymonit-test-port-{port}"))?;
    match UnixListener::bind_addr(&name) {
        Ok(claim) => Ok(Some(claim)),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Ok(None),
        Err(error) => Err(error),
    }
}
