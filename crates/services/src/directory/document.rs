//! A document as far as it can be judged without the database. Whatever is wrong is noted, and the reading goes on: of an
//! item with a mistake the other fields still count, so that one mistake does not look like several.

use mymonit_model::{
    Email, ExperimentId, ExperimentName, InvalidField, MeasureTypeName, PersonName, Quantity, Role,
    Timestamp, UnitSymbol, UserId, Username,
};

use super::fault::DocumentFault;
use super::tree::Tree;
use super::{FORMAT, VERSION};

/// What a document says; of a section that it does not have, nothing.
#[derive(Default)]
pub(super) struct Document {
    pub(super) users: Option<Vec<UserItem>>,
    pub(super) erased_users: Option<Vec<ErasedUserItem>>,
    pub(super) experiments: Option<Vec<ExperimentItem>>,
    pub(super) associations: Option<Vec<AssociationItem>>,
    pub(super) measure_types: Option<Vec<MeasureTypeItem>>,
}

/// A user; what is missing or wrong is `None`, and noted.
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
    /// May be left out: then the name says which one it is, and a new one gets a number from the system.
    pub(super) experiment_id: Option<ExperimentId>,
    /// Whether it was given, right or wrong.
    pub(super) has_id: bool,
    pub(super) name: Option<ExperimentName>,
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

/// Reads a document, noting every mistake.
pub(super) fn read(document: &[u8], faults: &mut Vec<DocumentFault>) -> Document {
    let tree = match Tree::parse(document) {
        Ok(tree) => tree,
        Err(fault) => {
            faults.push(fault);
            return Document::default();
        }
    };
    const SECTIONS: [&str; 7] =
        ["format", "version", "users", "erased_users", "experiments", "associations", "measure_types"];
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
    let item = Item::of(path, tree, &["experiment_id", "name"], faults)?;
    let id = item.field("experiment_id");
    let parsed = id.and_then(|id| {
        // What is no number becomes text that is no id, and so gets the words of the one rule there is.
        let text = if let Tree::Number(Some(number)) = id { number.to_string() } else { String::new() };
        item.rule("experiment_id", text.parse(), faults)
    });
    Some(ExperimentItem {
        experiment_id: parsed,
        has_id: id.is_some(),
        name: item.checked("name", faults, ExperimentName::new),
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

/// An object of the document, and where it stands.
struct Item<'t> {
    path: String,
    fields: &'t [(String, Tree)],
}

impl<'t> Item<'t> {
    /// The object, if it is one; fields that it must not have, and those that stand twice, are noted.
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
                faults.push(DocumentFault::new(item.path_of(name), "stands twice"));
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
                // One of which nothing can be read stays in its place, so that the others keep theirs.
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
