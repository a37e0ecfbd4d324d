//! Finds the stream route of a connection. Persistent: a change costs what it changes.
//!
//! Routes are kept by their shape: which of the conditions they have, and how long the prefixes
//! of their networks and wildcards are. Among the routes of one shape a connection can fit one set
//! of conditions only, which is looked up. So a search takes one step for each shape in use, not
//! for each route.

use std::sync::Arc;

use imbl::OrdMap;
use weir_model::{Id, Revision};

use super::matcher::{Matcher, Shape};
use weir_plugin_api::StreamHead;

/// Where a route stands: those of equal conditions by their age.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    shape: Shape,
    matcher: Matcher,
    created: Revision,
    id: Id,
}

/// Routes by what they ask of a connection.
#[derive(Debug)]
pub struct Index<T> {
    places: OrdMap<Place, Arc<T>>,
    /// How many routes have a shape.
    shapes: OrdMap<Shape, usize>,
}

impl<T> Clone for Index<T> {
    fn clone(&self) -> Self {
        Self {
            places: self.places.clone(),
            shapes: self.shapes.clone(),
        }
    }
}

impl<T> Default for Index<T> {
    fn default() -> Self {
        Self {
            places: OrdMap::new(),
            shapes: OrdMap::new(),
        }
    }
}

fn place(matcher: &Matcher, created: Revision, id: &Id) -> Place {
    Place {
        shape: matcher.shape(),
        matcher: matcher.clone(),
        created,
        id: Arc::clone(id),
    }
}

impl<T> Index<T> {
    /// Adds a route, or replaces the one at the same place.
    pub fn insert(&mut self, matcher: &Matcher, created: Revision, id: &Id, route: Arc<T>) {
        let place = place(matcher, created, id);
        let shape = place.shape;
        if self.places.insert(place, route).is_none() {
            *self.shapes.entry(shape).or_default() += 1;
        }
    }

    /// Takes out what was added with these.
    pub fn remove(&mut self, matcher: &Matcher, created: Revision, id: &Id) {
        let place = place(matcher, created, id);
        if self.places.remove(&place).is_none() {
            return;
        }
        if let Some(count) = self.shapes.get_mut(&place.shape) {
            *count -= 1;
            if *count == 0 {
                self.shapes.remove(&place.shape);
            }
        }
    }

    /// The route of a connection: that with the best rule for its name, then the oldest.
    #[must_use]
    pub fn find(&self, head: &StreamHead) -> Option<&Arc<T>> {
        let mut best: Option<(&Place, &Arc<T>)> = None;
        // Shapes are ordered by the rank of their names.
        for shape in self.shapes.keys() {
            if best.is_some_and(|(best, _)| best.shape.name < shape.name) {
                break;
            }
            let Some(found) = self.oldest(*shape, head) else {
                continue;
            };
            let age = |place: &Place| (place.created, Arc::clone(&place.id));
            if best.is_none_or(|(best, _)| age(found.0) < age(best)) {
                best = Some(found);
            }
        }
        best.map(|(_, route)| route)
    }

    /// The oldest route of a shape that takes a connection.
    fn oldest(&self, shape: Shape, head: &StreamHead) -> Option<(&Place, &Arc<T>)> {
        let first = Place {
            shape,
            matcher: Matcher::seen(shape, head)?,
            created: 0,
            id: Arc::from(""),
        };
        let found = self.places.range(first.clone()..).next();
        found.filter(|(place, _)| place.shape == shape && place.matcher == first.matcher)
    }
}

#[cfg(test)]
mod tests;
