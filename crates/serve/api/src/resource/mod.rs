//! Resources: what each of them declares ([`Resource`]), and the one implementation of list, show, create,
//! update and delete that serves them all (`neutron::handlers`).

pub(crate) mod attribute;
pub(crate) mod input;
pub(crate) mod kind;
pub(crate) mod render;
pub(crate) mod select;
pub(crate) mod standard;

use crate::error::ApiError;
use attribute::Attribute;
use auth::Identity;
use bytes::Bytes;
use input::Input;
use operations::{Context, Expect, OpError};
use render::{Part, Rendered};
use standard::HasMeta;
use std::sync::Arc;
use store::{Row, Snapshot, Table, Tx};
use uuid::Uuid;

/// A kind of object of the Neutron API that is kept in the store.
pub(crate) trait Resource: Sized + Send + Sync + 'static {
    type Table: Table<Value = Self::Model>;
    type Model: HasMeta + Clone + Send + Sync + 'static;
    /// What a create request asks for, parsed.
    type New: Clone + Send + Sync;
    /// What an update request asks for, parsed.
    type Changes: Clone + Send + Sync;

    /// `security_group`, in bodies and policy names.
    const SINGULAR: &'static str;
    /// `security_groups`, in bodies.
    const COLLECTION: &'static str;
    /// `security-groups`, in paths.
    const PATH: &'static str;
    /// The name of the error when there is none with an id.
    const NOT_FOUND: &'static str;
    const ATTRIBUTES: &'static [Attribute<Self::Model>];

    fn key(model: &Self::Model) -> <Self::Table as Table>::Key;
    fn not_found(id: &str) -> String;

    /// The object with this id.
    fn find(snapshot: &Snapshot, id: Uuid) -> Option<Arc<Row<Self::Table>>>;

    /// The rows whose keys nest under the object with this id; none when keys do not nest.
    fn under(_: &Snapshot, _parent: Uuid) -> Vec<Arc<Row<Self::Table>>> {
        Vec::new()
    }

    /// Every row that someone who is no administrator may see, and perhaps more.
    fn within_sight(snapshot: &Snapshot, who: &Identity) -> Vec<Arc<Row<Self::Table>>>;

    /// Whether someone who is no administrator may see an object of another project.
    fn is_shared(_model: &Self::Model, _snapshot: &Snapshot, _who: &Identity) -> bool {
        false
    }

    fn new(input: Input) -> Result<Self::New, ApiError>;
    fn changes(input: Input) -> Result<Self::Changes, ApiError>;

    fn create(tx: &mut Tx, ctx: &Context, new: Self::New) -> Result<Self::Model, OpError>;
    fn update(
        tx: &mut Tx,
        ctx: &Context,
        model: &Self::Model,
        expect: Expect,
        changes: Self::Changes,
    ) -> Result<Self::Model, OpError>;
    fn delete(
        tx: &mut Tx,
        ctx: &Context,
        model: &Self::Model,
        expect: Expect,
    ) -> Result<(), OpError>;
}

pub(crate) fn owns<R: Resource>(model: &R::Model, who: &Identity) -> bool {
    who.is_admin || model.meta().project_id == who.project
}

pub(crate) fn sees<R: Resource>(model: &R::Model, snapshot: &Snapshot, who: &Identity) -> bool {
    owns::<R>(model, who) || R::is_shared(model, snapshot, who)
}

/// The object as the requester may see it; what they may not see does not exist for them.
pub(crate) fn visible<R: Resource>(
    snapshot: &Snapshot,
    who: &Identity,
    id: &str,
) -> Result<Arc<Row<R::Table>>, ApiError> {
    id.parse()
        .ok()
        .and_then(|id| R::find(snapshot, id))
        .filter(|row| sees::<R>(&row.value, snapshot, who))
        .ok_or_else(|| ApiError::NotFound {
            kind: R::NOT_FOUND,
            message: R::not_found(id),
        })
}

/// The object's own attributes, rendered once per version of its row.
pub(crate) fn rendered<R: Resource>(row: &Row<R::Table>) -> Rendered<&Bytes> {
    Rendered(row.memo(|row| Rendered::new(R::ATTRIBUTES, &row.value).0))
}

/// A row of a list whose objects need nothing from other objects: sent without a copy of its own.
pub(crate) struct Whole<R: Resource> {
    pub(crate) row: Arc<Row<R::Table>>,
    pub(crate) admin: bool,
}

impl<R: Resource> Part for Whole<R> {
    fn halves(&self) -> (&[u8], &[u8]) {
        let Rendered(memo) = rendered::<R>(&self.row);
        (&memo[..render::end(memo, self.admin)], b"}")
    }
}

/// The object whole, or what `fields` leaves of it.
pub(crate) fn show<R: Resource>(
    row: &Row<R::Table>,
    snapshot: &Snapshot,
    admin: bool,
    fields: &[String],
) -> (Bytes, Bytes) {
    match fields {
        [] => (
            rendered::<R>(row).open(admin),
            render::close(R::ATTRIBUTES, &row.value, snapshot, admin),
        ),
        fields => (
            render::members(R::ATTRIBUTES, &row.value, snapshot, admin, fields)
                .to_string()
                .into(),
            Bytes::new(),
        ),
    }
}
