//! The messages of the benchmarks.

use crate::report::to_f64;

pub(crate) const MEASURES_PER_ARRAY: u64 = 100;
/// Of a load with sensors, in turn.
const SENSORS: u64 = 100;

/// The value of a benchmark's nth measure: any number whose decimal form has many digits.
pub(crate) fn value(number: u64) -> f64 {
    to_f64(number) * 1.000_1 + 0.123_456_789
}

/// The time of a benchmark's nth measure, in nanoseconds since the Unix epoch.
pub(crate) fn nanos(number: u64) -> u64 {
    1_650_000_000_000_000_000 + number * 1_000_000
}

pub(crate) fn measure(number: u64) -> String {
    measure_of(number, "")
}

fn measure_of_sensor(number: u64) -> String {
    measure_of(number, &format!(r#""sensor":"thermometer {}","#, number % SENSORS))
}

fn measure_of(number: u64, sensor: &str) -> String {
    let (second, nanos) = (nanos(number) / 1_000_000_000, nanos(number) % 1_000_000_000);
    let value = value(number);
    format!(
        r#"{{"experiment":"device-vibrations",{sensor}"measure":"hertz","value":{value},"timestamp":{second}.{nanos:09}}}"#
    )
}

/// That many messages of one measure each.
pub(crate) fn singles(count: u64) -> impl Iterator<Item = Vec<u8>> {
    singles_of(count, measure)
}

fn singles_of(count: u64, measure: fn(u64) -> String) -> impl Iterator<Item = Vec<u8>> {
    (0..count).map(move |number| measure(number).into_bytes())
}

fn arrays(count: u64, measure: fn(u64) -> String) -> impl Iterator<Item = Vec<u8>> {
    (0..count).map(move |array| {
        let first = array * MEASURES_PER_ARRAY;
        let measures: Vec<_> = (first..first + MEASURES_PER_ARRAY).map(measure).collect();
        format!("[{}]", measures.join(",")).into_bytes()
    })
}

/// The messages and their consumer.
#[derive(Clone, Copy)]
pub(crate) struct Load {
    pub(crate) name: &'static str,
    pub(crate) messages: u64,
    pub(crate) measures_per_message: u64,
    pub(crate) with_message_ids: bool,
    pub(crate) with_sensors: bool,
    pub(crate) processes: usize,
}

impl Load {
    pub(crate) fn measures(&self) -> u64 {
        self.messages * self.measures_per_message
    }

    pub(crate) fn bodies(&self) -> Box<dyn Iterator<Item = Vec<u8>>> {
        let measure = if self.with_sensors { measure_of_sensor } else { measure };
        if self.measures_per_message == 1 {
            Box::new(singles_of(self.messages, measure))
        } else {
            Box::new(arrays(self.messages, measure))
        }
    }
}
