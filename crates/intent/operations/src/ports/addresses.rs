//! From the `fixed_ips` of a request to addresses held: what the port has and still fits stays, the rest is
//! given back, what is missing is taken.

use super::{FixedIpRequest, is_router_owned};
use crate::attributes::check_distinct;
use crate::context::within;
use crate::tables::Subnets;
use crate::{Context, OpError, error::Quota};
use ipam::{IpamError, Owner};
use model::{Family, FixedIp, Port, Subnet, SubnetId};
use std::net::IpAddr;
use std::sync::Arc;
use store::{Row, Tx};

/// One address that the port should have.
enum Want<'a> {
    Exactly(&'a Subnet, IpAddr),
    /// Any of the first of these subnets that has one left. Never empty.
    AnyOf(Vec<&'a Subnet>),
}

/// The addresses of a port that has none.
pub(super) fn assign_new(
    tx: &mut Tx,
    ctx: &Context,
    port: &Port,
    requested: Option<&[FixedIpRequest]>,
) -> Result<Vec<FixedIp>, OpError> {
    let subnets = subnets_of(tx, port);
    let network = Addressing {
        port,
        subnets: subnets.iter().map(|row| &row.value).collect(),
    };
    let wants = match requested {
        None => network.one_of_each_family(),
        Some(requests) => network.resolve(requests)?,
    };
    let automatic = requested.is_none_or(|requests| !requests.is_empty());
    network.fulfil(tx, ctx, wants, automatic)
}

/// The new addresses of a port that holds `port.fixed_ips`. Without a request, those not made from the MAC
/// stay and the others follow the MAC.
pub(super) fn reassign(
    tx: &mut Tx,
    ctx: &Context,
    port: &Port,
    requested: Option<&[FixedIpRequest]>,
) -> Result<Vec<FixedIp>, OpError> {
    let subnets = subnets_of(tx, port);
    let network = Addressing {
        port,
        subnets: subnets.iter().map(|row| &row.value).collect(),
    };
    match requested {
        Some(requests) => {
            let wants = network.resolve(requests)?;
            network.fulfil(tx, ctx, wants, !requests.is_empty())
        }
        None => {
            let wants = network.held_by_choice();
            network.fulfil(tx, ctx, wants, !port.fixed_ips.is_empty())
        }
    }
}

/// Oldest first, so that the first subnet of a network is the one that fills first.
fn subnets_of(tx: &Tx, port: &Port) -> Vec<Arc<Row<Subnets>>> {
    let mut subnets: Vec<_> = tx.scan::<Subnets>(&port.network_id).collect();
    subnets.sort_by_key(|row| (row.value.meta.created_at, row.value.id));
    subnets
}

struct Addressing<'a> {
    port: &'a Port,
    subnets: Vec<&'a Subnet>,
}

