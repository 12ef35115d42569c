use std::str::FromStr;

use crate::text::text_type;
use crate::{InvalidField, SensorId, Timestamp};

text_type! {
    /// The name of a measure type, such as `hertz`, by which messages and clients refer to it.
    MeasureTypeName, "measure", 255
}

text_type! {
    /// The symbol of a measure type's unit, such as `Hz`, 1–32 characters.
    UnitSymbol, "symbol", 32
}

text_type! {
    /// What a measure type's unit measures, such as `frequency`, 1–255 characters.
    Quantity, "quantity", 255
}

/// The key of a measure type in the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MeasureTypeId(u16);

impl MeasureTypeId {
    /// The least key.
    pub const MIN: Self = Self(1);
    /// The greatest key.
    pub const MAX: Self = Self(u16::MAX);

    /// Takes a key that the database gave.
    pub const fn new(id: u16) -> Self {
        Self(id)
    }

    /// The key.
    pub const fn get(self) -> u16 {
        self.0
    }
}

impl FromStr for MeasureTypeId {
    type Err = InvalidField;

    fn from_str(raw: &str) -> Result<Self, InvalidField> {
        match raw.parse() {
            Ok(id) if Self(id) >= Self::MIN && raw.bytes().all(|byte| byte.is_ascii_digit()) => Ok(Self(id)),
            _ => {
                let allowed = format!("must be an integer from {} to {}", Self::MIN.0, Self::MAX.0);
                Err(InvalidField::new("measure_type_id", allowed))
            }
        }
    }
}

/// The unit of a measure, such as a unit of the SI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeasureType {
    /// The key in the database.
    pub id: MeasureTypeId,
    /// The unit's name, such as `degree Celsius`.
    pub name: MeasureTypeName,
    /// The unit's symbol, such as `°C`.
    pub symbol: String,
    /// What the unit measures, such as `Celsius temperature`.
    pub quantity: String,
}

/// The number that was measured: any finite double, to the bit.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct MeasureValue(f64);

impl MeasureValue {
    /// Takes a finite number.
    ///
    /// # Errors
    /// Names `value` where the number is infinite or none at all.
    pub fn new(value: f64) -> Result<Self, InvalidField> {
        if value.is_finite() {
            Ok(Self(value))
        } else {
            Err(InvalidField::new("value", "must be a finite number"))
        }
    }

    /// The number.
    pub const fn get(self) -> f64 {
        self.0
    }
}

/// The number under which a measure is kept; it grows in the order of arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MeasureId(u64);

impl MeasureId {
    /// Takes a number that the database gave.
    pub const fn new(id: u64) -> Self {
        Self(id)
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }
}

/// A measure as it is kept. Its experiment is known from where it was read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StoredMeasure {
    /// Which one it is among measures that may be equal otherwise.
    pub id: MeasureId,
    /// What it measures.
    pub measure_type: MeasureTypeId,
    /// Where it comes from, if that is known.
    pub sensor: Option<SensorId>,
    /// When it was measured, UTC.
    pub timestamp: Timestamp,
    /// The number, in the unit of its measure type.
    pub value: MeasureValue,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_finite_values_are_measures() {
        for value in [0.0, -0.0, f64::MIN_POSITIVE, 5e-324, f64::MAX, f64::MIN] {
            assert_eq!(MeasureValue::new(value).unwrap().get().to_bits(), value.to_bits());
        }
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(MeasureValue::new(value).unwrap_err().field, "value");
        }
    }
}
