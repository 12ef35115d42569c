use std::collections::HashSet;
use std::net::TcpListener;

use mymonit_test_support::ReservedPort;

#[test]
fn reserved_ports_are_all_different_free_and_below_the_ephemeral_range() {
    let ports: Vec<_> = (0..200).map(|_| ReservedPort::reserve().unwrap()).collect();
    let numbers: HashSet<_> = ports.iter().map(ReservedPort::get).collect();
    assert_eq!(numbers.len(), ports.len());
    for number in numbers {
        assert!((20_000..32_768).contains(&number), "{number}");
        TcpListener::bind(("127.0.0.1", number)).unwrap();
    }
}
