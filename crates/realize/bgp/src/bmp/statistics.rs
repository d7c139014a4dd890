//! Statistics (RFC 7854 4.8, RFC 8671 6.2).

use crate::family::AfiSafi;
use crate::wire::Reader;

/// One counter or gauge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statistic {
    /// One of the constants here, or another registered one.
    pub code: u16,
    pub value: StatisticValue,
}

/// The form of a value follows from its code; one in a form that is not its code's is kept raw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StatisticValue {
    Counter(u32),
    Gauge(u64),
    FamilyGauge { family: AfiSafi, value: u64 },
    Raw(Box<[u8]>),
}

impl Statistic {
    pub const REJECTED_BY_POLICY: u16 = 0;
    pub const DUPLICATE_ANNOUNCEMENTS: u16 = 1;
    pub const DUPLICATE_WITHDRAWS: u16 = 2;
    pub const CLUSTER_LIST_LOOPS: u16 = 3;
    pub const AS_PATH_LOOPS: u16 = 4;
    pub const ORIGINATOR_LOOPS: u16 = 5;
    pub const CONFEDERATION_LOOPS: u16 = 6;
    pub const ADJ_RIB_IN: u16 = 7;
    pub const LOC_RIB: u16 = 8;
    pub const ADJ_RIB_IN_OF_FAMILY: u16 = 9;
    pub const LOC_RIB_OF_FAMILY: u16 = 10;
    pub const TREATED_AS_WITHDRAW_UPDATES: u16 = 11;
    pub const TREATED_AS_WITHDRAW_ROUTES: u16 = 12;
    pub const DUPLICATE_UPDATES: u16 = 13;
    pub const ADJ_RIB_OUT_PRE_POLICY: u16 = 14;
    pub const ADJ_RIB_OUT_POST_POLICY: u16 = 15;
    pub const ADJ_RIB_OUT_PRE_POLICY_OF_FAMILY: u16 = 16;
    pub const ADJ_RIB_OUT_POST_POLICY_OF_FAMILY: u16 = 17;

    pub(super) fn decode(code: u16, octets: &[u8]) -> Self {
        let mut reader = Reader::new(octets);
        let value = match code {
            0..=6 | 11..=13 => reader.u32().map(StatisticValue::Counter),
            7 | 8 | 14 | 15 => gauge(&mut reader).map(StatisticValue::Gauge),
            9 | 10 | 16 | 17 => family_gauge(&mut reader),
            _ => None,
        };
        let value = value.filter(|_| reader.is_empty());
        Self {
            code,
            value: value.unwrap_or_else(|| StatisticValue::Raw(octets.into())),
        }
    }

    pub(super) fn encode_value(&self, out: &mut Vec<u8>) {
        match &self.value {
            StatisticValue::Counter(value) => out.extend_from_slice(&value.to_be_bytes()),
            StatisticValue::Gauge(value) => out.extend_from_slice(&value.to_be_bytes()),
            StatisticValue::FamilyGauge { family, value } => {
                out.extend_from_slice(&family.afi.to_be_bytes());
                out.push(family.safi);
                out.extend_from_slice(&value.to_be_bytes());
            }
            StatisticValue::Raw(octets) => out.extend_from_slice(octets),
        }
    }
}

fn gauge(reader: &mut Reader<'_>) -> Option<u64> {
    reader.array().map(u64::from_be_bytes)
}

fn family_gauge(reader: &mut Reader<'_>) -> Option<StatisticValue> {
    let (afi, safi) = (reader.u16()?, reader.u8()?);
    Some(StatisticValue::FamilyGauge {
        family: AfiSafi { afi, safi },
        value: gauge(reader)?,
    })
}
