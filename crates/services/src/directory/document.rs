//! Checks a document without the database. Every mistake is collected; the other fields of a
//! faulty item still count, so that one mistake is reported once.

use mymonit_model::{
    Description, Email, ExperimentId, ExperimentName, InvalidField, MeasureTypeName, PersonName, Quantity,
    Role, SensorName, Timestamp, UnitSymbol, UserId, Username,
};

use super::contents::{FORMAT, VERSION};
use super::fault::DocumentFault;
use super::tree::Tree;

/// The content of a document; `None` for absent sections.
#[derive(Default)]
pub(super) struct Document {
    pub(super) users: Option<Vec<UserItem>>,
    pub(super) erased_users: Option<Vec<ErasedUserItem>>,
    pub(super) experiments: Option<Vec<ExperimentItem>>,
    pub(super) associations: Option<Vec<AssociationItem>>,
    pub(super) measure_types: Option<Vec<MeasureTypeItem>>,
    pub(super) sensors: Option<Vec<SensorItem>>,
}

/// A user; missing and wrong fields are `None` and reported.
#[derive(Default)]
pub(super) struct UserItem {
    pub(super) user_id: Option<UserId>,
    pub(super) name: Option<PersonName>,
    pub(super) username: Option<Username>,
    pub(super) email: Option<Email>,
    pub(super) role: Option<Role>,
}

#[derive(Default)]
pub(super) struct ErasedUserItem {
    pub(super) user_id: Option<UserId>,
    pub(super) role: Option<Role>,
    pub(super) erased_at: Option<Timestamp>,
}

#[derive(Default)]
pub(super) struct ExperimentItem {
    /// Optional: without it the name identifies the experiment, and a new one gets a number.
    pub(super) experiment_id: Option<ExperimentId>,
    /// Whether it was given, right or wrong.
    pub(super) has_id: bool,
    pub(super) name: Option<ExperimentName>,
    /// Optional: without it, as it is, or blank for a new experiment. Documents of earlier releases
    /// have none.
    pub(super) description: Option<Description>,
    /// Optional as well.
    pub(super) archived: Option<bool>,
}

#[derive(Default)]
pub(super) struct AssociationItem {
    pub(super) experiment: Option<ExperimentName>,
    pub(super) user_id: Option<UserId>,
}

#[derive(Default)]
pub(super) struct MeasureTypeItem {
    pub(super) name: Option<MeasureTypeName>,
    pub(super) symbol: Option<UnitSymbol>,
    pub(super) quantity: Option<Quantity>,
}

#[derive(Default)]
pub(super) struct SensorItem {
    pub(super) experiment: Option<ExperimentName>,
    pub(super) name: Option<SensorName>,
    /// Optional: without it, as it is, or blank for a new sensor.
    pub(super) description: Option<Description>,
}

/// Reads a document, noting every mistake.
pub(super) fn read(document: &[u8], faults: &mut Vec<DocumentFault>) -> Document {
    let tree = match Tree::parse(document) {
        Ok(tree) => tree,
        Err(fault) => {
            faults.push(fault);
            return Document::default();
        }
    };
    const SECTIONS: [&str; 8] = [
        "format",
        "version",
        "users",
        "erased_users",
        "experiments",
        "associations",
        "measure_types",
        "sensors",
    ];
    let Some(top) = Item::of("", &tree, &SECTIONS, faults) else { return Document::default() };
    match top.field("format") {
        Some(Tree::Text(format)) if format == FORMAT => {}
        _ => faults.push(DocumentFault::new("format", format!("must be \"{FORMAT}\""))),
    }
    match top.field("version") {
        Some(Tree::Number(Some(VERSION))) => {}
        _ => faults
            .push(DocumentFault::new("version", format!("must be {VERSION}; this program knows no other"))),
    }
    Document {
        users: top.section("users", faults, user),
        erased_users: top.section("erased_users", faults, erased_user),
        experiments: top.section("experiments", faults, experiment),
        associations: top.section("associations", faults, association),
        measure_types: top.section("measure_types", faults, measure_type),
        sensors: top.section("sensors", faults, sensor),
    }
}

type Faults<'f> = &'f mut Vec<DocumentFault>;

fn user(path: &str, tree: &Tree, faults: Faults<'_>) -> Option<UserItem> {
    let item = Item::of(path, tree, &["user_id", "name", "username", "email", "role"], faults)?;
    Some(UserItem {
        user_id: item.checked("user_id", faults, UserId::new),
        name: item.checked("name", faults, PersonName::new),
        username: item.checked("username", faults, Username::new),
        email: item.checked("email", faults, Email::new),
        role: item.checked("role", faults, str::parse),
    })
}

fn erased_user(path: &str, tree: &Tree, faults: Faults<'_>) -> Option<ErasedUserItem> {
    let item = Item::of(path, tree, &["user_id", "role", "erased_at"], faults)?;
    Some(ErasedUserItem {
        user_id: item.checked("user_id", faults, UserId::new),
        role: item.checked("role", faults, str::parse),
        erased_at: item.checked("erased_at", faults, Timestamp::from_rfc3339),
    })
}