impl<'a> Addressing<'a> {
    fn one_of_each_family(&self) -> Vec<Want<'a>> {
        [Family::V4, Family::V6]
            .into_iter()
            .map(|family| {
                let chosen = |s: &&Subnet| s.family() == family && !s.is_auto_addressed();
                self.subnets.iter().copied().filter(chosen).collect()
            })
            .filter(|candidates: &Vec<_>| !candidates.is_empty())
            .map(Want::AnyOf)
            .collect()
    }

    /// The held addresses that do not follow from the MAC.
    fn held_by_choice(&self) -> Vec<Want<'a>> {
        let held = self.port.fixed_ips.iter();
        held.filter_map(|fixed| {
            let subnet = self.find(fixed.subnet_id)?;
            (!subnet.is_auto_addressed()).then_some(Want::Exactly(subnet, fixed.ip_address))
        })
        .collect()
    }

    fn resolve(&self, requests: &[FixedIpRequest]) -> Result<Vec<Want<'a>>, OpError> {
        let network = self.port.network_id;
        let subnet_of = |id| {
            self.find(id).ok_or(OpError::SubnetNotOnNetwork {
                subnet: id,
                network,
            })
        };
        requests
            .iter()
            .map(|request| match *request {
                FixedIpRequest::OfSubnet(id) => self.any_of(subnet_of(id)?),
                FixedIpRequest::Exactly(fixed) => {
                    self.exactly(subnet_of(fixed.subnet_id)?, fixed.ip_address)
                }
                FixedIpRequest::Address(address) => {
                    let mut subnets = self.subnets.iter();
                    let subnet = subnets.find(|s| s.cidr.contains(&address));
                    let subnet = subnet.ok_or(OpError::AddressNotOnNetwork { address, network })?;
                    self.exactly(subnet, address)
                }
            })
            .collect()
    }

    fn any_of(&self, subnet: &'a Subnet) -> Result<Want<'a>, OpError> {
        match subnet.is_auto_addressed() {
            true => Ok(Want::Exactly(
                subnet,
                ipam::eui64_address(subnet, self.port.mac_address)?,
            )),
            false => Ok(Want::AnyOf(vec![subnet])),
        }
    }

    /// Only a router may choose its address where all others follow from the MAC.
    fn exactly(&self, subnet: &'a Subnet, address: IpAddr) -> Result<Want<'a>, OpError> {
        if subnet.is_auto_addressed()
            && !is_router_owned(&self.port.device_owner)
            && ipam::eui64_address(subnet, self.port.mac_address)? != address
        {
            return Err(OpError::AddressOnAutoSubnet {
                address,
                subnet: subnet.id,
            });
        }
        Ok(Want::Exactly(subnet, address))
    }

    /// The address of each auto-addressed subnet that is not wanted already.
    fn add_automatic(&self, wants: &mut Vec<Want<'a>>) -> Result<(), OpError> {
        if is_router_owned(&self.port.device_owner) {
            return Ok(());
        }
        for subnet in self.subnets.iter().filter(|s| s.is_auto_addressed()) {
            let address = ipam::eui64_address(subnet, self.port.mac_address)?;
            if !wants.iter().any(|want| want.is(subnet.id, address)) {
                wants.push(Want::Exactly(subnet, address));
            }
        }
        Ok(())
    }

    fn fulfil(
        &self,
        tx: &mut Tx,
        ctx: &Context,
        mut wants: Vec<Want<'a>>,
        automatic: bool,
    ) -> Result<Vec<FixedIp>, OpError> {
        let limit = ctx.defaults.limits.fixed_ips_per_port;
        within(limit, Quota::FixedIpsPerPort, || wants.len())?;
        check_distinct("fixed_ip", wants.iter().filter_map(Want::address))?;
        if automatic {
            self.add_automatic(&mut wants)?;
        }
        let kept = self.keep(&wants);
        for fixed in &self.port.fixed_ips {
            if !kept.contains(&Some(*fixed)) {
                ipam::release_address(tx, fixed.subnet_id, fixed.ip_address);
            }
        }
        self.take_missing(tx, ctx, wants, kept)
    }

    /// An address for each want that has none yet, in their order. Those that leave no choice are taken first, or
    /// a want for any address could be served with one that a later want names.
    fn take_missing(
        &self,
        tx: &mut Tx,
        ctx: &Context,
        wants: Vec<Want<'a>>,
        mut kept: Vec<Option<FixedIp>>,
    ) -> Result<Vec<FixedIp>, OpError> {
        let owner = Owner::Port(self.port.id);
        for exact in [true, false] {
            for (want, slot) in wants.iter().zip(&mut kept) {
                if slot.is_none() && want.is_exact() == exact {
                    *slot = Some(self.take(tx, ctx, want, owner)?);
                }
            }
        }
        Ok(kept.into_iter().flatten().collect())
    }

    /// Which held address serves which want; each serves one at most.
    fn keep(&self, wants: &[Want]) -> Vec<Option<FixedIp>> {
        let mut free = self.port.fixed_ips.clone();
        let mut kept = vec![None; wants.len()];
        for exact in [true, false] {
            for (want, slot) in wants.iter().zip(&mut kept) {
                if want.is_exact() == exact {
                    let position = free.iter().position(|fixed| want.fits(fixed));
                    *slot = position.map(|position| free.remove(position));
                }
            }
        }
        kept
    }

    fn take(
        &self,
        tx: &mut Tx,
        ctx: &Context,
        want: &Want,
        owner: Owner,
    ) -> Result<FixedIp, OpError> {
        let candidates = match want {
            &Want::Exactly(subnet, ip_address) => {
                ipam::claim_address(tx, subnet, ip_address, owner)?;
                return Ok(FixedIp {
                    subnet_id: subnet.id,
                    ip_address,
                });
            }
            Want::AnyOf(candidates) => candidates,
        };
        for subnet in candidates {
            match ipam::allocate_address(tx, subnet, owner, ctx.random) {
                Ok(ip_address) => {
                    return Ok(FixedIp {
                        subnet_id: subnet.id,
                        ip_address,
                    });
                }
                Err(IpamError::SubnetExhausted { .. }) if candidates.len() > 1 => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(OpError::NetworkExhausted(self.port.network_id))
    }

    fn find(&self, id: SubnetId) -> Option<&'a Subnet> {
        self.subnets.iter().copied().find(|subnet| subnet.id == id)
    }
}

impl Want<'_> {
    fn is(&self, id: SubnetId, address: IpAddr) -> bool {
        matches!(self, Self::Exactly(subnet, a) if subnet.id == id && *a == address)
    }

    fn is_exact(&self) -> bool {
        matches!(self, Self::Exactly(..))
    }

    fn address(&self) -> Option<IpAddr> {
        match self {
            Self::Exactly(_, address) => Some(*address),
            Self::AnyOf(_) => None,
        }
    }

    fn fits(&self, held: &FixedIp) -> bool {
        match self {
            Self::Exactly(..) => self.is(held.subnet_id, held.ip_address),
            Self::AnyOf(subnets) => subnets.iter().any(|subnet| subnet.id == held.subnet_id),
        }
    }
}
