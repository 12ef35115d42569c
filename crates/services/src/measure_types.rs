// shaku derives a public parameter struct with an undocumented field from every component that has a default.
#![allow(missing_docs)]

use std::collections::HashMap;
use std::sync::{Arc, RwLock};

use async_trait::async_trait;
use mymonit_model::{MeasureType, MeasureTypeId, MeasureTypeName, User};
use shaku::{Component, Interface};

use crate::ServiceError;
use crate::ports::{MeasureTypeStore, StorageError};

/// The measure types, which are few, and to which rows are only ever added.
///
/// They are kept in memory, since each message and each answer needs them. What is not found there is
/// looked for in the database, so that a type added by any process is known at once.
#[async_trait]
pub trait MeasureTypeService: Interface {
    /// All measure types, as the database has them now; for every user.
    async fn list(&self, caller: &User) -> Result<Vec<MeasureType>, ServiceError>;
    /// The types of those names; a name that no type has is missing from the answer.
    async fn ids_by_name(
        &self,
        names: &[MeasureTypeName],
    ) -> Result<HashMap<MeasureTypeName, MeasureTypeId>, StorageError>;
    /// The names of all types, at least of those in `ids`.
    async fn names_by_id(
        &self,
        ids: &[MeasureTypeId],
    ) -> Result<Arc<HashMap<MeasureTypeId, MeasureTypeName>>, StorageError>;
}

/// The types as they were read from the database last.
#[derive(Debug, Default)]
pub struct KnownMeasureTypes(RwLock<Known>);

#[derive(Debug, Default, Clone)]
struct Known {
    ids: Arc<HashMap<MeasureTypeName, MeasureTypeId>>,
    names: Arc<HashMap<MeasureTypeId, MeasureTypeName>>,
}

/// The one implementation of [`MeasureTypeService`].
#[derive(Component)]
#[shaku(interface = MeasureTypeService)]
pub struct MeasureTypeServiceImpl {
    #[shaku(inject)]
    store: Arc<dyn MeasureTypeStore>,
    #[shaku(default)]
    known: KnownMeasureTypes,
}

impl MeasureTypeServiceImpl {
    /// What is known, read again from the database unless it is `enough`.
    async fn known(&self, enough: impl Fn(&Known) -> bool) -> Result<Known, StorageError> {
        // A poisoned lock still holds a whole value: it is only ever replaced at one stroke.
        let known = self.known.0.read().unwrap_or_else(|poisoned| poisoned.into_inner()).clone();
        if enough(&known) {
            return Ok(known);
        }
        let types = self.store.list().await?;
        let fresh = Known {
            ids: Arc::new(types.iter().map(|each| (each.name.clone(), each.id)).collect()),
            names: Arc::new(types.into_iter().map(|each| (each.id, each.name)).collect()),
        };
        *self.known.0.write().unwrap_or_else(|poisoned| poisoned.into_inner()) = fresh.clone();
        Ok(fresh)
    }
}

#[async_trait]
impl MeasureTypeService for MeasureTypeServiceImpl {
    async fn list(&self, _caller: &User) -> Result<Vec<MeasureType>, ServiceError> {
        Ok(self.store.list().await?)
    }

    async fn ids_by_name(
        &self,
        names: &[MeasureTypeName],
    ) -> Result<HashMap<MeasureTypeName, MeasureTypeId>, StorageError> {
        let known = self.known(|known| names.iter().all(|name| known.ids.contains_key(name))).await?;
        let id_of = |name: &MeasureTypeName| known.ids.get(name).map(|id| (name.clone(), *id));
        Ok(names.iter().filter_map(id_of).collect())
    }

    async fn names_by_id(
        &self,
        ids: &[MeasureTypeId],
    ) -> Result<Arc<HashMap<MeasureTypeId, MeasureTypeName>>, StorageError> {
        Ok(self.known(|known| ids.iter().all(|id| known.names.contains_key(id))).await?.names)
    }
}
