use crate::text::text_type;
use crate::{Description, InvalidField};

/// The greatest number of sensors of an experiment.
pub const MAX_SENSORS: usize = 10_000;

text_type! {
    /// The name of a sensor, 1–255 characters, unique within its experiment. Not `.` or `..`, which
    /// an address cannot hold.
    SensorName, "sensor", 255, not_a_path_segment
}

fn not_a_path_segment(name: &str) -> Result<(), InvalidField> {
    match name {
        "." | ".." => Err(InvalidField::new("sensor", "must not be `.` or `..`")),
        _ => Ok(()),
    }
}

/// The key of a sensor in the database, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SensorId(u32);

impl SensorId {
    /// Takes a key that the database gave; 0 is no sensor.
    pub const fn new(id: u32) -> Option<Self> {
        if id == 0 { None } else { Some(Self(id)) }
    }

    /// The key.
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The key of an optional sensor, 0 for none.
    pub const fn or_zero(sensor: Option<Self>) -> u32 {
        match sensor {
            Some(Self(id)) => id,
            None => 0,
        }
    }
}

/// One source of measures within an experiment. It is created by its first measure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sensor {
    /// The key in the database.
    pub id: SensorId,
    /// Never changes.
    pub name: SensorName,
    /// May be empty.
    pub description: Description,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_trimmed_text_that_an_address_can_hold() {
        assert_eq!(SensorName::new(" Ofen/links ").unwrap().as_str(), "Ofen/links");
        assert!(SensorName::new("...").is_ok() && SensorName::new(&"x".repeat(255)).is_ok());
        for raw in ["", " ", ".", "..", " .. ", "a\0", &"x".repeat(256)] {
            assert_eq!(SensorName::new(raw).unwrap_err().field, "sensor", "{raw:?}");
        }
    }
}
