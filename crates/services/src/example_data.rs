//! Example data to try the system: three users, two experiments and ten measures; and in evaluation
//! mode an experiment with sensors.

mod oven;

use mymonit_model::{
    Description, Email, ExperimentDetails, ExperimentName, InvalidField, MeasureTypeName, MeasureValue,
    PersonName, Role, SensorName, Timestamp, User, UserId, Username,
};

pub use oven::oven;

/// What [`crate::ports::ExampleDataStore`] adds.
#[derive(Debug, Clone)]
pub struct ExampleData {
    /// The name of the step that a database gets once.
    pub step: &'static str,
    /// An administrator and two scientists.
    pub users: Vec<User>,
    /// The experiments in the order of their ids, from 1 in an empty database.
    pub experiments: Vec<ExampleExperiment>,
}

/// An experiment of the example data.
#[derive(Debug, Clone)]
pub struct ExampleExperiment {
    /// Its name and what it is about.
    pub details: ExperimentDetails,
    /// The scientist who may read it.
    pub scientist: UserId,
    /// What is said of its sensors.
    pub sensors: Vec<(SensorName, Description)>,
    /// Its measures.
    pub measures: Vec<ExampleMeasure>,
}

/// A measure of the example data.
#[derive(Debug, Clone)]
pub struct ExampleMeasure {
    /// The name of its type.
    pub measure_type: MeasureTypeName,
    /// Where it comes from.
    pub sensor: Option<SensorName>,
    /// When it was measured.
    pub timestamp: Timestamp,
    /// The number.
    pub value: MeasureValue,
}

/// The example data.
///
/// # Errors
/// None in practice: every value keeps the rules of the model, and a test makes sure of it.
pub fn example_data() -> Result<ExampleData, InvalidField> {
    Ok(ExampleData {
        step: "example_data",
        users: vec![
            user("A001", "Allan Alcorn", "5MS0kr1nE5Qm7ZNzAyHNCVfapcf2", "aalcorn@home.cern", Role::Admin)?,
            user("S001", "Peter Higg", "uJayGH994iVa2TY5auSNYZoUpwk1", "phigg@home.cern", Role::Scientist)?,
            user(
                "S002",
                "Katie Bouman",
                "hirbBCceXlWUGdpNHUpaNtworjm2",
                "kbouman@home.cern",
                Role::Scientist,
            )?,
        ],
        experiments: vec![
            ExampleExperiment {
                details: ExperimentDetails::named(ExperimentName::new("device-vibrations")?),
                scientist: UserId::new("S001")?,
                sensors: Vec::new(),
                measures: vibrations()?,
            },
            ExampleExperiment {
                details: ExperimentDetails::named(ExperimentName::new("black-holes")?),
                scientist: UserId::new("S002")?,
                sensors: Vec::new(),
                measures: Vec::new(),
            },
        ],
    })
}

/// Ten measures in hertz, one a minute from 2022-04-06T07:00:00Z.
fn vibrations() -> Result<Vec<ExampleMeasure>, InvalidField> {
    const HERTZ: [f64; 10] = [100.0, 95.0, 94.0, 110.0, 120.0, 130.0, 110.0, 110.0, 105.0, 120.0];
    let measure = |(minute, value)| {
        Ok(ExampleMeasure {
            measure_type: MeasureTypeName::new("hertz")?,
            sensor: None,
            timestamp: Timestamp::from_rfc3339(&format!("2022-04-06T07:{minute:02}:00Z"))?,
            value: MeasureValue::new(value)?,
        })
    };
    HERTZ.into_iter().enumerate().map(measure).collect()
}

fn user(id: &str, name: &str, username: &str, email: &str, role: Role) -> Result<User, InvalidField> {
    Ok(User {
        user_id: UserId::new(id)?,
        name: PersonName::new(name)?.into(),
        username: Username::new(username)?.into(),
        email: Email::new(email)?.into(),
        role,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_data_keeps_the_rules_of_the_model() {
        let data = example_data().unwrap();
        assert_eq!(data.users.len(), 3);
        assert_eq!(data.experiments[0].measures.len(), 10);
        assert_eq!(data.experiments[0].measures[9].timestamp.to_string(), "2022-04-06T07:09:00Z");
    }
}
