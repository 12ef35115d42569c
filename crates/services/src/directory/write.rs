//! A directory as a document: fixed order of sections, sorted items, one item a line, so that
//! a diff shows each change as one line.

use std::collections::HashMap;

use mymonit_model::ExperimentId;
use serde::Serialize;

use super::contents::{Directory, FORMAT, VERSION};

#[derive(Serialize)]
struct UserLine<'a> {
    user_id: &'a str,
    name: &'a str,
    username: &'a str,
    email: &'a str,
    role: &'a str,
}

#[derive(Serialize)]
struct ErasedUserLine<'a> {
    user_id: &'a str,
    role: &'a str,
    erased_at: String,
}

#[derive(Serialize)]
struct ExperimentLine<'a> {
    experiment_id: u32,
    name: &'a str,
    description: &'a str,
    archived: bool,
}

#[derive(Serialize)]
struct AssociationLine<'a> {
    experiment: &'a str,
    user_id: &'a str,
}

#[derive(Serialize)]
struct MeasureTypeLine<'a> {
    name: &'a str,
    symbol: &'a str,
    quantity: &'a str,
}

#[derive(Serialize)]
struct SensorLine<'a> {
    experiment: &'a str,
    name: &'a str,
    description: &'a str,
}

/// The document. Ends with a line break.
pub(super) fn document(directory: &Directory) -> Result<String, serde_json::Error> {
    let names: HashMap<_, _> =
        directory.experiments.iter().map(|each| (each.experiment_id, each.name.as_str())).collect();
    let name_of = |id: ExperimentId| names.get(&id).copied().unwrap_or_default();
    let users = directory.users.iter().map(|user| UserLine {
        user_id: user.user_id.as_str(),
        name: user.name.reveal().as_str(),
        username: user.username.reveal().as_str(),
        email: user.email.reveal().as_str(),
        role: user.role.as_str(),
    });
    let erased_users = directory.erased_users.iter().map(|user| ErasedUserLine {
        user_id: user.user_id.as_str(),
        role: user.role.as_str(),
        erased_at: user.erased_at.to_string(),
    });
    let experiments = directory.experiments.iter().map(|experiment| ExperimentLine {
        experiment_id: experiment.experiment_id.get(),
        name: experiment.name.as_str(),
        description: experiment.description.as_str(),
        archived: experiment.archived,
    });
    let associations = directory
        .associations
        .iter()
        .map(|(id, user_id)| AssociationLine { experiment: name_of(*id), user_id: user_id.as_str() });
    let measure_types = directory.measure_types.iter().map(|measure_type| MeasureTypeLine {
        name: measure_type.name.as_str(),
        symbol: &measure_type.symbol,
        quantity: &measure_type.quantity,
    });
    let sensors = directory.sensors.iter().map(|sensor| SensorLine {
        experiment: name_of(sensor.experiment_id),
        name: sensor.name.as_str(),
        description: sensor.description.as_str(),
    });
    let mut text = format!("{{\n  \"format\": \"{FORMAT}\",\n  \"version\": {VERSION}");
    section("users", users, &mut text)?;
    section("erased_users", erased_users, &mut text)?;
    section("experiments", experiments, &mut text)?;
    section("associations", associations, &mut text)?;
    section("measure_types", measure_types, &mut text)?;
    section("sensors", sensors, &mut text)?;
    text.push_str("\n}\n");
    Ok(text)
}

fn section<T: Serialize>(
    name: &str,
    items: impl Iterator<Item = T>,
    text: &mut String,
) -> Result<(), serde_json::Error> {
    text.push_str(&format!(",\n  \"{name}\": ["));
    let mut is_empty = true;
    for item in items {
        text.push_str(if is_empty { "\n    " } else { ",\n    " });
        text.push_str(&serde_json::to_string(&item)?);
        is_empty = false;
    }
    text.push_str(if is_empty { "]" } else { "\n  ]" });
    Ok(())
}
