//! The experiment of evaluation mode with sensors: the last day of an oven.

use mymonit_model::{
    Description, ExperimentDetails, ExperimentName, InvalidField, MeasureTypeName, MeasureValue, SensorName,
    Timestamp, UserId,
};

use super::{ExampleData, ExampleExperiment, ExampleMeasure};

const MINUTES: u32 = 24 * 60;
const MINUTE_NANOS: i64 = 60_000_000_000;
const ROOM_TEMPERATURE: f64 = 23.0;
/// From which minute on the oven is set to which temperature.
const SET_POINTS: [(u32, f64); 4] =
    [(0, ROOM_TEMPERATURE), (120, 180.0), (600, ROOM_TEMPERATURE), (1_080, 120.0)];
/// The minutes in which the door is open.
const DOOR_OPEN: std::ops::Range<u32> = 380..385;

struct Thermometer {
    name: &'static str,
    description: &'static str,
    /// Minutes after which it has followed two thirds of a change.
    lag: f64,
    /// What part of the temperature above that of the room reaches it.
    reach: f64,
    /// The drop of the temperature per minute with an open door.
    draught: f64,
    /// The minutes in which it measures nothing.
    silent: std::ops::Range<u32>,
}

const THERMOMETERS: [Thermometer; 3] = [
    Thermometer {
        name: "thermometer-1",
        description: "PT100 at the heater",
        lag: 14.0,
        reach: 1.0,
        draught: 2.0,
        silent: 0..0,
    },
    Thermometer {
        name: "thermometer-2",
        description: "PT100 in the centre",
        lag: 30.0,
        reach: 0.97,
        draught: 4.0,
        silent: 0..0,
    },
    Thermometer {
        name: "thermometer-3",
        description: "PT100 at the door",
        lag: 40.0,
        reach: 0.9,
        draught: 11.0,
        silent: 470..540,
    },
];

/// One experiment of S001, with three thermometers that have measured once a minute for a day up to
/// now.
///
/// # Errors
/// None in practice: every value keeps the rules of the model, and a test makes sure of it.
pub fn oven(now: Timestamp) -> Result<ExampleData, InvalidField> {
    let mut sensors = Vec::new();
    let mut measures = Vec::new();
    for (number, thermometer) in (0_u32..).zip(&THERMOMETERS) {
        let name = SensorName::new(thermometer.name)?;
        sensors.push((name.clone(), Description::new(thermometer.description)?));
        for (minute, value) in (0..).zip(temperatures(number, thermometer)) {
            if !thermometer.silent.contains(&minute) {
                measures.push(ExampleMeasure {
                    measure_type: MeasureTypeName::new("degree Celsius")?,
                    sensor: Some(name.clone()),
                    timestamp: time(now, minute),
                    value: MeasureValue::new(value)?,
                });
            }
        }
    }
    Ok(ExampleData {
        step: "example_data_oven",
        users: Vec::new(),
        experiments: vec![ExampleExperiment {
            details: ExperimentDetails {
                name: ExperimentName::new("oven")?,
                description: Description::new("Three thermometers in a laboratory oven. Example data.")?,
                archived: false,
            },
            scientist: UserId::new("S001")?,
            sensors,
            measures,
        }],
    })
}

/// A full minute; the last one is that of `now`.
fn time(now: Timestamp, minute: u32) -> Timestamp {
    let last = now.unix_nanos() / MINUTE_NANOS;
    let nanos = (last - i64::from(MINUTES - 1 - minute)) * MINUTE_NANOS;
    // The first day of 1970 has no previous day.
    Timestamp::from_unix_nanos(nanos).unwrap_or(now)
}

/// In hundredths of a degree, one for each minute.
fn temperatures(number: u32, thermometer: &Thermometer) -> Vec<f64> {
    let mut temperature = ROOM_TEMPERATURE;
    let in_minute = |minute: u32| {
        let set = SET_POINTS
            .iter()
            .rev()
            .find(|(from, _)| *from <= minute)
            .map_or(ROOM_TEMPERATURE, |(_, set)| *set);
        // The thermostat switches the heater on and off.
        let ripple = if set > ROOM_TEMPERATURE { 1.5 * (f64::from(minute) / 4.0).sin() } else { 0.0 };
        let target = ROOM_TEMPERATURE + (set + ripple - ROOM_TEMPERATURE) * thermometer.reach;
        temperature += (target - temperature) / thermometer.lag;
        if DOOR_OPEN.contains(&minute) {
            temperature -= thermometer.draught;
        }
        // Deterministic noise.
        let noise = 0.15 * f64::from(minute * minute + 1_000 * number).sin();
        ((temperature + noise) * 100.0).round() / 100.0
    };
    (0..MINUTES).map(in_minute).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_thermometers_have_measured_for_a_day_up_to_now() {
        let now = Timestamp::from_rfc3339("2026-11-30T12:34:56.789Z").unwrap();
        let data = oven(now).unwrap();
        let experiment = &data.experiments[0];
        let names: Vec<_> = experiment.sensors.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["thermometer-1", "thermometer-2", "thermometer-3"]);
        let of = |name: &str| {
            let is_of = |measure: &&ExampleMeasure| measure.sensor.as_ref().unwrap().as_str() == name;
            experiment.measures.iter().filter(is_of).collect::<Vec<_>>()
        };
        for (name, count) in [("thermometer-1", 1_440), ("thermometer-2", 1_440), ("thermometer-3", 1_370)] {
            let measures = of(name);
            assert_eq!(measures.len(), count, "{name}");
            assert_eq!(measures[0].timestamp.to_string(), "2026-11-29T12:35:00Z");
            assert_eq!(measures[count - 1].timestamp.to_string(), "2026-11-30T12:34:00Z");
            let hottest = measures.iter().map(|measure| measure.value.get()).fold(0.0, f64::max);
            assert!((160.0..185.0).contains(&hottest), "{name}: {hottest}");
        }
        assert!(oven(Timestamp::from_unix_nanos(0).unwrap()).is_ok());
    }
}
