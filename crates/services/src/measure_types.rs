// shaku derives a public, undocumented parameter struct from every component with a default.
#![allow(missing_docs)]

use std::collections::HashMap;
use std::sync::{Arc, RwLock};

use async_trait::async_trait;
use mymonit_model::{InvalidField, MeasureType, MeasureTypeId, MeasureTypeName, Quantity, UnitSymbol, User};
use shaku::{Component, Interface};

use crate::ServiceError;
use crate::audit::{Attempt, AuditLog, Operation, Resource, changed};
use crate::ports::{MeasureTypeStore, StorageError};
use crate::user_service::{CANNOT_BE_CHANGED, require_admin};

/// The measure types. They are few; rows are only added, and names and ids never change.
///
/// Names and ids are cached. A cache miss reads the database, so that types of other processes
/// are found at once. Symbols can be corrected and are not cached.
#[async_trait]
pub trait MeasureTypeService: Interface {
    /// All measure types, as the database has them now; for every user.
    async fn list(&self, caller: &User) -> Result<Vec<MeasureType>, ServiceError>;
    /// Adds a measure type; for administrators.
    async fn create(
        &self,
        caller: &User,
        name: &str,
        symbol: &str,
        quantity: &str,
    ) -> Result<MeasureType, ServiceError>;
    /// Replaces symbol and quantity; for administrators. Name and id, if given, must be unchanged.
    async fn correct(
        &self,
        caller: &User,
        id: MeasureTypeId,
        given_id: Option<u32>,
        name: &str,
        symbol: &str,
        quantity: &str,
    ) -> Result<MeasureType, ServiceError>;
    /// The types of these names; where no type has the name, of the unambiguous symbol. Unknown
    /// names are absent from the result.
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
    /// `None` for a symbol of several types.
    symbols: Arc<HashMap<String, Option<MeasureTypeId>>>,
}

/// The one implementation of [`MeasureTypeService`].
#[derive(Component)]
#[shaku(interface = MeasureTypeService)]
pub struct MeasureTypeServiceImpl {
    #[shaku(inject)]
    store: Arc<dyn MeasureTypeStore>,
    #[shaku(inject)]
    audit: Arc<dyn AuditLog>,
    #[shaku(default)]
    known: KnownMeasureTypes,
}

const NO_SUCH_TYPE: ServiceError = ServiceError::NotFound("there is no such measure type");

impl MeasureTypeServiceImpl {
    async fn try_create(
        &self,
        attempt: &mut Attempt<'_>,
        caller: &User,
        name: &str,
        symbol: &str,
        quantity: &str,
    ) -> Result<MeasureType, ServiceError> {
        require_admin(caller)?;
        let name = MeasureTypeName::new(name).map_err(|invalid| InvalidField { field: "name", ..invalid })?;
        let created = self.store.insert(&name, &UnitSymbol::new(symbol)?, &Quantity::new(quantity)?).await?;
        attempt.concerns(Resource::MeasureType(created.id));
        Ok(created)
    }

    async fn try_correct(
        &self,
        attempt: &mut Attempt<'_>,
        caller: &User,
        id: MeasureTypeId,
        given_id: Option<u32>,
        [name, symbol, quantity]: [&str; 3],
    ) -> Result<MeasureType, ServiceError> {
        require_admin(caller)?;
        if given_id.is_some_and(|given| given != u32::from(id.get())) {
            return Err(ServiceError::invalid("measure_type_id", CANNOT_BE_CHANGED));
        }
        let (symbol, quantity) = (UnitSymbol::new(symbol)?, Quantity::new(quantity)?);
        let stored = self.store.list().await?.into_iter().find(|each| each.id == id).ok_or(NO_SUCH_TYPE)?;
        if name.trim() != stored.name.as_str() {
            return Err(ServiceError::invalid("name", "cannot be changed, since measures refer to it"));
        }
        if !self.store.correct(id, &symbol, &quantity).await? {
            return Err(NO_SUCH_TYPE);
        }
        attempt.changed(changed([
            ("symbol", symbol.as_str() != stored.symbol),
            ("quantity", quantity.as_str() != stored.quantity),
        ]));
        Ok(MeasureType { symbol: symbol.to_string(), quantity: quantity.to_string(), ..stored })
    }

    /// The cache, read again from the database unless it is `enough`.
    async fn known(&self, enough: impl Fn(&Known) -> bool) -> Result<Known, StorageError> {
        // A poisoned lock still holds a consistent value: it is only replaced as a whole.
        let known = self.known.0.read().unwrap_or_else(|poisoned| poisoned.into_inner()).clone();
        if enough(&known) {
            return Ok(known);
        }
        let types = self.store.list().await?;
        let mut symbols = HashMap::with_capacity(types.len());
        for each in &types {
            symbols.entry(each.symbol.clone()).and_modify(|id| *id = None).or_insert(Some(each.id));
        }
        let fresh = Known {
            ids: Arc::new(types.iter().map(|each| (each.name.clone(), each.id)).collect()),
            names: Arc::new(types.into_iter().map(|each| (each.id, each.name)).collect()),
            symbols: Arc::new(symbols),
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

    async fn create(
        &self,
        caller: &User,
        name: &str,
        symbol: &str,
        quantity: &str,
    ) -> Result<MeasureType, ServiceError> {
        let mut attempt = Attempt::new(&*self.audit, caller, Operation::CreateMeasureType);
        let created = self.try_create(&mut attempt, caller, name, symbol, quantity).await;
        attempt.conclude(created)
    }

    async fn correct(
        &self,
        caller: &User,
        id: MeasureTypeId,
        given_id: Option<u32>,
        name: &str,
        symbol: &str,
        quantity: &str,
    ) -> Result<MeasureType, ServiceError> {
        let attempt = Attempt::new(&*self.audit, caller, Operation::UpdateMeasureType);
        let mut attempt = attempt.on(Resource::MeasureType(id));
        let corrected = self.try_correct(&mut attempt, caller, id, given_id, [name, symbol, quantity]).await;
        attempt.conclude(corrected)
    }

    async fn ids_by_name(
        &self,
        names: &[MeasureTypeName],
    ) -> Result<HashMap<MeasureTypeName, MeasureTypeId>, StorageError> {
        let known = self.known(|known| names.iter().all(|name| known.ids.contains_key(name))).await?;
        let id_of = |name: &MeasureTypeName| {
            let by_symbol = || known.symbols.get(name.as_str()).copied().flatten();
            known.ids.get(name).copied().or_else(by_symbol).map(|id| (name.clone(), id))
        };
        Ok(names.iter().filter_map(id_of).collect())
    }

    async fn names_by_id(
        &self,
        ids: &[MeasureTypeId],
    ) -> Result<Arc<HashMap<MeasureTypeId, MeasureTypeName>>, StorageError> {
        Ok(self.known(|known| ids.iter().all(|id| known.names.contains_key(id))).await?.names)
    }
}
