//! Where Notifications of tenants may send to.
//!
//! The controller sits where a tenant does not: whoever may create a Notification must not be able to make it ask the
//! metadata service of the cloud or something that listens on the controller's own machine.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

/// Addresses with a common beginning, such as `10.0.0.0/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

/// Where Notifications of tenants may send to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks(Vec<Network>);

impl Networks {
    /// These only; none stands for everything that is not special.
    pub fn new(networks: Vec<Network>) -> Self {
        Self(networks)
    }

    /// Whether a tenant's Notification may send to this address.
    pub fn allow(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        if self.0.is_empty() { !is_special(address) } else { self.0.iter().any(|it| it.contains(address)) }
    }
}

impl Network {
    fn contains(self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix)).unwrap_or(0);
                network.to_bits() & mask == address.to_bits() & mask
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.prefix)).unwrap_or(0);
                network.to_bits() & mask == address.to_bits() & mask
            }
            _ => false,
        }
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let invalid = || format!("`{text}` is not a network: write it as 10.0.0.0/8 or fd00::/8");
        let (address, prefix) = text.split_once('/').ok_or_else(invalid)?;
        let address: IpAddr = address.parse().map_err(|_| invalid())?;
        let prefix: u8 = prefix.parse().map_err(|_| invalid())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        if prefix > most { Err(invalid()) } else { Ok(Self { address, prefix }) }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// Addresses that mean something else to the controller than to a tenant, or nothing at all.
fn is_special(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(it) => {
            it.is_loopback()
                || it.is_link_local()
                || it.is_multicast()
                || it.is_broadcast()
                || it.octets()[0] == 0
        }
        IpAddr::V6(it) => {
            it.is_loopback()
                || it.is_unspecified()
                || it.is_multicast()
                || it.is_unicast_link_local()
                || it == AWS_METADATA
                || embedded(it).is_some_and(is_special)
        }
    }
}

/// The metadata service of one cloud has an address that is not link-local.
const AWS_METADATA: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);

/// The IPv4 address that a translator (NAT64, 6to4) makes of an IPv6 one.
fn embedded(address: Ipv6Addr) -> Option<IpAddr> {
    let segments = address.segments();
    let (high, low) = if segments[..6] == [0x64, 0xff9b, 0, 0, 0, 0] || segments[..6] == [0; 6] {
        (segments[6], segments[7])
    } else if segments[0] == 0x2002 {
        (segments[1], segments[2])
    } else {
        return None;
    };
    Some(IpAddr::V4((u32::from(high) << 16 | u32::from(low)).into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tenants_reach_neither_the_machine_nor_the_metadata_service() {
        for (address, allowed) in [
            ("93.184.215.14", true),
            ("10.96.0.10", true),
            ("192.168.1.5", true),
            ("2606:4700::1111", true),
            ("fd12:3456::1", true),
            ("127.0.0.1", false),
            ("127.8.8.8", false),
            ("::1", false),
            ("::ffff:127.0.0.1", false),
            ("169.254.169.254", false),
            ("::ffff:169.254.169.254", false),
            ("64:ff9b::a9fe:a9fe", false),
            ("2002:a9fe:a9fe::1", false),
            ("fd00:ec2::254", false),
            ("fe80::1", false),
            ("0.0.0.0", false),
            ("0.1.2.3", false),
            ("::", false),
            ("224.0.0.1", false),
            ("255.255.255.255", false),
            ("ff02::1", false),
        ] {
            let address: IpAddr = address.parse().unwrap();
            assert_eq!(Networks::default().allow(address), allowed, "{address}");
        }
    }

    #[test]
    fn named_networks_are_all_there_is() {
        let networks: Vec<Network> =
            ["10.0.0.0/8", "127.0.0.0/8", "fd00::/8"].iter().map(|it| it.parse().unwrap()).collect();
        let networks = Networks::new(networks);
        for (address, allowed) in [
            ("10.1.2.3", true),
            ("127.0.0.1", true),
            ("::ffff:10.1.2.3", true),
            ("fd00::5", true),
            ("11.0.0.1", false),
            ("169.254.169.254", false),
            ("fe00::5", false),
        ] {
            assert_eq!(networks.allow(address.parse().unwrap()), allowed, "{address}");
        }
        let all: Network = "0.0.0.0/0".parse().unwrap();
        assert!(all.contains("8.8.8.8".parse().unwrap()));
        for text in ["10.0.0.0", "10.0.0.0/33", "fd00::/129", "x/8", "10.0.0.0/-1", "/8"] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
    }
}
