//! The tree as people browse it: objects under their parents, in the folders their types declare.
//!
//! Folders are not objects: they come from the declarations and exist exactly where something lies in them. Their ids
//! (`<parent>-<folder>`) are stable, so a browser may keep one open across versions.

use crate::declare::Folder;
use crate::object::{Handle, Object, ObjectRef};
use crate::version::Version;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A place in the tree: the environment (no object), an object, or a folder below either.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Place {
    pub object: Option<ObjectRef>,
    /// Names of the folders from there on.
    pub folders: Vec<Arc<str>>,
}

/// A row under a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Row {
    Folder {
        /// Stable: `<id of the object or environment>-<folder>...`.
        id: String,
        text: Arc<str>,
        place: Place,
        /// Objects anywhere in it, not below them.
        count: usize,
    },
    Object {
        handle: Handle,
        /// Objects directly below it.
        children: usize,
    },
}

impl Version {
    /// What lies at a place: folders first by text, then objects by name.
    pub fn rows(&self, place: &Place) -> Vec<Row> {
        let depth = place.folders.len();
        let mut folders: BTreeMap<(Arc<str>, Arc<str>), usize> = BTreeMap::new();
        let mut objects: Vec<Handle> = Vec::new();
        for handle in self.state.children(place.object.as_ref()) {
            let Some(object) = self.object(handle) else {
                continue;
            };
            let way = self.folders(object);
            let inside = way.len() >= depth
                && way
                    .iter()
                    .zip(&place.folders)
                    .all(|(f, name)| f.name == *name);
            match way.get(depth) {
                _ if !inside => {}
                Some(folder) => {
                    *folders
                        .entry((folder.text.clone(), folder.name.clone()))
                        .or_insert(0) += 1;
                }
                None => objects.push(handle),
            }
        }
        let key = |handle: &Handle| self.object(*handle).map(|o| (o.name(), &o.key));
        objects.sort_by(|a, b| key(a).cmp(&key(b)));
        let rows = folders.into_iter().map(|((text, name), count)| {
            let mut place = place.clone();
            place.folders.push(name);
            Row::Folder {
                id: self.place_id(&place),
                text,
                place,
                count,
            }
        });
        let objects = objects.into_iter().map(|handle| Row::Object {
            handle,
            children: self
                .object(handle)
                .map_or(0, |object| self.state.children(Some(&object.key)).count()),
        });
        rows.chain(objects).collect()
    }

    /// The id of a place.
    pub fn place_id(&self, place: &Place) -> String {
        let mut id = match &place.object {
            Some(object) => object.id.to_string(),
            None => self.profile.name.to_string(),
        };
        for folder in &place.folders {
            id.push('-');
            id.push_str(folder);
        }
        id
    }

    /// The folders between an object and its parent, from the outside in.
    pub fn folders<'v>(&'v self, object: &'v Object) -> Vec<&'v Folder> {
        let steps = self.rule(object).map_or(&[][..], |rule| &rule.folder);
        steps
            .iter()
            .map(|step| step.choose(|name| object.get(name)))
            .collect()
    }

    /// Ids from the environment to the object, folders included, with slashes before each.
    pub fn id_path(&self, handle: Handle) -> String {
        self.way(handle, |path, above, object, folders| {
            let mut id = above.to_owned();
            for folder in folders {
                id = format!("{id}-{}", folder.name);
                path.push(id.clone());
            }
            path.push(object.key.id.to_string());
        })
    }

    /// As [`Version::id_path`], in names and the texts of folders.
    pub fn name_path(&self, handle: Handle) -> String {
        self.way(handle, |path, _, object, folders| {
            path.extend(folders.iter().map(|folder| folder.text.to_string()));
            path.push(object.name().to_owned());
        })
    }

    fn way(
        &self,
        handle: Handle,
        mut step: impl FnMut(&mut Vec<String>, &str, &Object, &[&Folder]),
    ) -> String {
        let mut path = vec![self.profile.name.to_string()];
        let mut above = self.profile.name.to_string();
        for handle in self.ancestry(handle).into_iter().rev() {
            if let Some(object) = self.object(handle) {
                step(&mut path, &above, object, &self.folders(object));
                above = object.key.id.to_string();
            }
        }
        path.iter()
            .fold(String::new(), |out, part| out + "/" + part)
    }
}