fn experiment(path: &str, tree: &Tree, faults: Faults<'_>) -> Option<ExperimentItem> {
    let item = Item::of(path, tree, &["experiment_id", "name", "description", "archived"], faults)?;
    let id = item.field("experiment_id");
    let parsed = id.and_then(|id| {
        // A value that is not a number becomes text that is not an id, so that both get the same
        // error.
        let text = if let Tree::Number(Some(number)) = id { number.to_string() } else { String::new() };
        item.rule("experiment_id", text.parse(), faults)
    });
    Some(ExperimentItem {
        experiment_id: parsed,
        has_id: id.is_some(),
        name: item.checked("name", faults, ExperimentName::new),
        description: item.description(faults),
        archived: item.truth("archived", faults),
    })
}

fn association(path: &str, tree: &Tree, faults: Faults<'_>) -> Option<AssociationItem> {
    let item = Item::of(path, tree, &["experiment", "user_id"], faults)?;
    Some(AssociationItem {
        experiment: item.checked("experiment", faults, ExperimentName::new),
        user_id: item.checked("user_id", faults, UserId::new),
    })
}

fn measure_type(path: &str, tree: &Tree, faults: Faults<'_>) -> Option<MeasureTypeItem> {
    let item = Item::of(path, tree, &["name", "symbol", "quantity"], faults)?;
    Some(MeasureTypeItem {
        name: item.checked("name", faults, MeasureTypeName::new),
        symbol: item.checked("symbol", faults, UnitSymbol::new),
        quantity: item.checked("quantity", faults, Quantity::new),
    })
}

fn sensor(path: &str, tree: &Tree, faults: Faults<'_>) -> Option<SensorItem> {
    let item = Item::of(path, tree, &["experiment", "name", "description"], faults)?;
    Some(SensorItem {
        experiment: item.checked("experiment", faults, ExperimentName::new),
        name: item.checked("name", faults, SensorName::new),
        description: item.description(faults),
    })
}

/// An object of the document and its path.
struct Item<'t> {
    path: String,
    fields: &'t [(String, Tree)],
}

impl<'t> Item<'t> {
    /// The object, if it is one. Unknown and duplicate fields are reported.
    fn of(path: &str, tree: &'t Tree, known: &[&str], faults: Faults<'_>) -> Option<Self> {
        let Tree::Object(fields) = tree else {
            let message =
                if path.is_empty() { "the document must be an object" } else { "must be an object" };
            faults.push(DocumentFault::new(path, message));
            return None;
        };
        let item = Self { path: path.to_owned(), fields };
        for (index, (name, _)) in fields.iter().enumerate() {
            if !known.contains(&name.as_str()) {
                faults.push(DocumentFault::new(item.path_of(name), "is not known here"));
            } else if fields.iter().take(index).any(|(other, _)| other == name) {
                faults.push(DocumentFault::new(item.path_of(name), "occurs twice"));
            }
        }
        Some(item)
    }

    fn path_of(&self, field: &str) -> String {
        let field = field.escape_debug();
        if self.path.is_empty() { field.to_string() } else { format!("{}.{field}", self.path) }
    }

    fn field(&self, name: &str) -> Option<&'t Tree> {
        self.fields.iter().find(|(other, _)| other == name).map(|(_, tree)| tree)
    }

    /// A field of text that keeps a rule of the model.
    fn checked<T>(
        &self,
        name: &str,
        faults: Faults<'_>,
        rule: impl Fn(&str) -> Result<T, InvalidField>,
    ) -> Option<T> {
        let message = match self.field(name) {
            Some(Tree::Text(text)) => return self.rule(name, rule(text), faults),
            Some(_) => "must be a string",
            None => "is missing",
        };
        faults.push(DocumentFault::new(self.path_of(name), message));
        None
    }

    /// A description, which may be left out.
    fn description(&self, faults: Faults<'_>) -> Option<Description> {
        self.field("description").and_then(|_| self.checked("description", faults, Description::new))
    }

    /// A field that is true or false, and may be left out.
    fn truth(&self, name: &str, faults: Faults<'_>) -> Option<bool> {
        match self.field(name) {
            None => return None,
            Some(Tree::Bool(truth)) => return Some(*truth),
            Some(_) => faults.push(DocumentFault::new(self.path_of(name), "must be true or false")),
        }
        None
    }

    fn rule<T>(&self, name: &str, value: Result<T, InvalidField>, faults: Faults<'_>) -> Option<T> {
        value.map_err(|refusal| faults.push(DocumentFault::new(self.path_of(name), refusal.message))).ok()
    }

    /// The items of a section, if the document has it.
    fn section<T>(
        &self,
        name: &str,
        faults: Faults<'_>,
        read: impl Fn(&str, &Tree, Faults<'_>) -> Option<T>,
    ) -> Option<Vec<T>>
    where
        T: Default,
    {
        match self.field(name)? {
            Tree::Array(items) => {
                // An unreadable item keeps its place, so that the indexes of the others stay right.
                let item =
                    |(index, item)| read(&format!("{name}[{index}]"), item, faults).unwrap_or_default();
                Some(items.iter().enumerate().map(item).collect())
            }
            _ => {
                faults.push(DocumentFault::new(name, "must be an array"));
                None
            }
        }
    }
}
